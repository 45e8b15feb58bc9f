"""One request on a connection, as `layer.AnsweringLayer` wants it: our request to Google, our words, our clock.

Two things are true here whatever a hook, another addon or an exception leaves in the flow. What a client says goes to
no upstream: a connection is opened and written to for the call that our own addon has put beside the flow, and for
nothing else. And no flow ever holds a credential: the client's are taken out before the first hook, ours never goes in.
"""

import time
from collections.abc import Generator
from typing import Any, Protocol
from urllib.parse import urlsplit

from mitmproxy import flow, http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnection, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpConnectHook,
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
)

from gemini_proxy.errors import ProxyError
from gemini_proxy.http import ClientRequest
from gemini_proxy.mitm import flows, network
from gemini_proxy.mitm.visits import VISITS, Body, TranslateHook, Visit

BEAT = 15.0  # seconds of silence in a stream after which the client gets a comment: some give up after 30
WATCHED = ("state_wait_for_response_headers", "state_consume_response_body", "state_stream_response_body")

NO_TUNNELS = ProxyError(405, "method_not_allowed", "This is a server, not a proxy: it opens no tunnels.")

Commands = Generator[commands.Command, Any, Any]


class House(Protocol):
    """What the layers need of the addon."""

    @property
    def first_byte_limit(self) -> float:
        """Seconds until an answer of Google's has to begin."""

    @property
    def idle_limit(self) -> float:
        """Seconds that an answer may pause."""

    @property
    def stopped(self) -> bool:
        """Whether answers under way have to end now."""

    def page(self, flow: http.HTTPFlow, error: ProxyError) -> http.Response:
        """The answer to a request that no hook has answered, or to one that could not be read (`flows.unread`)."""

    def closed(self) -> ProxyError:
        """Why nobody has admitted a request."""


class Tick(events.Event):
    """The clock of the connection, for each of its streams."""


