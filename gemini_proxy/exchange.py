"""One exchange between a client and an upstream: the contracts of dialects and upstreams, and the path between them.

A dialect is a wire protocol that clients speak, an upstream one that Google speaks. Neither knows the other: both
know the hub (`gemini/`), Gemini's own words, so N dialects and M upstreams need N + M translations.
"""

import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from gemini_proxy import sse
from gemini_proxy.errors import ProxyError, Unreadable
from gemini_proxy.gemini.answer.chunk import Damaged
from gemini_proxy.gemini.answer.reader import incomplete
from gemini_proxy.gemini.answer.usage import Usage, usage_in
from gemini_proxy.gemini.inline import MediaLimits
from gemini_proxy.gemini.request.remote import RemoteMedia
from gemini_proxy.gemini.wire import GenerateContentResponse, UsageMetadata
from gemini_proxy.http import Answer, ClientRequest, retry_after
from gemini_proxy.redact import redacted

logger = logging.getLogger(__name__)

Method = Literal["generateContent", "streamGenerateContent", "batchEmbedContents"]


class Renderer(Protocol):
    """Says one answer in a dialect's words: the frames of a stream, or one body at the end."""

    @property
    def warnings(self) -> list[str]: ...

    def feed(self, chunk: GenerateContentResponse) -> list[bytes]: ...

    def end(self, *, broken: bool = False) -> list[bytes]:
        """What is left to say; `broken`: Google's body broke off. Raises ProxyError where this is not a whole answer."""

    def fail(self, error: ProxyError) -> list[bytes]:
        """The end of a stream that failed."""

    def beat(self) -> bytes:
        """Bytes that keep a stream alive while Google is silent and that clients of this protocol skip; b"" if it has
        none."""

    def headers(self) -> Mapping[str, str]:
        """Headers known so far: of a stream before its first frame, of a whole answer after `end`."""


@dataclass(frozen=True)
class Ask:
    """What a client wants, in the hub's words, and who will tell it the answer."""

    model: str
    method: Method
    request: Mapping[str, Any]  # GenerateContentRequest, or as the method has it
    renderer: Renderer
    warnings: list[str] = field(default_factory=list)
    remote: list[RemoteMedia] = field(default_factory=list)
    request_id: str = ""
    earlier: list["Ask"] = field(default_factory=list)  # whose answers the renderer hears before, not streamed
    client_key: str = field(default="", repr=False)  # a Google key that the client brought for this request

    @property
    def stream(self) -> bool:
        return self.method == "streamGenerateContent"


def request_id_from(headers: Mapping[str, str]) -> str:
    """The client's own id for the request, so that it can be found again in Google's logs, or a new one."""
    given = headers.get("x-request-id") or headers.get("x-activity-request-id") or ""
    return given if re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", given) else str(uuid.uuid4())


@dataclass(frozen=True)
class HttpRequest:
    """What goes to Google. Its `repr` shows no header: one holds the credential."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Route:
    """What a dialect says of one of its paths."""

    methods: tuple[str, ...]
    """For any other method the client gets a 405 with these in `Allow`."""

    lists_models: bool = False
    """Whether the list of Google's models is refreshed before the dialect reads the request."""


class Dialect(Protocol):
    """A wire protocol of clients."""

    @property
    def routes(self) -> Mapping[str, Route]:
        """Its paths. `{name}` in one stands for anything, slashes too: `/v1/models/{model}`."""

    def read(self, request: ClientRequest) -> Ask | Answer:
        """What to ask Google, or the answer where Google is not needed, for a path and a method of `routes`.

        Raises ProxyError."""

    def refuse(self, error: ProxyError) -> Answer:
        """The error in the words of this protocol. It may be about anything: a key, a method, a body, Google."""


class Upstream(Protocol):
    """A wire protocol of Google's. `media` is what it takes of media."""

    media: MediaLimits

    async def encode(self, ask: Ask) -> HttpRequest:
        """The request with its credential, which may have to be fetched first. Raises ProxyError."""

    def decode(self, event: bytes) -> GenerateContentResponse | None:
        """The chunk in an event, None for one that says nothing. Raises ProxyError or Unreadable."""

    def refuse(self, status: int, headers: Mapping[str, str], body: bytes, model: str = "") -> ProxyError:
        """The error of an answer whose status is not 200; `model` is the one that was asked."""

    async def second_try(self, ask: Ask, sent: HttpRequest, status: int, body: bytes) -> HttpRequest | None:
        """What to send once more after a refusal that this cures, None for all others. Raises ProxyError."""


def linked(ask: Ask, media: MediaLimits) -> Ask:
    """The ask with the media that the upstream fetches put in as addresses; what remains has to be fetched here."""
    if not media.links:
        return ask
    return replace(ask, remote=[one for one in ask.remote if not one.link()])


