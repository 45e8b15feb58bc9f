"""What one event of an answer is in OpenAI's words: the delta of a stream, which a whole answer puts together."""

import secrets
from dataclasses import dataclass, field
from typing import Any, assert_never

from pydantic_core import to_json

from gemini_proxy.gemini.answer.events import Call, Code, ContentEvent, Link, Media, Reason, Text, Thought
from gemini_proxy.gemini.answer.resolved import Ending

Delta = dict[str, Any]

FINISH: dict[Reason, str] = {
    "stop": "stop",
    "length": "length",
    "blocked": "content_filter",
    "calls": "tool_calls",
}
GOOGLE_EXTRAS = {
    "groundingMetadata": "grounding_metadata",
    "citationMetadata": "citation_metadata",
    "urlContextMetadata": "url_context_metadata",
}


@dataclass
class Choice:
    """What has been said in one choice, as far as the next delta depends on it."""

    calls: int = 0
    images: int = 0
    spoken: bool = False
    code: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Deltas:
    """Says the events of one answer; one object an answer, told in order.

    `legacy_functions`: the client declared `functions`, and waits for a `function_call`. `audio`: it asked for sound.
    """

    legacy_functions: bool = False
    audio: bool = False
    warnings: list[str] = field(default_factory=list)
    _choices: dict[int, Choice] = field(default_factory=dict)

    def of(self, event: ContentEvent) -> Delta:
        """The delta for an event, empty where the client hears nothing of it."""
        match event:
            case Text(text=text):
                return {"content": text}
            case Thought(text=text):
                return {"reasoning_content": text}
            case Call():
                return self._call(self._choice(event.index), event)
            case Code(part=copy):
                self._choice(event.index).code.append(copy)
                return {"content": text_for(event)}
            case Link(uri=uri, mime_type=mime_type):
                self._choice(event.index).files.append({"mime_type": mime_type, "uri": uri})
                return {"content": text_for(event)}
            case Media():
                return self._media(self._choice(event.index), event)
            case _:
                assert_never(event)

    def closing(self, end: Ending) -> Delta:
        """What only the end tells: sources, and the signature of the text, because the client would join the strings
        of two deltas."""
        choice = self._choice(end.index)
        google: dict[str, Any] = {name: end.extras[key] for key, name in GOOGLE_EXTRAS.items() if key in end.extras}
        copies = {"code_execution": choice.code, "files": choice.files}
        google |= {name: copy for name, copy in copies.items() if copy}
        if end.signature:
            google["thought_signature"] = end.signature
        delta: Delta = {"extra_content": {"google": google}} if google else {}
        if end.citations:
            delta["annotations"] = [
                {
                    "index": i,
                    "type": "url_citation",
                    "url_citation": {"url": it.url, "title": it.title, "start_index": it.start, "end_index": it.end},
                }
                for i, it in enumerate(end.citations)
            ]
        return delta

    def finish(self, reason: Reason) -> str:
        return "function_call" if reason == "calls" and self.legacy_functions else FINISH[reason]

    def _choice(self, index: int) -> Choice:
        return self._choices.setdefault(index, Choice())

    def _call(self, choice: Choice, call: Call) -> Delta:
        if self.legacy_functions and choice.calls:
            self.warnings.append("the model called several functions; function_call has room for the first one only")
            return {}
        choice.calls += 1
        function = {"name": call.name, "arguments": to_json(call.args, inf_nan_mode="null").decode()}  # never empty
        if self.legacy_functions:
            return {"function_call": function}
        said: Delta = {"index": choice.calls - 1, "id": call.id, "type": "function", "function": function}
        if call.signature:
            said["extra_content"] = {"google": {"thought_signature": call.signature}}
        return {"tool_calls": [said]}

    def _media(self, choice: Choice, media: Media) -> Delta:
        if self.audio and media.mime_type.startswith("audio/"):
            audio: Delta = {"data": media.data}
            if not choice.spoken:  # once, because the client joins strings and adds numbers
                audio = {"id": f"audio_{secrets.token_hex(8)}", "transcript": "", "expires_at": 0, **audio}
            choice.spoken = True
            return {"audio": audio}
        choice.images += 1
        return {"images": [{"index": choice.images - 1, "type": "image_url", "image_url": {"url": media.data_uri}}]}


def text_for(event: Code | Link) -> str:
    """Code that Google ran and links have no place of their own in a chat: they are part of the text."""
    return event.uri if isinstance(event, Link) else f"\n```{event.language}\n{event.text.rstrip()}\n```\n"
