"""One request on a connection, as `layer.AnsweringLayer` wants it: our words, our clock, our end of a stream."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from mitmproxy import flow, http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook

from gemini_proxy.mitm import network
from gemini_proxy.mitm.calls import Body

BEAT = 15.0  # seconds of silence in a stream after which the client gets a comment: some give up after 30
WATCHED = ("state_wait_for_response_headers", "state_consume_response_body", "state_stream_response_body")

Commands = Generator[commands.Command, Any, Any]
Page = Callable[[http.HTTPFlow | None, int, str], http.Response]


@dataclass
class House:
    """What the layers need of the addon: its words for a page of mitmproxy's, and its limits in seconds."""

    page: Page
    first_byte_limit: Callable[[], float]
    idle_limit: Callable[[], float]


class Tick(events.Event):
    """The clock of the connection, for each of its streams."""


class AnsweringStream(HttpStream):
    """One request on a connection."""

    house: House
    heard = 0.0  # when the upstream last said something
    told = 0.0  # when the client last heard something
    held: ResponseHeaders | None = None  # the head of a stream that has not begun

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, Tick):
            yield from self._translated(self._look_at_the_clock())
            return
        if isinstance(event, ResponseData) and not event.data:
            return  # HTTP/2 has empty frames; to the stream callable an empty piece is the end
        if isinstance(event, ResponseHeaders | ResponseData):
            self.heard = time.monotonic()
        yield from self._translated(super()._handle_event(event))

    def _translated(self, own: Commands) -> Commands:
        """mitmproxy's commands with our words for its pages; blocking ones get their answers."""
        reply = None
        while True:
            try:
                command = own.send(reply)
            except StopIteration:
                return
            reply = None
            if isinstance(command, SendHttp) and command.connection is self.context.client:
                yield from self._to_client(command)
            else:
                reply = yield command

    def _to_client(self, command: SendHttp) -> Commands:
        event = command.event
        if isinstance(event, ResponseProtocolError):
            yield from self._instead_of_page(command, event)
            return
        if isinstance(event, ResponseHeaders) and self._body() is not None:
            self.held = event
            return
        if self.held is not None and (yield from self._begin(isinstance(event, ResponseData))):
            return
        self.told = time.monotonic()
        yield command

    def _begin(self, is_data: bool) -> Generator[commands.Command, Any, bool]:
        """Sends the head that was held. True where a refusal went out in place of the data."""
        held, self.held = self.held, None
        body = self._body()
        assert held is not None
        refused = body is not None and body.refuse()
        assert self.flow.response is not None
        held = ResponseHeaders(self.stream_id, self.flow.response, end_stream=False) if refused else held
        yield SendHttp(held, self.context.client)
        if refused and self.flow.response.raw_content:
            yield SendHttp(ResponseData(self.stream_id, self.flow.response.raw_content), self.context.client)
        return refused and is_data

    def _instead_of_page(self, command: SendHttp, event: ResponseProtocolError) -> Commands:
        status = _status(event)
        begun = self.server_state in (self.state_stream_response_body, self.state_done) and self.held is None
        if status is None or begun or not self.context.client.state & ConnectionState.CAN_WRITE:
            yield command
            return
        self.held = None
        if self.flow.response is None or self.flow.response.headers.get("x-request-id") != self.flow.id:  # not ours
            self.flow.response = self.house.page(self.flow, status, event.message)
        yield from self._send_whole(self.flow.response)
        if self.client_state != self.state_done:
            yield Linger(self.context.client)

    def _send_whole(self, response: http.Response) -> Commands:
        content = response.raw_content
        yield SendHttp(ResponseHeaders(self.stream_id, response, not content), self.context.client)
        if content:
            yield SendHttp(ResponseData(self.stream_id, content), self.context.client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        if not isinstance(event, ResponseProtocolError) or self.client_state != self.state_done:
            yield from super().handle_protocol_error(event)
        elif self.server_state in (self.state_wait_for_response_headers, self.state_consume_response_body):
            yield from self._answer(event)
        elif self.server_state in (self.state_done, self.state_errored):
            return  # it has its answer: this is the echo of a connection that we ended, heard while a hook ran
        elif self.server_state == self.state_stream_response_body and (body := self._body()) is not None:
            body.broke(network.error_from(event.message))
            yield from self.state_stream_response_body(ResponseEndOfMessage(self.stream_id))
        else:
            yield from super().handle_protocol_error(event)

    def _body(self) -> Body | None:
        stream = self.flow.response.stream if self.flow.response is not None else None
        return stream if isinstance(stream, Body) else None

    def _answer(self, event: ResponseProtocolError) -> layer.CommandGenerator[None]:
        """As `super`, but what the `error` hook put in the flow is the answer."""
        self.flow.response = None  # half of what Google said
        self.flow.error = flow.Error(event.message)
        yield HttpErrorHook(self.flow)
        if (yield from self.check_killed(False)):
            return
        yield SendHttp(event, self.context.client)
        self.server_state = self.state_errored
        self.flow.live = False
        yield DropStream(self.stream_id)

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        connected = yield from super().make_server_connection()
        self.heard = time.monotonic()
        return connected

    def _look_at_the_clock(self) -> Commands:
        now = time.monotonic()
        if self.heard == 0.0 or self.server_state.__name__ not in WATCHED:
            return
        waiting = self.server_state == self.state_wait_for_response_headers
        limit = self.house.first_byte_limit() if waiting else self.house.idle_limit()
        if now - self.heard > limit:
            yield from self._give_up(network.FIRST_BYTE_TIMEOUT if waiting else network.IDLE_TIMEOUT)
        elif self.server_state == self.state_stream_response_body and now - max(self.told, self.heard) > BEAT:
            for comment in body.beat() if (body := self._body()) is not None else []:
                yield SendHttp(ResponseData(self.stream_id, comment), self.context.client)

    def _give_up(self, why: str) -> Commands:
        # The codes are the classes' own defaults, an int in mitmproxy 11 and an enum in 12.
        gone = RequestProtocolError(self.stream_id, why, RequestProtocolError.code)
        yield SendHttp(gone, self.context.server)  # closes an HTTP/1 connection, resets an HTTP/2 stream
        yield from self.handle_protocol_error(ResponseProtocolError(self.stream_id, why, ResponseProtocolError.code))


class Linger(commands.ConnectionCommand):
    """For our layer alone: close the client's connection a little later."""


def _status(event: ResponseProtocolError) -> int | None:
    """The status of mitmproxy's page, None where it only closes the connection."""
    code: Any = event.code
    status: int | None = code if isinstance(code, int) else code.http_status_code()
    return None if status == 204 else status
