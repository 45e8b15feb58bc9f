"""The conversation so far in Gemini's words: turns, calls and their results (conformance F and G)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from gemini_proxy.dialects.openai_chat import media
from gemini_proxy.dialects.openai_chat.signed import Signatures
from gemini_proxy.dialects.openai_chat.wire import (
    ChatRequest,
    ContentPart,
    FunctionCall,
    Message,
    ToolCall,
    bad_request,
)
from gemini_proxy.exchange import RemoteMedia
from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.wire import Content, Part

SYSTEM = ("system", "developer")
Key = tuple[int, int]  # which message, which of its calls


@dataclass
class Conversation:
    """Translates the messages of one request; `contents` and `system` are what comes of them."""

    chat: ChatRequest
    family: Family
    names: ToolNames
    signatures: Signatures
    warnings: list[str] = field(default_factory=list)
    remote: list[RemoteMedia] = field(default_factory=list)

    def system(self) -> Content | None:
        """The system and developer messages at the head, in order (C99, C100)."""
        head = self.chat.messages[: self._start()]
        parts = [part for place, message in enumerate(head) for part in self._parts(message, place)]
        return {"role": "user", "parts": parts} if parts else None

    def contents(self) -> list[Content]:
        """Turns of user and model: neighbours of one role are merged, their parts kept (C104)."""
        turns: list[Content] = []
        messages = self.chat.messages
        results = self._results()
        calls: list[tuple[Key, ToolCall]] = []
        for place, message in enumerate(messages[self._start() :], self._start()):
            if calls and message.role != "assistant":
                turns.append(self._responses(calls, results))
                calls = []
            if message.role in ("tool", "function"):
                continue
            new = [((place, i), call) for i, call in enumerate(_calls(message))]
            _add(turns, "model" if message.role == "assistant" else "user", self._turn_parts(message, place))
            calls += new
        if calls:
            turns.append(self._responses(calls, results))
        if not turns or turns[0]["role"] == "model":
            turns.insert(0, {"role": "user", "parts": [{"text": " "}]})  # C102: a conversation starts with the user
        if self.family.signed_calls:
            self.signatures.complete(turns)
        return turns

    def _start(self) -> int:
        messages = self.chat.messages
        return next((i for i, m in enumerate(messages) if m.role not in SYSTEM), len(messages))

    def _turn_parts(self, message: Message, place: int) -> list[Part]:
        parts = self._parts(message, place)
        if message.role in SYSTEM and parts:  # C101: its place in the conversation is part of its meaning
            return [{"text": "[system]\n"}, *parts]
        return [
            *parts,
            *(self._call_part(call, f"messages[{place}].{where}") for call, where in _placed_calls(message)),
        ]

    def _parts(self, message: Message, place: int) -> list[Part]:
        if isinstance(message.content, str):
            return [{"text": message.content}] if message.content else []  # Google refuses empty parts (C106, C107)
        parts = (self._part(part, f"messages[{place}].content[{i}]") for i, part in enumerate(message.content or []))
        return [part for part in parts if part is not None]

    def _part(self, part: ContentPart, param: str) -> Part | None:
        if part.type in ("text", "refusal", "input_text", "output_text"):
            text = part.refusal if part.type == "refusal" else part.text
            return {"text": text} if text else None
        if part.type in ("reasoning", "thinking", "redacted_thinking"):
            return None  # C111: thoughts are not replayed
        return self._media(part, param)

    def _media(self, part: ContentPart, param: str) -> Part:
        found = media.media_part(part.members, param)
        if isinstance(found, media.RemoteUrl):
            found = self._placeholder(found)
        if (detail := media.detail(part.members)) and self.family.part_media_resolution:
            found["mediaResolution"] = {"level": RESOLUTIONS[detail]}  # C175
        return found

    def _placeholder(self, remote: media.RemoteUrl) -> Part:
        part: Part = {}
        self.remote.append(RemoteMedia(remote.url, remote.param, lambda data, mime: part.update(remote.part(data, mime))))
        return part

    def _call_part(self, call: ToolCall, param: str) -> Part:
        function: dict[str, Any] = {"name": self.names.to_wire(call.function.name), "args": _args(call.function, param)}
        if call.id and self.family.call_ids:
            function["id"] = call.id
        part: Part = {"functionCall": function}
        if signature := self.signatures.of(call):
            part["thoughtSignature"] = signature
        return part

    def _results(self) -> dict[Key, Message]:
        """Which message answers which call: the nearest call before it with its id, or with its name (C119, C126)."""
        results: dict[Key, Message] = {}
        by_id: dict[str, Key] = {}
        by_name: dict[str, Key] = {}
        for place, message in enumerate(self.chat.messages):
            for i, call in enumerate(_calls(message)):
                by_name[call.function.name] = (place, i)
                if call.id:
                    by_id[call.id] = (place, i)
            if message.role in ("tool", "function"):
                key = by_id.get(message.tool_call_id or "") or by_name.get(message.name or "")
                if key is None:
                    raise _unknown_result(message, place)
                if key in results:
                    self.warnings.append(
                        f"the tool call {message.tool_call_id!r} has several results; the last one counts"
                    )
                results[key] = message
        return results

    def _responses(self, calls: list[tuple[Key, ToolCall]], results: dict[Key, Message]) -> Content:
        """One turn with a response for each call, in the order of the calls: Google counts them (C118, C120)."""
        parts: list[Part] = []
        beside: list[Part] = []
        for key, call in calls:
            function: dict[str, Any] = {"name": self.names.to_wire(call.function.name)}
            if call.id and self.family.call_ids:
                function["id"] = call.id
            function["response"], inside = self._response(results.get(key), call)
            if inside and self.family.media_in_responses:
                function["parts"] = inside
            else:
                beside += inside
            parts.append({"functionResponse": function})
        return {"role": "user", "parts": [*parts, *beside]}

    def _response(self, message: Message | None, call: ToolCall) -> tuple[dict[str, Any], list[Part]]:
        if message is None:
            self.warnings.append(
                f"the tool call {call.id or call.function.name!r} has no result; an error stands for it"
            )
            return {"error": "no result provided"}, []
        place = self.chat.messages.index(message)
        parts = self._parts(message, place)
        text = "".join(part["text"] for part in parts if "text" in part)
        return _as_object(text), [part for part in parts if "text" not in part]


RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH", "auto": "MEDIA_RESOLUTION_UNSPECIFIED"}


def _add(turns: list[Content], role: str, parts: list[Part]) -> None:
    if not parts:
        return
    last = turns[-1] if turns else None
    if last is not None and last["role"] == role and not any("functionResponse" in part for part in last["parts"]):
        last["parts"] += parts  # what a user says after tool results stays a turn of its own (C123)
    else:
        turns.append({"role": role, "parts": parts})


def _calls(message: Message) -> list[ToolCall]:
    return [call for call, _ in _placed_calls(message)]


def _placed_calls(message: Message) -> Iterator[tuple[ToolCall, str]]:
    """The calls of an assistant message, also the one of the older form, and where they stand in it."""
    if message.role != "assistant":
        return
    for i, call in enumerate(message.tool_calls or []):
        yield call, f"tool_calls[{i}].function.arguments"
    if message.function_call and not message.tool_calls:
        yield ToolCall(function=message.function_call), "function_call.arguments"


def _args(function: FunctionCall, param: str) -> dict[str, Any]:
    """C124, C125: no arguments are `{}`; what is no object is refused, because a call without its arguments would be
    a different call."""
    text = (function.arguments or "").strip()
    try:
        args = from_json(text, allow_inf_nan=False) if text else {}
    except ValueError as error:
        raise bad_request(
            f"The arguments of {function.name!r} are not valid JSON.", param, "invalid_tool_arguments"
        ) from error
    if not isinstance(args, dict):
        raise bad_request(f"The arguments of {function.name!r} are not a JSON object.", param, "invalid_tool_arguments")
    return args


def _as_object(text: str) -> dict[str, Any]:
    """A JSON object as it is, all else under `output`; so too one with `$ref`, which Gemini reads as a pointer to a
    part (C114 to C116)."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return {"output": text}
    return (
        value
        if isinstance(value, dict) and not _points(value)
        else {"output": text if isinstance(value, dict | str) else value}
    )


def _points(value: object) -> bool:
    if isinstance(value, dict):
        return isinstance(value.get("$ref"), str) or any(_points(inner) for inner in value.values())
    return isinstance(value, list) and any(_points(inner) for inner in value)


def _unknown_result(message: Message, place: int) -> Exception:
    param = f"messages[{place}].tool_call_id"
    return bad_request(f"No tool call before this message has the id {message.tool_call_id!r}.", param)  # C121
