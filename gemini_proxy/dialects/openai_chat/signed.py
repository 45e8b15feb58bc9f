"""Thought signatures on their way back: each to the call it came with, wherever the client kept it (conformance G)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gemini_proxy.dialects.openai_chat.wire import Message, ToolCall
from gemini_proxy.gemini.signatures import DUMMY, from_foreign_id, valid
from gemini_proxy.gemini.wire import Content, Part

SPELLINGS = ("thought_signature", "thoughtSignature")


@dataclass
class Signatures:
    """`remembered` holds what this machine knows of the ids in the request: id -> signature."""

    remembered: Mapping[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def of(self, call: ToolCall) -> str:
        """The signature that Google gave with this call, "" where it is not known (C129 to C131, C136)."""
        told = _told(call) or (from_foreign_id(call.id) if call.id else None)
        if told and valid(told):
            return told
        return self.remembered.get(call.id or "", "")

    def complete(self, turns: list[Content]) -> None:
        """Google wants the first call of each step of the current turn signed; where the signature is lost, its
        documented stand-in is sent (C132, C133, protocol 8.3)."""
        for turn in turns[_current_turn(turns) :]:
            first = next((part for part in turn["parts"] if "functionCall" in part), None)
            if turn["role"] == "model" and first is not None and "thoughtSignature" not in first:
                first["thoughtSignature"] = DUMMY
                self.warnings.append("a thought signature is not known any more; Google's stand-in was sent")


def call_ids(messages: list[Message]) -> list[str]:
    return [call.id for message in messages for call in message.tool_calls or [] if call.id]


def _current_turn(turns: list[Content]) -> int:
    """Where the current turn begins: the last thing the user said that is not the result of a call."""
    said = (i for i, turn in enumerate(turns) if turn["role"] == "user" and not any(map(_is_response, turn["parts"])))
    return max(said, default=0)


def _is_response(part: Part) -> bool:
    return "functionResponse" in part


def _told(call: ToolCall) -> str | None:
    """A signature that the client kept: Google's own place first, then those of other proxies."""
    extra = {**(call.function.model_extra or {}), **(call.model_extra or {})}
    google = extra.get("extra_content")
    google = google.get("google") if isinstance(google, dict) else None
    for place in (google, extra.get("provider_specific_fields"), extra):
        for spelling in SPELLINGS:
            if isinstance(place, dict) and isinstance(value := place.get(spelling), str) and value:
                return value
    return None
