"""Lets an answer of ours stand where mitmproxy would write its own HTML page for an upstream that failed.

mitmproxy writes that page below all hooks: `error` comes before it and cannot replace it. The one public door is the
`next_layer` hook, which chooses the layers of a connection. Ours differ in one point: an `error` hook may set
`flow.response`, and the client gets it; and a body that breaks off is ended through the stream callable, which knows
how to say so, instead of by closing the connection.
"""

from mitmproxy import ctx, flow
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers.http import DropStream, HttpLayer, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook


class AnsweringStream(HttpStream):
    """One request on a connection."""

    def handle_protocol_error(
        self, event: RequestProtocolError | ResponseProtocolError
    ) -> layer.CommandGenerator[None]:
        if not isinstance(event, ResponseProtocolError) or self.client_state != self.state_done:
            yield from super().handle_protocol_error(event)
        elif self.server_state == self.state_wait_for_response_headers:
            yield from self._answer(event)
        elif self.server_state == self.state_stream_response_body and self._is_ours():
            yield from self.state_stream_response_body(ResponseEndOfMessage(self.stream_id))
        else:
            yield from super().handle_protocol_error(event)

    def _is_ours(self) -> bool:
        return self.flow.response is not None and callable(self.flow.response.stream)

    def _answer(self, event: ResponseProtocolError) -> layer.CommandGenerator[None]:
        self.flow.error = flow.Error(event.message)
        yield HttpErrorHook(self.flow)
        if (yield from self.check_killed(False)):
            return
        if self.flow.response is None:
            yield SendHttp(event, self.context.client)
            self.server_state = self.state_errored
            self.flow.live = False
            yield DropStream(self.stream_id)
            return
        content = self.flow.response.raw_content
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, not content), self.context.client)
        if content:
            yield SendHttp(ResponseData(self.stream_id, content), self.context.client)
        self.server_state = self.state_done
        yield from self.flow_done()


class AnsweringLayer(HttpLayer):
    """One client connection."""

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        self.streams[stream_id] = AnsweringStream(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], events.Start())


def let_us_answer(next_layer: NextLayer) -> None:
    """Chooses the layers that mitmproxy would choose, with ours for HTTP. Scripts are asked before its own chooser,
    which leaves alone what is chosen. The class is changed in place: a second layer object would stay behind in the
    connection's context, where mitmproxy looks layers up by position."""
    chooser = ctx.master.addons.get("nextlayer")
    if next_layer.layer is None and chooser is not None:
        chooser.next_layer(next_layer)
    below = next_layer.layer
    while below is not None:
        if type(below) is HttpLayer:
            below.__class__ = AnsweringLayer
        below = getattr(below, "child_layer", None)