class Exchange:
    """Turns what the upstream answers into what the client hears, chunk by chunk or whole.

    Bytes pass as `Feed.feed -> Upstream.decode -> Renderer.feed`. It says the end exactly once, whatever comes and
    however often the end is announced, and never raises: mitmproxy would cut the body and the client would take the
    rest for a good, short answer.
    """

    def __init__(self, dialect: Dialect, upstream: Upstream, ask: Ask) -> None:
        self.ask = ask
        self._dialect = dialect
        self._upstream = upstream
        self._feed: sse.Feed = sse.Decoder()
        self._skipped = 0  # events
        self._mended: dict[str, None] = {}
        self._lost: dict[str, None] = {}
        self._ended = False
        self._said = False  # whether the client has heard anything of a stream
        self._failure: ProxyError | None = None
        self._last_words = 0  # frames that only say the failure
        self._broken: ProxyError | None = None
        self._usage: UsageMetadata | None = None
        self._reasons: dict[int, str] = {}
        self.trace_id = ""  # Google's own name for the answer

    @property
    def warnings(self) -> list[str]:
        own = [f"{self._skipped} unreadable events of Google's were skipped"] if self._skipped else []
        if self._mended:
            own.append(f"Google's answer was malformed and read as far as it goes: {', '.join(self._mended)}")
        return [*self.ask.warnings, *self.ask.renderer.warnings, *own]

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer as far as it has come; None while Google has not counted any."""
        return usage_in(self._usage) if self._usage else None

    @property
    def finish_reasons(self) -> list[str]:
        """Google's word for the end of each candidate that has one."""
        return [reason for _, reason in sorted(self._reasons.items())]

    @property
    def failure(self) -> ProxyError | None:
        """Why the client got an error, or the end of its stream was one."""
        return self._failure

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def refusal(self) -> Answer | None:
        """The answer with the status of the failure, where a stream failed before the client heard anything of it:
        many agents repeat a stream that begins well and holds an error, again and again."""
        return self.refuse(self._failure) if self._failure is not None and not self._said else None

    def interrupt(self, error: ProxyError) -> None:
        """The body will end early; this is why."""
        self._broken = error

    def beat(self) -> list[bytes]:
        """What keeps a connection alive while Google says nothing."""
        beat = b"" if self._ended else self.ask.renderer.beat()
        if not beat:
            return []
        self._said = True
        return [beat]

    def transform(self, data: bytes) -> list[bytes]:
        """The frames for a piece of the body; `b""` is its end. A list, because mitmproxy takes `b""` for the end."""
        if self._ended:
            return []
        frames = self._frames(self._feed.feed(data) if data else self._feed.flush())
        if not data and not self._ended:
            frames += self._end()
        self._said = self._said or len(frames) > self._last_words
        return [b"".join(frames)] if frames else []  # one write for the events that came in one read

    def whole(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer for a body that came in one piece, to a client that asked for a stream or for a whole answer."""
        if "event-stream" not in headers.get("content-type", ""):
            self._feed = sse.Whole()
        if self.ask.stream:
            frames = self.transform(body) + self.transform(b"")
            return self.refusal or Answer(200, b"".join(frames), self.stream_headers())
        try:
            for event in self._feed.feed(body) + self._feed.flush():
                self._read(event)
            return Answer(200, b"".join(self._last_frames()), self._with_warnings(self.ask.renderer.headers()))
        except Exception as error:
            return self.refuse(_as_proxy_error(error))

    def stream_headers(self) -> dict[str, str]:
        return self._with_warnings(self.ask.renderer.headers())

    def refuse(self, error: ProxyError) -> Answer:
        self._failure = error
        return self._dialect.refuse(error)

    def rejected(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer where Google did not answer with 200."""
        try:
            error = self._upstream.refuse(status, headers, body, self.ask.model)
            error.retry_after = retry_after(headers) if error.retry_after is None else error.retry_after
            return self.refuse(_as_proxy_error(error))
        except Exception as error:
            return self.refuse(_as_proxy_error(error))

    def _frames(self, events: list[bytes]) -> list[bytes]:
        frames: list[bytes] = []
        try:
            for event in events:
                frames += self._read(event)
        except Exception as error:  # what came before it still counts
            frames += self._fail(error)
        return frames

    def _read(self, event: bytes) -> list[bytes]:
        try:
            chunk = self._upstream.decode(event)
        except Unreadable as error:
            if error.lost:
                self._lost["an event"] = None
            else:
                self._skipped += 1
            return []
        if chunk is None:
            return []
        if type(chunk) is Damaged:
            self._mended |= dict.fromkeys(chunk.mended)
            self._lost |= dict.fromkeys(chunk.lost)
        self._usage = chunk.get("usageMetadata") or self._usage
        self.trace_id = chunk.get("traceId") or chunk.get("responseId") or self.trace_id
        for candidate in chunk.get("candidates") or ():
            if reason := candidate.get("finishReason"):
                self._reasons[candidate.get("index") or 0] = reason
        return self.ask.renderer.feed(chunk)

    def _last_frames(self) -> list[bytes]:
        """Raises ProxyError where the answer is not whole, whatever its last event says."""
        if self._lost:
            raise incomplete(f"A part of Google's answer is unreadable ({', '.join(self._lost)}).")
        return self.ask.renderer.end(broken=self._broken is not None)

    def _end(self) -> list[bytes]:
        try:
            frames = self._last_frames()
        except Exception as error:
            return self._fail(self._broken or error)
        self._ended = True
        return frames

    def _fail(self, error: Exception) -> list[bytes]:
        self._ended = True
        self._failure = _as_proxy_error(error)
        last_words = self.ask.renderer.fail(self._failure)
        self._last_words = len(last_words)
        return last_words

    def _with_warnings(self, headers: Mapping[str, str]) -> dict[str, str]:
        if not self.warnings:
            return dict(headers)
        return {**headers, "x-gemini-proxy-warnings": header_text("; ".join(self.warnings))}


def header_text(text: str) -> str:
    """Text that may quote a client or Google, as a header value: one line of ASCII, not longer than 1,000 characters."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)[:1000]


def _as_proxy_error(error: Exception) -> ProxyError:
    if isinstance(error, ProxyError):
        error.message = redacted(error.message)
        return error
    logger.error("An answer could not be translated.", exc_info=error)
    return ProxyError(500, "internal_error", "The proxy failed to translate Google's answer; its log says where.")
