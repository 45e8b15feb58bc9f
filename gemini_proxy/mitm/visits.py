"""What clients want of us, from the head of a request to the last byte of its answer.

A flow is what mitmproxy shows, saves and replays. What must not be shown stands here: the credentials that a client
sent, and the request that goes to Google with ours.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from mitmproxy import http
from mitmproxy.proxy import commands

from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.app.log import Finished
from gemini_proxy.errors import ProxyError
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.mitm import flows, network


@dataclass
class Visit:
    """One request of a client's. `head` is the request as it came, without its body and with its secrets.

    Nothing is sent to Google for a visit that is not `admitted`, and nothing but `call`.
    """

    flow: http.HTTPFlow
    head: ClientRequest
    framing: flows.Framing
    admitted: bool = False
    call: UpstreamCall | None = None
    error: ProxyError | None = None  # that it was answered with, without a call
    began: float = field(default_factory=time.monotonic)

    def answer_with(self, answer: Answer) -> None:
        """Sets the answer to a visit that needs no call."""
        self.error = answer.error
        flows.answer_with(self.flow, answer, self.framing)

    def request(self) -> ClientRequest:
        """The request as the flow has it now: somebody may have edited it since it came."""
        return flows.with_secrets(flows.client_request(self.flow.request, self.flow.client_conn), self.head)


@dataclass
class TranslateHook(commands.StartHook):
    """Asks for the answer to a visit, or for its call to Google, once all hooks of the request have run.

    Its argument is no flow, so that mitmproxy tells nobody of a change.
    """

    name = "gemini_translate"
    visit: Visit


# By flow id; one for the process, not for the addon: a script that is loaded again has to answer what it finds under
# way. Live objects stay out of flow.metadata, which mitmproxy copies and saves.
VISITS: dict[str, Visit] = {}


class Body:
    """The callable that mitmproxy hands a streamed body to; the layer asks it for more where it knows our layer."""

    def __init__(self, visit: Visit, call: UpstreamCall) -> None:
        self._visit = visit
        self._call = call

    def __call__(self, data: bytes) -> list[bytes]:
        if data:
            self._call.hear()
        return self._call.exchange.transform(data)

    def broke(self, message: str) -> None:
        """The body will not go on; its end is announced next."""
        self._call.exchange.interrupt(network.failure_of(self._call, message))

    def beat(self) -> list[bytes]:
        return self._call.exchange.beat()

    def refuse(self) -> bool:
        """Puts a refusal into the flow if that is all there is to say: nothing has gone to the client yet."""
        answer = self._call.exchange.refusal
        if answer is None:
            return False
        flow = self._visit.flow
        flows.answer_with(flow, answer, self._visit.framing)
        assert flow.response is not None
        flow.response.stream = self  # or what else Google sends would go to the client as it is
        return True


def finished(flow: http.HTTPFlow, visit: Visit | None, error: ProxyError | None, upstream: str) -> Finished:
    """What the log says of a request, also of one that nobody ever admitted; `error` is what it got for an answer, where
    that has no visit."""
    seen: dict[str, Any] = {"error": error}
    status = flows.outcome(flow)
    if visit is not None:
        if visit.error is not None and flow.response is not None:  # a refusal, after which we ended the connection
            status = flow.response.status_code
        seen = {"client": visit.head.peer, "seconds": time.monotonic() - visit.began, "call": visit.call}
        seen["error"] = error or visit.error
    return Finished(
        request_id=flow.id,
        method=flow.request.method,
        path=flow.request.path.partition("?")[0],
        status=status,
        upstream=upstream,
        **seen,
    )
