"""What one answer event is in OpenAI's words: the delta of a stream, which a whole answer puts together."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from gemini_proxy.gemini.answer.citations import annotations_from
from gemini_proxy.gemini.answer.events import Call, Code, End, Event, Link, Media, Reason, Signature, Text, Thought
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.transcript import Transcript, image_id

Delta = dict[str, Any]

FINISH: dict[Reason, str] = {
    "stop": "stop",
    "length": "length",
    "blocked": "content_filter",
    "calls": "tool_calls",
}
# Azure takes ids of 40 characters, OpenAI of 64; other alphabets break clients.
USABLE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass
class Choice:
    """What has been said in one choice, as far as the next delta depends on it.

    Its text is kept only where its characters are not its bytes, in which Google counts the places of citations.
    """

    said: Transcript
    calls: int = 0
    call_id: str = ""  # of the last call
    images: int = 0
    spoken: bool = False
    call_is_signed: bool = False
    signature: str = ""
    plain: int = 0  # ASCII characters before `text` begins
    text: list[str] = field(default_factory=list)
    parts: dict[int, int] = field(default_factory=dict)  # Gemini's parts that are text -> bytes before each
    code: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Voice:
    """How one client wants to be answered, and what it declared.

    `remember` keeps a thought signature under the id of the call, the text or the image it belongs to; `said` is the
    conversation that the answer goes on with. `keep_text` is set where the end needs the whole text, to check structured output.
    """

    names: ToolNames = field(default_factory=ToolNames)
    remember: Callable[[str, str], None] = lambda name, signature: None
    said: Transcript = field(default_factory=Transcript)
    legacy_functions: bool = False
    keep_text: bool = False
    audio: bool = False


class Deltas:
    """Says the events of one answer; one object an answer, told in order."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._choices: dict[int, Choice] = {}
        self._ids: set[str] = set()  # of calls
        self.warnings: list[str] = []

    def of(self, event: Event) -> Delta:
        """The delta for an event, empty where the client hears nothing of it."""
        choice = self._choices.get(event.index) or self._choice(event.index)
        match event:
            case Text(text=text, part=part):
                if part not in choice.parts:
                    choice.parts[part] = choice.said.size
                return self._text(choice, text)
            case Thought(text=text):
                return {"reasoning_content": text}
            case Call():
                return self._call(choice, event)
            case Signature():
                return self._signature(choice, event)
            case Code(language=language, text=text, part=copy):
                choice.code.append(copy)
                return self._text(choice, f"\n```{language}\n{text.rstrip()}\n```\n")
            case Link(uri=uri, mime_type=mime_type):
                choice.files.append({"mime_type": mime_type, "uri": uri})
                return self._text(choice, uri)
            case Media():
                return self._media(choice, event)

    def closing(self, end: End) -> Delta:
        """What only the end tells: sources, the signature of the text."""
        choice = self._choices.get(end.index) or self._choice(end.index)
        google: dict[str, Any] = {name: end.extras[key] for key, name in GOOGLE_EXTRAS.items() if key in end.extras}
        copies = {"code_execution": choice.code, "files": choice.files}
        google |= {name: copy for name, copy in copies.items() if copy}
        if choice.signature:
            self._voice.remember(choice.said.text_id, choice.signature)
            google["thought_signature"] = choice.signature
        delta: Delta = {"extra_content": {"google": google}} if google else {}
        if found := annotations_from(choice.plain, choice.text, choice.parts, end.extras):
            delta["annotations"] = found
        return delta

    def text(self, index: int) -> str:
        """The whole text of a choice, if the voice keeps it."""
        choice = self._choices.get(index)
        return "".join(choice.text) if choice else ""

    def finish(self, reason: Reason) -> str:
        return "function_call" if reason == "calls" and self._voice.legacy_functions else FINISH[reason]

    def has_called(self, index: int) -> bool:
        choice = self._choices.get(index)
        return choice is not None and choice.calls > 0

    def _choice(self, index: int) -> Choice:
        choice = self._choices[index] = Choice(self._voice.said.answer())
        return choice

    def _text(self, choice: Choice, text: str) -> Delta:
        choice.said.add(text)
        if self._voice.keep_text or choice.text or not text.isascii():
            choice.text.append(text)
        else:
            choice.plain += len(text)
        return {"content": text}

    def _call(self, choice: Choice, call: Call) -> Delta:
        if self._voice.legacy_functions and choice.calls:
            self.warnings.append("the model called several functions; function_call has room for the first one only")
            return {}
        call_id = call.id if USABLE_ID.fullmatch(call.id) and call.id not in self._ids else new_call_id()
        self._ids.add(call_id)
        choice.call_id = call_id
        choice.calls += 1
        name = self._voice.names.to_client(call.name)
        if not self._voice.names.declared(call.name):
            self.warnings.append(f"the model called {name!r}, which the request does not declare")
        function = {"name": name, "arguments": to_json(call.args, inf_nan_mode="null").decode()}  # never empty
        if self._voice.legacy_functions:
            return {"function_call": function}
        choice.call_is_signed = bool(call.signature)
        said: Delta = {"index": choice.calls - 1, "id": call_id, "type": "function", "function": function}
        if call.signature:
            self._voice.remember(call_id, call.signature)
            said["extra_content"] = {"google": {"thought_signature": call.signature}}
        return {"tool_calls": [said]}

    def _signature(self, choice: Choice, signed: Signature) -> Delta:
        """Kept until the end, because the client would join the strings of two deltas. One that comes alone belongs to
        the text if there is any, else to the only call if that has none: of parallel calls the first one is signed."""
        if not signed.alone or (choice.parts and not choice.signature):
            choice.signature = signed.signature
        elif not choice.parts and choice.calls == 1 and not choice.call_is_signed:
            self._voice.remember(choice.call_id, signed.signature)
        return {}

    def _media(self, choice: Choice, media: Media) -> Delta:
        if self._voice.audio and media.mime_type.startswith("audio/"):
            audio: Delta = {"data": media.data}
            if not choice.spoken:  # once, because the client joins strings and adds numbers
                audio = {"id": f"audio_{secrets.token_hex(8)}", "transcript": "", "expires_at": 0, **audio}
            choice.spoken = True
            return {"audio": audio}
        choice.images += 1
        url = f"data:{media.mime_type};base64,{media.data}"
        if media.signature:
            self._voice.remember(image_id(url), media.signature)
        return {"images": [{"index": choice.images - 1, "type": "image_url", "image_url": {"url": url}}]}


GOOGLE_EXTRAS = {
    "groundingMetadata": "grounding_metadata",
    "citationMetadata": "citation_metadata",
    "urlContextMetadata": "url_context_metadata",
}


def new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"
