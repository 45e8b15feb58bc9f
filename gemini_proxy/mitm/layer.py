"""Lets answers of ours stand where mitmproxy would write its own HTML pages, and gives an upstream only so much time.

mitmproxy writes those pages below all hooks: `error` comes before them and cannot replace them. The one public door is
the `next_layer` hook, which chooses the layers of a connection. Ours differ in this:

- What mitmproxy would say as a page, the client hears in our words: an upstream that failed, a request that is too large
  or malformed.
- The head of a stream waits for its first bytes: an error that comes first still gets its own status.
- A body that breaks off is ended through the stream callable, which knows how to say so, instead of by closing the
  connection.
- A clock for each connection ends what takes too long. It ticks with `RequestWakeup`, mitmproxy's own timer for layers,
  and ends a connection with `CloseConnection`: both work in 11 and 12, in any phase. (The other way, cancelling
  `proxyserver.connections[client.id].transports[server].handler`, ends a connection too, but all streams in it.)
"""

import logging
import time
from collections.abc import Collection
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers.http import HttpLayer, RegisterHttpConnection
from mitmproxy.proxy.layers.http._http1 import Http1Client
from mitmproxy.proxy.tunnel import TunnelLayer

from gemini_proxy.errors import ProxyError
from gemini_proxy.mitm import flows, network
from gemini_proxy.mitm.http1 import AnsweringClient, AnsweringServer
from gemini_proxy.mitm.stream import AnsweringStream, Commands, House, Linger, Tick

TICK = 1.0  # seconds between looks at the clock, fewer where the limits are short
CONNECT_LIMIT = 30.0  # seconds for DNS, TCP and TLS
LINGER = 2.0  # seconds in which a client may go on sending a body that was refused: closing at once cuts our answer


class AnsweringLayer(HttpLayer):
    """One client connection."""

    house: House
    clock: commands.RequestWakeup | None = None
    closing: float | None = None
    overdue: Collection[Connection] = ()  # those that did not come about in time

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup) and event.command is self.clock:
            self.clock = None
            yield from self._tick()
            return
        if isinstance(event, events.Start) and self.context.client.alpn in (None, b"", b"http/1.1", b"http/1.0"):
            server = AnsweringServer(self.context.fork())
            server.page = self._page
            self.connections.setdefault(self.context.client, server)
        yield from super()._handle_event(event)

    def event_to_child(self, child: layer.Layer, event: events.Event) -> layer.CommandGenerator[None]:
        for command in super().event_to_child(child, event):
            if isinstance(command, Linger):
                self.closing = time.monotonic() + LINGER
                yield from self._wind()
            else:
                yield command

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        stream = AnsweringStream(self.context.fork(), stream_id)
        stream.house = self.house
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())
        yield from self._wind()

    def register_connection(self, command: RegisterHttpConnection) -> layer.CommandGenerator[None]:
        if command.err and command.connection in self.overdue:
            command.err = network.CONNECT_TIMEOUT
        below: layer.Layer | None = self.connections.get(command.connection)
        while below is not None:
            if type(below) is Http1Client:
                AnsweringClient.adopt(below)
            below = getattr(below, "child_layer", None)
        yield from super().register_connection(command)

    def _page(self, server: AnsweringServer, error: ProxyError) -> http.Response:
        stream = self.streams.get(server.stream_id or 0)
        return self.house.page(stream.flow if stream is not None else flows.unread(server.request), error)

    def _wind(self) -> Commands:
        if self.clock is None:
            shortest = min(self.house.first_byte_limit, self.house.idle_limit)
            self.clock = commands.RequestWakeup(min(TICK, shortest / 4))
            yield self.clock

    def _tick(self) -> Commands:
        limit = min(CONNECT_LIMIT, self.house.first_byte_limit)
        self.overdue = [c for c, waiting in self.waiting_for_establishment.items() if waiting and _age(c) > limit]
        for connection in self.overdue:
            yield commands.CloseConnection(connection)
        for stream in list(self.streams.values()):
            yield from self.event_to_child(stream, Tick())
        if self.closing is not None and time.monotonic() > self.closing:
            yield commands.CloseConnection(self.context.client)
        elif self.streams or self.closing is not None:
            yield from self._wind()


class ClosingLayer(layer.Layer):
    """Takes the place of what would pass bytes on unread."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield commands.Log("A connection that is no HTTP was closed.", logging.INFO)
            yield commands.CloseConnection(self.context.client)


def let_us_answer(next_layer: NextLayer, house: House) -> None:
    """Chooses the layers that mitmproxy would choose, with ours for HTTP and none that is not HTTP (`ignore_hosts` and
    the like would pass on what clients say). The class is changed in place: a second layer object would stay behind in
    the connection's context, where mitmproxy looks layers up by position."""
    chooser = ctx.master.addons.get("nextlayer")
    if next_layer.layer is None and chooser is not None:
        chooser.next_layer(next_layer)
    above: Any = None
    below: Any = next_layer.layer
    while below is not None:
        if not isinstance(below, HttpLayer | TunnelLayer | NextLayer):
            below = ClosingLayer(below.context)
            if above is None:
                next_layer.layer = below
            else:
                above.child_layer = below
        if type(below) is HttpLayer:
            below.__class__ = AnsweringLayer
        if isinstance(below, AnsweringLayer):
            below.house = house
        above, below = below, getattr(below, "child_layer", None)


def _age(connection: Connection) -> float:
    return time.time() - (connection.timestamp_start or time.time())
