"""The end of the process: answers under way go on for a while, new requests hear that it ends."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sized

from mitmproxy import ctx

logger = logging.getLogger(__name__)

STEP = 0.1  # seconds between looks at what is still under way


class Shutdown:
    """Takes SIGTERM over from mitmproxy, which would cut every stream at once. `busy` is what has to get empty."""

    def __init__(self, busy: Sized, grace: Callable[[], float]) -> None:
        self._busy = busy
        self._grace = grace
        self._ending: asyncio.Task[None] | None = None

    @property
    def begun(self) -> bool:
        return self._ending is not None

    def listen(self) -> None:
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._begin)
        except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
            logger.debug("SIGTERM ends running answers at once here.")

    def _begin(self) -> None:
        if self._ending is not None:  # asked twice: now
            ctx.master.shutdown()
            return
        self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        if self._busy:
            logger.warning("Ending; %s answers under way may go on for %g seconds.", len(self._busy), self._grace())
        try:
            async with asyncio.timeout(self._grace()):
                while self._busy:  # noqa: ASYNC110 - a plain dict, and the process is ending
                    await asyncio.sleep(STEP)
        except TimeoutError:
            logger.warning("%s answers were cut.", len(self._busy))
        await _close_clients()
        ctx.master.shutdown()


async def _close_clients() -> None:
    """Tells the clients that keep a connection; asyncio in 3.11 prints a trace for each that the loop's end cuts."""
    server = ctx.master.addons.get("proxyserver")
    handlers = [io.handler for c in server.connections.values() if (io := c.transports.get(c.client)) and io.handler]
    for handler in handlers:
        handler.cancel("shutting down")
    if handlers:
        await asyncio.wait(handlers, timeout=1)
        await asyncio.sleep(STEP)  # for what mitmproxy does after a connection's last byte
