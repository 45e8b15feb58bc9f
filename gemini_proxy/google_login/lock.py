"""One writer at a time among all processes that share a token file: several proxies, and login.py beside them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

logger = logging.getLogger(__name__)

WAIT = 15.0  # seconds; whoever holds the lock renews a token, or hangs
TICK = 0.02  # seconds between attempts


class ProcessLock:
    """A lock of the operating system on a file beside the token file, gone with the process that held it.

    Without it (a read-only directory, a file system without locks, a holder that hangs) the work goes on all the same:
    two refreshes at once cost a request to Google, a proxy that waits for ever costs everything.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = False

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        lock = await self._acquired()
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    async def _acquired(self) -> BaseFileLock | None:
        """Each attempt returns at once, so that nobody waits but in the event loop."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self._path, mode=0o600, thread_local=False)
            end = time.monotonic() + WAIT
            while not _taken(lock):
                if time.monotonic() > end:
                    self._without(f"another process has held {self._path} for {WAIT:.0f} seconds")
                    return None
                await asyncio.sleep(TICK)
        except (OSError, NotImplementedError) as error:
            self._without(f"{self._path}: {getattr(error, 'strerror', None) or type(error).__name__}")
            return None
        return lock

    def _without(self, reason: str) -> None:
        if not self._told:
            logger.warning("The token file is used without a lock, other processes may renew it too (%s).", reason)
        self._told = True


def _taken(lock: BaseFileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True
