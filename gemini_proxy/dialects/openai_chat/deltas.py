"""What one answer event is in OpenAI's words: the delta of a stream, which a whole answer puts together."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from gemini_proxy.dialects.openai_chat.annotations import annotations_from
from gemini_proxy.gemini.answer import Call, Code, End, Event, Link, Media, Reason, Signature, Text, Thought
from gemini_proxy.gemini.names import ToolNames

Delta = dict[str, Any]

FINISH: dict[Reason, str] = {
    "stop": "stop",
    "length": "length",
    "blocked": "content_filter",
    "calls": "tool_calls",
}
# Azure takes ids of 40 characters, OpenAI of 64; other alphabets break clients (C87, C89).
USABLE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass
class Choice:
    """What has been said in one choice, as far as the next delta depends on it."""

    ids: list[str] = field(default_factory=list)
    images: int = 0
    signature: str = ""
    text: list[str] = field(default_factory=list)


@dataclass
class Voice:
    """How one client wants to be answered, and what it declared.

    `remember` keeps a thought signature under the id of the call it belongs to. `keep_text` is set where the end needs
    the whole text: for citations, whose places Google counts in bytes, and for checking structured output.
    """

    names: ToolNames = field(default_factory=ToolNames)
    remember: Callable[[str, str], None] = lambda call_id, signature: None
    legacy_functions: bool = False
    keep_text: bool = False
    audio: bool = False


class Deltas:
    """Says the events of one answer; one object an answer, told in order."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._choices: dict[int, Choice] = {}
        self.warnings: list[str] = []

    def of(self, event: Event) -> Delta:
        """The delta for an event, empty where the client hears nothing of it."""
        choice = self._choices.setdefault(event.index, Choice())
        match event:
            case Text(text=text):
                return self._text(choice, text)
            case Thought(text=text):
                return {"reasoning_content": text}
            case Call():
                return self._call(choice, event)
            case Signature(signature=signature):
                return self._signature(choice, signature)
            case Code(language=language, text=text):
                return self._text(choice, f"\n```{language}\n{text.rstrip()}\n```\n")  # C60
            case Link(uri=uri):
                return self._text(choice, uri)
            case Media():
                return self._media(choice, event)

    def closing(self, end: End) -> Delta:
        """What only the end tells: why the prompt was blocked (C40, C41), sources, the signature of the text."""
        if end.reason == "blocked" and not end.native:
            return {"refusal": end.message}
        choice = self._choices.setdefault(end.index, Choice())
        google: dict[str, Any] = {name: end.extras[key] for key, name in GOOGLE_EXTRAS.items() if key in end.extras}
        if choice.signature and not choice.ids:
            google["thought_signature"] = choice.signature
        delta: Delta = {"extra_content": {"google": google}} if google else {}
        if found := annotations_from("".join(choice.text), end.extras):
            delta["annotations"] = found
        return delta

    def text(self, index: int) -> str:
        """The whole text of a choice, if the voice keeps it."""
        return "".join(self._choices.setdefault(index, Choice()).text)

    def finish(self, reason: Reason) -> str:
        return "function_call" if reason == "calls" and self._voice.legacy_functions else FINISH[reason]

    def _text(self, choice: Choice, text: str) -> Delta:
        if self._voice.keep_text:
            choice.text.append(text)
        return {"content": text}

    def _call(self, choice: Choice, call: Call) -> Delta:
        call_id = call.id if USABLE_ID.fullmatch(call.id) and not self._is_used(call.id) else new_call_id()
        choice.ids.append(call_id)
        name = self._voice.names.to_client(call.name)
        if not self._voice.names.declared(call.name):
            self.warnings.append(f"the model called {name!r}, which the request does not declare")
        function = {"name": name, "arguments": to_json(call.args, inf_nan_mode="null").decode()}  # C84: never empty
        if self._voice.legacy_functions:
            return {"function_call": function}
        said: Delta = {"index": len(choice.ids) - 1, "id": call_id, "type": "function", "function": function}
        if call.signature:
            self._voice.remember(call_id, call.signature)
            said["extra_content"] = {"google": {"thought_signature": call.signature}}
        return {"tool_calls": [said]}

    def _signature(self, choice: Choice, signature: str) -> Delta:
        """Kept until the end: in two deltas its strings would be joined by the client (C137)."""
        if choice.ids:
            self._voice.remember(choice.ids[-1], signature)
        else:
            choice.signature = signature
        return {}

    def _media(self, choice: Choice, media: Media) -> Delta:
        if self._voice.audio and media.mime_type.startswith("audio/"):  # C62
            return {
                "audio": {"id": f"audio_{secrets.token_hex(8)}", "data": media.data, "transcript": "", "expires_at": 0}
            }
        choice.images += 1
        url = {"url": f"data:{media.mime_type};base64,{media.data}"}
        return {"images": [{"index": choice.images - 1, "type": "image_url", "image_url": url}]}  # C61

    def _is_used(self, call_id: str) -> bool:
        return any(call_id in choice.ids for choice in self._choices.values())


GOOGLE_EXTRAS = {"groundingMetadata": "grounding_metadata", "urlContextMetadata": "url_context_metadata"}


def new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"
