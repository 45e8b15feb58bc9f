"""The addon that stays: what clients say passes it, or goes nowhere.

mitmproxy takes a script away when it is loaded again, and goes on without one that fails: what listens then is a plain
reverse proxy that sends what clients say, their keys included, to the upstream. So the part that keeps the door is an
addon of its own, which no reload removes. While nobody is behind it (`addon` is None) each request gets a 503; a first
start that fails ends the process.
"""

import asyncio
import logging
import os
import sys
from typing import NoReturn, Protocol

from mitmproxy import connection, ctx, exceptions, http
from mitmproxy.proxy.layer import NextLayer

from gemini_proxy.dialects.openai_errors import refusal
from gemini_proxy.errors import ProxyError
from gemini_proxy.mitm import flows, web_password
from gemini_proxy.mitm.layer import let_us_answer
from gemini_proxy.mitm.listeners import Listeners
from gemini_proxy.mitm.stream import House
from gemini_proxy.mitm.visits import Visit

logger = logging.getLogger(__name__)

FAILED = 1  # exit status
STEP = 0.01  # seconds between looks at whether mitmproxy has started
LOADING = "gemini-proxy is not loaded: it is being loaded again, or its script has failed, and the log says why."


class Addon(House, Protocol):
    """Who stands behind the gate."""

    async def translate(self, visit: Visit) -> None:
        """Puts the answer into the visit's flow, or the call to Google beside it."""


class Gate:
    """One for each mitmproxy."""

    name = "gemini-gate"

    def __init__(self) -> None:
        self.listeners = Listeners()
        self.addon: Addon | None = None
        self.started = False
        self._ready = asyncio.Event()
        self._waiting: asyncio.Task[None] | None = None
        self._problem = LOADING

    @classmethod
    def install(cls) -> "Gate":
        """The gate, closed. The first time, everything that listens is held back too."""
        gate = ctx.master.addons.get(cls.name)
        if not isinstance(gate, Gate):
            gate = Gate()
            gate.listeners.hold()
            ctx.master.addons.chain.insert(0, ctx.master.addons.register(gate))  # the first to be asked
            if web_password.is_needed():
                ctx.master.addons.add(web_password.WebPassword())
        elif not gate.started:
            leave("addon.py is loaded twice; give it once.")
        gate.shut()
        return gate

    def open(self, addon: Addon) -> None:
        self.addon = addon

    def shut(self) -> None:
        self.addon, self._problem = None, LOADING

    def fail(self, problem: str) -> None:
        """Says why the addon cannot work. Before anything listens that is the end of the process, there and then: no
        other task of mitmproxy gets a turn. Later the gate stays closed."""
        self.addon = None
        self._problem = f"gemini-proxy could not be loaded again: {problem}"
        if self.started:
            logger.error("%s Requests get a 503 until that is mended.", self._problem)
        else:
            leave(problem)

    def running(self) -> None:
        if self.addon is None:
            leave(self._problem)

    async def start(self) -> None:
        """Opens the listeners, once all addons run."""
        self.started = True
        if problem := await self.listeners.open():
            leave(problem)
        self._waiting = asyncio.create_task(self._let_in())

    async def client_connected(self, client: connection.Client) -> None:
        """Clients wait until all of mitmproxy has started: before that some of its addons fail on a request, and each
        error in the log ends it."""
        await self._ready.wait()

    async def _let_in(self) -> None:
        check = ctx.master.addons.get("errorcheck")
        while check is not None and check.logger in logging.getLogger().handlers:  # noqa: ASYNC110
            await asyncio.sleep(STEP)
        self._ready.set()

    async def gemini_translate(self, visit: Visit) -> None:
        """Hands a visit to who stands behind the gate. The forty other addons have nothing to say about it, and asking
        them would take a tenth of a request's time."""
        if self.addon is not None:
            await self.addon.translate(visit)
        raise exceptions.AddonHalt

    def next_layer(self, next_layer: NextLayer) -> None:
        let_us_answer(next_layer, self)

    def done(self) -> None:
        self.listeners.close()

    @property
    def first_byte_limit(self) -> float:
        return self.addon.first_byte_limit if self.addon is not None else 600

    @property
    def idle_limit(self) -> float:
        return self.addon.idle_limit if self.addon is not None else 300

    @property
    def stopped(self) -> bool:
        return self.addon is not None and self.addon.stopped

    def closed(self) -> ProxyError:
        if self.addon is not None:
            return self.addon.closed()
        return ProxyError(503, "not_loaded", self._problem, retry=True)

    def page(self, flow: http.HTTPFlow, error: ProxyError) -> http.Response:
        if self.addon is not None:
            return self.addon.page(flow, error)
        flows.answer_with(flow, refusal(error), flows.Framing.of(flow.request))
        assert flow.response is not None
        return flow.response


def leave(problem: str) -> NoReturn:
    """Ends the process with one sentence. Not by an exception: mitmproxy would catch it, or let its tasks run on."""
    sys.stdout.flush()
    print(f"gemini-proxy cannot start: {problem}", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(FAILED)
