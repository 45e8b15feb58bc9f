"""The calls that are with Google, from the `request` hook to the last byte."""

import time
from dataclasses import dataclass, field
from typing import Any

from mitmproxy import http

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Exchange, HttpRequest, Upstream
from gemini_proxy.mitm import flows


@dataclass
class Call:
    """`sent` holds the credential: it must not get into a flow or a log."""

    exchange: Exchange
    upstream: Upstream
    sent: HttpRequest
    framing: flows.Framing
    path: str  # as the client said it
    limit: float  # seconds that a second try may take
    began: float = field(default_factory=time.monotonic)
    first_byte: float | None = None
    comment: str = ""  # on a second try

    def hear(self) -> None:
        if self.first_byte is None:
            self.first_byte = time.monotonic()

    @property
    def remarks(self) -> str:
        """What the flow list shows beside it: of a stream, some of it is known only after the headers have left."""
        return "; ".join(filter(None, (self.comment, *self.exchange.warnings)))

    def record(self) -> dict[str, Any]:
        """What the log says of it."""
        usage = self.exchange.usage
        first = {"first_byte_ms": _ms(self.first_byte - self.began)} if self.first_byte is not None else {}
        tokens = {"input_tokens": usage.get("promptTokenCount"), "output_tokens": usage.get("candidatesTokenCount")}
        known = {name: count for name, count in tokens.items() if isinstance(count, int)}
        stream = {"model": self.exchange.ask.model, "stream": self.exchange.ask.stream}
        return {**stream, **known, **first, "total_ms": _ms(time.monotonic() - self.began)}


# One for the process, not for the addon: a script that is loaded again has to answer what it finds under way. Live
# objects stay out of flow.metadata, which mitmproxy copies and saves.
CALLS: dict[str, Call] = {}


class Body:
    """The callable that mitmproxy hands a streamed body to; the layer asks it for more where it knows our layer."""

    def __init__(self, flow: http.HTTPFlow, call: Call) -> None:
        self._flow = flow
        self._call = call

    def __call__(self, data: bytes) -> list[bytes]:
        if data:
            self._call.hear()
        return self._call.exchange.transform(data)

    def broke(self, error: ProxyError) -> None:
        """The body will not go on; its end is announced next."""
        self._call.exchange.interrupt(error)

    def beat(self) -> list[bytes]:
        return self._call.exchange.beat()

    def refuse(self) -> bool:
        """Puts a refusal into the flow if that is all there is to say: nothing has gone to the client yet."""
        answer = self._call.exchange.refusal
        if answer is None:
            return False
        flows.answer_with(self._flow, answer, self._call.framing)
        assert self._flow.response is not None
        self._flow.response.stream = self  # or what else Google sends would go to the client as it is
        return True


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
