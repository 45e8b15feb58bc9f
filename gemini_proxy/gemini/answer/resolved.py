"""An answer with all that a dialect needs to word it: usable ids of calls, the client's names of its tools, signatures
kept under what they belong to, citations in characters, and warnings of what the client did not ask for."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from gemini_proxy.gemini.answer.citations import Citation, Places, citations_in
from gemini_proxy.gemini.answer.events import Call, Code, ContentEvent, End, Event, Link, Media, Signature, Text
from gemini_proxy.gemini.answer.reader import Reader
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.transcript import Transcript, image_id
from gemini_proxy.gemini.wire import GenerateContentResponse

# Azure takes ids of 40 characters, OpenAI of 64; other alphabets break clients.
USABLE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Ending(End):
    """How one candidate ended; `signature` is that of its text, "" for none."""

    signature: str = ""
    citations: list[Citation] = field(default_factory=list)


@dataclass
class Candidate:
    """What is remembered of one candidate. Its text is kept only where its characters are not its bytes, in which Google
    counts the places of citations, or where the end needs it."""

    transcript: Transcript
    calls: int = 0
    call_id: str = ""  # of the last call
    call_is_signed: bool = False
    signature: str = ""  # of the text
    plain: int = 0  # ASCII characters before `text` begins
    text: list[str] = field(default_factory=list)
    parts: dict[int, int] = field(default_factory=dict)  # Gemini's parts that are text -> bytes before each


@dataclass
class ResolvedAnswer:
    """One answer: `feed` gives what is in a chunk, `ends` how each candidate ended, once, after the last."""

    reader: Reader = field(default_factory=Reader)
    names: ToolNames = field(default_factory=ToolNames)
    transcript: Transcript = field(default_factory=Transcript)
    """The conversation that the answer goes on with."""
    remember: Callable[[str, str], None] = lambda name, signature: None
    """Keeps a thought signature under the name of the call, the text or the image that it belongs to."""
    in_text: Callable[[Code | Link], str] = lambda event: ""
    """What the dialect puts into the text for code and links, where it has no other place for them."""
    check: Callable[[str], str] | None = None
    """Judges the finished text ("" if it is as asked for), for structured output, which `format_param` asks for."""
    format_param: str = ""
    must_call: bool = False
    """Whether the client wants nothing but a tool call."""
    _warnings: list[str] = field(default_factory=list)
    _candidates: dict[int, Candidate] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)  # of calls

    @property
    def warnings(self) -> list[str]:
        return [*self.reader.warnings, *self._warnings]

    def feed(self, chunk: GenerateContentResponse) -> Iterator[ContentEvent]:
        for event in self.reader.feed(chunk):
            candidate = self._candidates.get(event.index) or self._candidate(event.index)
            if type(event) is Text:  # as nearly all are
                if event.part not in candidate.parts:
                    candidate.parts[event.part] = candidate.transcript.size
                self._add(candidate, event.text)
                yield event
            elif resolved := self._resolved(candidate, event):
                yield resolved

    def _resolved(self, candidate: Candidate, event: Event) -> ContentEvent | None:
        """The event as the dialect is to hear it, None for a signature, which goes with what it belongs to."""
        match event:
            case Call():
                return self._call(candidate, event)
            case Signature():
                self._sign(candidate, event)
                return None
            case Code() | Link():
                if text := self.in_text(event):
                    self._add(candidate, text)
            case Media(signature=signature) if signature:
                self.remember(image_id(event.data_uri), signature)
        return event

    def ends(self, *, broken: bool = False) -> list[Ending]:
        """Raises ProxyError as `Reader.ends` does."""
        return [self._ending(end) for end in self.reader.ends(broken=broken)]

    def _candidate(self, index: int) -> Candidate:
        candidate = self._candidates[index] = Candidate(self.transcript.answer())
        return candidate

    def _add(self, candidate: Candidate, text: str) -> None:
        candidate.transcript.add(text)
        if self.check or candidate.text or not text.isascii():
            candidate.text.append(text)
        else:
            candidate.plain += len(text)

    def _call(self, candidate: Candidate, call: Call) -> Call:
        """The call under the client's name of the tool, with an id that all clients take and no other call has."""
        call_id = call.id if USABLE_ID.fullmatch(call.id) and call.id not in self._ids else new_call_id()
        self._ids.add(call_id)
        candidate.call_id, candidate.call_is_signed = call_id, bool(call.signature)
        candidate.calls += 1
        name = self.names.to_client(call.name)
        if not self.names.declared(call.name):
            self._warnings.append(f"the model called {name!r}, which the request does not declare")
        if call.signature:
            self.remember(call_id, call.signature)
        return replace(call, name=name, id=call_id)

    def _sign(self, candidate: Candidate, signed: Signature) -> None:
        """A signature that comes alone belongs to the text if there is any, else to the only call if that has none: of
        parallel calls the first one is signed."""
        if not signed.alone or (candidate.parts and not candidate.signature):
            candidate.signature = signed.signature
        elif not candidate.parts and candidate.calls == 1 and not candidate.call_is_signed:
            self.remember(candidate.call_id, signed.signature)

    def _ending(self, end: End) -> Ending:
        candidate = self._candidates.get(end.index) or self._candidate(end.index)
        if end.reason == "stop":
            if self.check and (complaint := self.check("".join(candidate.text))):
                self._warnings.append(f"the answer is not what {self.format_param} asks for: {complaint}")
            if self.must_call and not candidate.calls:
                self._warnings.append("tool_choice_not_honoured: the model answered without the tool call")
        if candidate.signature:
            self.remember(candidate.transcript.text_id, candidate.signature)
        places = Places(candidate.plain, candidate.text, candidate.parts)
        citations = citations_in(end.extras, places)
        return Ending(end.index, end.reason, end.native, end.message, end.extras, candidate.signature, citations)


def new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"
