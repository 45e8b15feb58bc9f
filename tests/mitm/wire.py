"""Our layers without sockets: bytes of the two peers in, what is sent to them out, hooks answered by functions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from mitmproxy import connection, http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy import commands, context, events
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode

from gemini_proxy.dialects.openai_errors import refusal
from gemini_proxy.errors import ProxyError
from gemini_proxy.mitm import flows
from gemini_proxy.mitm.layer import AnsweringLayer
from gemini_proxy.mitm.stream import House
from gemini_proxy.mitm.visits import VISITS

FAILED = ProxyError(500, "internal_error", "failed")
Handler = Callable[[Any], None]


class QuietHouse:
    """What the layers need of the addon, without one."""

    first_byte_limit = 600.0
    idle_limit = 300.0
    stopped = False

    def closed(self) -> ProxyError:
        return FAILED

    def page(self, flow: http.HTTPFlow, error: ProxyError) -> http.Response:
        flows.answer_with(flow, refusal(error), flows.Framing.of(flow.request))
        assert flow.response is not None
        return flow.response


class Wire:
    """One client connection. `hooks` are what addons do, by the hook's name; `seen` notes each hook with what a client's
    secret would have to be found in."""

    def __init__(self, options: Any, mode: str, hooks: dict[str, Handler], house: House | None = None) -> None:
        client = connection.Client(
            peername=("127.0.0.1", 50_000),
            sockname=("127.0.0.1", 3000),
            timestamp_start=1.0,
            state=ConnectionState.OPEN,
        )
        client.proxy_mode = ProxyMode.parse(mode)
        self.context = context.Context(client, options)
        self.context.server.address = ("google.test", 443)
        regular = HTTPMode.regular if mode == "regular" else HTTPMode.transparent
        self.layer = AnsweringLayer(self.context, regular)
        self.quiet = QuietHouse()  # where no house was given
        self.layer.house = house or self.quiet
        self.hooks = hooks
        self.seen: list[str] = []
        self.shown: list[str] = []  # each flow as it was at each hook
        self.opened: list[connection.Server] = []
        self.closed: list[connection.Connection] = []
        self.to_client = b""
        self.to_google = b""
        self.waiting: list[commands.StartHook] = []  # hooks that nobody has answered, with `hold`
        self.hold: set[str] = set()
        self.clock: commands.RequestWakeup | None = None
        self.unreachable = ""  # why no connection comes about
        self.feed(events.Start())

    def client_says(self, data: bytes) -> "Wire":
        self.feed(events.DataReceived(self.context.client, data))
        return self

    def google_says(self, data: bytes) -> "Wire":
        self.feed(events.DataReceived(self.opened[-1], data))
        return self

    def google_closes(self) -> "Wire":
        self.opened[-1].state &= ~ConnectionState.CAN_READ
        self.feed(events.ConnectionClosed(self.opened[-1]))
        return self

    def client_leaves(self) -> "Wire":
        self.context.client.state = ConnectionState.CLOSED
        self.feed(events.ConnectionClosed(self.context.client))
        return self

    def release(self) -> "Wire":
        """Answers the hooks that were held."""
        waiting, self.waiting, self.hold = self.waiting, [], set()
        for hook in waiting:
            self._run(hook)
            self.feed(events.HookCompleted(hook))
        return self

    def is_ticking(self) -> bool:
        """Whether the layer wants to be woken."""
        return self.clock is not None

    def tick(self) -> "Wire":
        """A second has passed, or whatever time the layer wanted to be woken after; nothing, if it did not."""
        if (clock := self.clock) is not None:
            self.clock = None
            self.feed(events.Wakeup(clock))
        return self

    def feed(self, event: events.Event) -> None:
        for command in self.layer.handle_event(event):
            self._take(command)

    def _take(self, command: commands.Command) -> None:
        if isinstance(command, commands.StartHook):
            if command.name in self.hold:
                self.waiting.append(command)
                return
            self._run(command)
            self.feed(events.HookCompleted(command))
        elif isinstance(command, commands.OpenConnection):
            assert isinstance(command.connection, connection.Server)
            if self.unreachable:
                self.feed(events.OpenConnectionCompleted(command, self.unreachable))
                return
            command.connection.state = ConnectionState.OPEN
            self.opened.append(command.connection)
            self.feed(events.OpenConnectionCompleted(command, None))
        elif isinstance(command, commands.SendData):
            if command.connection is self.context.client:
                self.to_client += command.data
            else:
                self.to_google += command.data
        elif isinstance(command, commands.RequestWakeup):
            self.clock = command
        elif isinstance(command, commands.CloseConnection):
            command.connection.state = ConnectionState.CLOSED
            self.closed.append(command.connection)

    def _run(self, hook: commands.StartHook) -> None:
        self.seen.append(hook.name)
        (argument,) = hook.args()
        if isinstance(argument, http.HTTPFlow):
            self.shown.append(repr(argument.get_state()))
        self.hooks.get(hook.name, lambda _: None)(argument)

    @property
    def status(self) -> int:
        """Of the last answer that the client got."""
        heads = self.to_client.split(b"HTTP/1.1 ")
        return int(heads[-1][:3])


@contextmanager
def wire(mode: str = "reverse:https://google.test", **hooks: Handler) -> Iterator[Wire]:
    known = Options()
    Proxyserver().load(SimpleNamespace(add_option=known.add_option))  # it registers what the layers read
    known.update(keep_host_header=True, connection_strategy="lazy", body_size_limit="1m")
    try:
        yield Wire(known, mode, hooks)
    finally:
        VISITS.clear()
