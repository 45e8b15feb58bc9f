"""The client's side of HTTP/1: heads that cannot be read get our words too, and a head has an end."""

from collections.abc import Callable, Generator
from typing import Any

from mitmproxy import http
from mitmproxy.net.http.http1 import assemble_response
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Server

MALFORMED = "The request is malformed."
HEAD_LIMIT = 128 * 1024  # bytes: mitmproxy itself reads on for ever


class AnsweringServer(Http1Server):
    """What it sends while it reads a head can only be mitmproxy's page for a malformed one."""

    page: Callable[[http.HTTPFlow | None, int, str], http.Response]

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and len(self.buf) > HEAD_LIMIT and b"\r\n\r\n" not in bytes(self.buf):
            self.state = self.done
            yield from self._refuse(431, "The head of the request is too large.")
            return
        yield from self._translated(super().read_headers(event))

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """A body whose framing is broken gets an answer before the connection closes."""
        try:
            for command in super().read_body(event):
                broken = isinstance(command, commands.CloseConnection) and isinstance(event, events.DataReceived)
                if broken and self.response is None:
                    yield commands.SendData(self.conn, assemble_response(self._page(400, MALFORMED)))
                yield command
        except NotImplementedError:  # trailers: mitmproxy would leave the client without a word
            yield from self._refuse(400, "Trailers are not supported.")
            yield ReceiveHttp(RequestProtocolError(self.stream_id, "trailers", RequestProtocolError.code))
            self.state = self.done

    def _translated(self, own: Generator[commands.Command, Any, None]) -> layer.CommandGenerator[None]:
        for command in own:  # none of them blocks
            if isinstance(command, commands.SendData) and command.connection is self.conn:
                yield commands.SendData(self.conn, assemble_response(self._page(400, MALFORMED)))
            else:
                yield command

    def _refuse(self, status: int, message: str) -> layer.CommandGenerator[None]:
        yield commands.SendData(self.conn, assemble_response(self._page(status, message)))
        yield commands.CloseConnection(self.conn)

    def _page(self, status: int, message: str) -> http.Response:
        response = self.page(None, status, message)
        response.headers["connection"] = "close"
        return response
