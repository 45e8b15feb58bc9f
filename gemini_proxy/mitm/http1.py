"""Both sides of HTTP/1 where mitmproxy's readers lack something: our words for what is malformed, a head that has an
end, chunks that are checked, trailers that do no harm, interim answers that are not the answer."""

import re
from collections.abc import Callable, Generator
from typing import Any

import h11
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.net.http.http1 import assemble_response
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server

from gemini_proxy.errors import ProxyError
from gemini_proxy.mitm import network

MALFORMED = "The request is malformed."
HEAD_LIMIT = 128 * 1024  # bytes: mitmproxy itself reads on for ever
END_OF_CHUNK = b"\r\n"
INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r\n]")  # all but the one that switches protocols
SWITCHING = re.compile(rb"HTTP/1\.[01] 101[ \r\n]")


class StrictChunkedReader(ChunkedReader):
    """As h11's, but what ends a chunk has to be CRLF, and trailers are dropped (RFC 9110, 6.5.1: a recipient may).

    h11 0.14, which mitmproxy 11 is bound to, takes any two bytes for the end of a chunk (CVE-2025-43859): a proxy in
    front that reads otherwise would see other requests than we do. Later versions check it themselves.
    """

    def __call__(self, buf: ReceiveBuffer) -> Any:
        left: Any = self._bytes_to_discard  # a number in 0.14, the bytes themselves in later versions
        if isinstance(left, int) and left > 0 and not END_OF_CHUNK[-left:].startswith(bytes(buf._data[:left])):
            raise h11.RemoteProtocolError("malformed chunk: no CRLF at its end")
        event = super().__call__(buf)
        return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event


def check_chunks(connection: Http1Connection) -> None:
    """mitmproxy makes the reader of a body where no subclass can choose it."""
    if type(connection.body_reader) is ChunkedReader:
        connection.body_reader.__class__ = StrictChunkedReader


class AnsweringServer(Http1Server):
    """The client's side. What it sends while it reads a head can only be mitmproxy's page for a malformed one."""

    page: Callable[["AnsweringServer", ProxyError], http.Response]
    refused = False

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and len(self.buf) > HEAD_LIMIT and b"\r\n\r\n" not in bytes(self.buf):
            self.state = self.done
            yield from self._refuse(431, "The head of the request is too large.")
            return
        yield from self._translated(super().read_headers(event))

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        """A body whose framing is broken gets an answer before the connection closes."""
        check_chunks(self)
        for command in super().read_body(event):
            broken = isinstance(command, commands.CloseConnection) and isinstance(event, events.DataReceived)
            if broken and self.response is None and not self.refused:
                yield commands.SendData(self.conn, assemble_response(self._page(400, MALFORMED)))
            yield command

    def _translated(self, own: Generator[commands.Command, Any, None]) -> layer.CommandGenerator[None]:
        malformed = False
        for command in own:  # none of them blocks
            if isinstance(command, commands.SendData) and command.connection is self.conn and not self.refused:
                malformed = True
                yield commands.SendData(self.conn, assemble_response(self._page(400, MALFORMED)))
            elif not (malformed and isinstance(command, ReceiveHttp)):  # no stream answers and logs it again
                yield command

    def _refuse(self, status: int, message: str) -> layer.CommandGenerator[None]:
        yield commands.SendData(self.conn, assemble_response(self._page(status, message)))
        yield commands.CloseConnection(self.conn)

    def _page(self, status: int, message: str) -> http.Response:
        self.refused = True
        response = self.page(self, network.page_error(status, message))
        response.headers["connection"] = "close"
        return response


class AnsweringClient(Http1Client):
    """Google's side. `adopt` makes one of mitmproxy's own, which its layers make where nobody else can."""

    @staticmethod
    def adopt(client: Http1Client) -> None:
        client.__class__ = AnsweringClient
        client.state = client.read_headers

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        """Interim answers (RFC 9110, 15.2) are passed over; we ask for no other protocol, so nobody may switch."""
        if isinstance(event, events.DataReceived) and self.request is not None and self.stream_id is not None:
            while INTERIM.match(data := bytes(self.buf)):
                end = data.find(b"\r\n\r\n")
                if end < 0:
                    return
                self.buf.maybe_extract_at_most(end + 4)
            if SWITCHING.match(data):
                yield commands.CloseConnection(self.conn)
                message = "unexpected server response: 101 Switching Protocols"
                yield ReceiveHttp(ResponseProtocolError(self.stream_id, message, ResponseProtocolError.code))
                return
        yield from super().read_headers(event)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        check_chunks(self)
        yield from super().read_body(event)