class AnsweringStream(HttpStream):
    """One request on a connection."""

    house: House
    head: ClientRequest
    framing: flows.Framing
    ends_with_head = False  # a request without a body
    heard = 0.0  # when the upstream last said something
    told = 0.0  # when the client last heard something
    held: ResponseHeaders | None = None  # the head of a stream that has not begun

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, Tick):
            yield from self._translated(self._look_at_the_clock())
            return
        if isinstance(event, ResponseData) and not event.data:
            return  # HTTP/2 has empty frames; to the stream callable an empty piece is the end
        if isinstance(event, RequestHeaders):
            self._take_head(event)
        if isinstance(event, ResponseHeaders | ResponseData):
            self.heard = time.monotonic()
        yield from self._translated(super()._handle_event(event))

    def _take_head(self, event: RequestHeaders) -> None:
        """Keeps the request as it came and leaves mitmproxy, and with it every hook, one without secrets."""
        self.head = flows.client_request(event.request, self.context.client)
        self.framing = flows.Framing.of(event.request)
        self.ends_with_head = event.end_stream
        flows.hide_secrets(event.request)

    def _translated(self, own: Commands) -> Commands:
        """mitmproxy's commands with our call to Google and our words for its pages; blocking ones get their answers."""
        reply = None
        while True:
            try:
                command = own.send(reply)
            except StopIteration:
                return
            reply = None
            if isinstance(command, SendHttp):
                to_client = command.connection is self.context.client
                yield from self._to_client(command) if to_client else self._to_google(command)
            elif isinstance(command, HttpRequestHeadersHook):
                yield from self._admission(command)
                if self.flow.response is not None and not self.flow.error and not self.ends_with_head:
                    own.close()
                    yield from self._translated(self._answer_now())
                    return
            elif isinstance(command, HttpRequestHook):
                yield command
                yield from self._translation()
            elif isinstance(command, HttpConnectHook):
                yield command
                self.flow.response = self.flow.response or self.house.page(self.flow, NO_TUNNELS)
            else:
                if isinstance(command, DropStream):
                    VISITS.pop(self.flow.id, None)
                reply = yield command

    def _admission(self, command: HttpRequestHeadersHook) -> Commands:
        """Has the addon look at the head. What it does not let in is answered here."""
        flows.name_address(self.flow.request, self.context.client)
        visit = VISITS[self.flow.id] = Visit(self.flow, self.head, self.framing)
        yield command
        self.flow.request.stream = False
        if not visit.admitted and self.flow.response is None and self.flow.error is None:
            self.flow.response = self.house.page(self.flow, self.house.closed())

    def _translation(self) -> Commands:
        """Has the addon say what goes to Google. By now others may have answered the request, edited or killed it."""
        visit = VISITS.get(self.flow.id)
        if self.flow.response is not None or self.flow.error is not None or visit is None:
            return
        if visit.admitted:
            yield TranslateHook(visit)
        if visit.call is None and self.flow.response is None:
            self.flow.response = self.house.page(self.flow, self.house.closed())

    def _answer_now(self) -> Commands:
        """Answers before the body has come, which nobody reads any more."""
        assert self.flow.response is not None
        self.flow.response.headers["connection"] = "close"
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        self.client_state = self.state_errored  # takes what still comes, and drops it
        yield from self.send_response()
        if self.server_state == self.state_done:  # the client may have left meanwhile
            yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
            self.flow.live = False
            yield Linger(self.context.client)
        yield DropStream(self.stream_id)

    def _to_google(self, command: SendHttp) -> Commands:
        """In place of the client's request, which mitmproxy would send, the one that we made of it."""
        event = command.event
        visit = VISITS.get(self.flow.id)
        call = visit.call if visit is not None else None
        if isinstance(event, RequestProtocolError):  # the client has gone, or Google was too slow
            yield command
        elif call is not None and isinstance(event, RequestHeaders):
            head = RequestHeaders(self.stream_id, flows.google_request(call.sent), end_stream=not call.sent.body)
            yield SendHttp(head, command.connection)
            if call.sent.body:
                yield SendHttp(RequestData(self.stream_id, call.sent.body), command.connection)
        elif call is not None and isinstance(event, RequestEndOfMessage):
            yield command

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
            self.flow.response = self.house.page(self.flow, network.page_error(status, event.message))
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
            body.broke(event.message)
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
        visit = VISITS.get(self.flow.id)
        if visit is None or visit.call is None:
            yield from self.handle_protocol_error(_failed(self.stream_id, network.NOT_OURS))
            return False
        url = urlsplit(visit.call.sent.url)
        tls = url.scheme == "https"
        address = (url.hostname or "", url.port or (443 if tls else 80))
        proxy = visit.call.proxy
        via: Any = (proxy.scheme, (proxy.host, proxy.port)) if proxy is not None else None
        connection, error = yield GetHttpConnection(address, tls, self.flow.server_conn.via or via)
        self.heard = time.monotonic()
        if error:
            yield from self.handle_protocol_error(_failed(self.stream_id, error))
            return False
        self.context.server = self.flow.server_conn = connection
        return True

    def flow_done(self) -> layer.CommandGenerator[None]:
        assert self.flow.response is not None
        if self.flow.response.status_code == 101:  # would join the client's connection to the upstream's
            self.flow.response.status_code = 502
        yield from super().flow_done()

    def _look_at_the_clock(self) -> Commands:
        now = time.monotonic()
        if self.heard == 0.0 or self.server_state.__name__ not in WATCHED:
            return
        waiting = self.server_state == self.state_wait_for_response_headers
        limit = self.house.first_byte_limit if waiting else self.house.idle_limit
        if self.house.stopped:
            yield from self._give_up(network.STOPPED)
        elif now - self.heard > limit:
            yield from self._give_up(network.FIRST_BYTE_TIMEOUT if waiting else network.IDLE_TIMEOUT)
        elif self.server_state == self.state_stream_response_body and now - max(self.told, self.heard) > BEAT:
            for comment in body.beat() if (body := self._body()) is not None else []:
                yield SendHttp(ResponseData(self.stream_id, comment), self.context.client)

    def _give_up(self, why: str) -> Commands:
        # The codes are the classes' own defaults, an int in mitmproxy 11 and an enum in 12.
        gone = RequestProtocolError(self.stream_id, why, RequestProtocolError.code)
        yield SendHttp(gone, self.context.server)  # closes an HTTP/1 connection, resets an HTTP/2 stream
        yield from self.handle_protocol_error(_failed(self.stream_id, why))


class Linger(commands.ConnectionCommand):
    """For our layer alone: close the client's connection a little later."""


def _failed(stream_id: int, message: str) -> ResponseProtocolError:
    return ResponseProtocolError(stream_id, message, ResponseProtocolError.code)


def _status(event: ResponseProtocolError) -> int | None:
    """The status of mitmproxy's page, None where it only closes the connection."""
    code: Any = event.code
    status: int | None = code if isinstance(code, int) else code.http_status_code()
    return None if status == 204 else status
