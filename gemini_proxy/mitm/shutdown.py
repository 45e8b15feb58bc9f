"""The end of the process: answers under way go on for a while, new requests hear that it ends."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sized
from typing import Any

from mitmproxy import ctx

logger = logging.getLogger(__name__)

STEP = 0.1  # seconds between looks at what is still under way
CUT = 2.0  # seconds for answers that are cut to say so to their clients
SIGNALS = ("SIGTERM", "SIGINT", "SIGBREAK")  # the last is what Windows has besides Ctrl-C


class Shutdown:
    """Takes the signals over from mitmproxy, which would cut every stream at once: the first one lets answers under way
    go on, the second one cuts them. `busy` is what has to get empty."""

    def __init__(self, busy: Sized, grace: Callable[[], float]) -> None:
        self._busy = busy
        self._grace = grace
        self._ending: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self.over = False  # answers under way have to end now

    @property
    def begun(self) -> bool:
        return self._ending is not None

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for name in SIGNALS:
            number: Any = getattr(signal, name, None)
            if number is None or (name == "SIGINT" and hasattr(ctx.master, "prompt_for_exit")):
                continue  # the console asks the user itself
            try:
                loop.add_signal_handler(number, self._begin)
            except (NotImplementedError, RuntimeError):  # Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._begin))
            except ValueError:  # not the main thread
                logger.debug("%s ends answers at once here.", name)

    def _begin(self) -> None:
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        else:
            self._hurry.set()

    async def _end(self) -> None:
        if self._busy:
            logger.warning(
                "Stopping. Waiting up to %g s for %s to finish; the same signal again (Ctrl-C) ends at once.",
                self._grace(),
                _answers(len(self._busy)),
            )
        await self._idle(self._grace(), self._hurry)
        if self._busy:
            logger.warning("Stopping now: %s cut.", _answers(len(self._busy)))
            self.over = True
            await self._idle(CUT)
        await _close_clients()
        ctx.master.shutdown()

    async def _idle(self, seconds: float, hurry: asyncio.Event | None = None) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self._busy and loop.time() < end and not (hurry and hurry.is_set()):  # noqa: ASYNC110
            await asyncio.sleep(STEP)


def _answers(number: int) -> str:
    return f"{number} answer{'' if number == 1 else 's'}"


async def _close_clients() -> None:
    """Tells the clients that keep a connection; asyncio in 3.11 prints a trace for each that the loop's end cuts."""
    server = ctx.master.addons.get("proxyserver")
    handlers = [io.handler for c in server.connections.values() if (io := c.transports.get(c.client)) and io.handler]
    for handler in handlers:
        handler.cancel("shutting down")
    if handlers:
        await asyncio.wait(handlers, timeout=1)
        await asyncio.sleep(STEP)  # for what mitmproxy does after a connection's last byte
