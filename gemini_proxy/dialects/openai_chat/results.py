"""What tools gave back: which result answers which call, and how Gemini wants to read it."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.dialects.openai_chat.wire import Message, bad_request, json_from, with_long_numbers_as_text
from gemini_proxy.gemini.wire import Part

Key = tuple[int, int]  # which message, which of its calls


def answered(messages: list[Message], remarks: list[str]) -> dict[Key, int]:
    """The place of the message that answers a call. Raises ProxyError 400 for a result that answers none.

    It is the nearest call before it with its id, or else with its name. Of calls that share an id, or have none, each
    result answers the next one: adapters are about that give all calls of a function one id, or the empty one.
    """
    results: dict[Key, int] = {}
    by_id: dict[str, _Calls] = {}
    by_name: dict[str, _Calls] = {}
    step = _Calls()
    for place, message in enumerate(messages):
        if calls := message.calls:  # a new step; an id that comes again stands for its latest calls
            here = [(call, (place, i)) for i, call in enumerate(calls)]
            by_name = _grouped((call.function.name, key) for call, key in here)
            by_id.pop("", None)
            by_id |= _grouped((call.id or "", key) for call, key in here)
            step = _Calls([key for _, key in here])
        if message.role in ("tool", "function"):
            # A result with an id that no call has can only belong to a call that has none.
            found = by_id.get(message.tool_call_id or "") or by_name.get(message.name or "") or by_id.get("")
            found = found or (step if not message.tool_call_id and not message.name else None)
            if not found:
                raise _unknown_result(message, place)
            key = found.next(results)
            if key in results:
                remarks.append(f"messages[{place}]: its tool call has several results; the last one counts")
            results[key] = place
    return results


@dataclass
class _Calls:
    """Calls that go by one id or one name, in order; before `first`, all have their results."""

    keys: list[Key] = field(default_factory=list)
    first: int = 0

    def __bool__(self) -> bool:
        return bool(self.keys)

    def next(self, results: dict[Key, int]) -> Key:
        """The first that has no result, or the last."""
        while self.first < len(self.keys) - 1 and self.keys[self.first] in results:
            self.first += 1
        return self.keys[self.first]


def _grouped(named: Iterable[tuple[str, Key]]) -> dict[str, _Calls]:
    groups: dict[str, _Calls] = defaultdict(_Calls)
    for name, key in named:
        groups[name].keys.append(key)
    return dict(groups)


def unique_ids(messages: list[Message]) -> dict[Key, str]:
    """The ids of calls as Google takes them: no two alike, though histories of other adapters have such."""
    ids: dict[Key, str] = {}
    times: Counter[str] = Counter()
    used: set[str] = set()
    for place, message in enumerate(messages):
        for i, call in enumerate(message.calls):
            name = call.id or ""
            while name in used:
                times[call.id or ""] += 1
                name = f"{call.id}-{times[call.id or '']}"
            if name:
                used.add(name)
                ids[place, i] = name
    return ids


def bare(part: Part) -> Part:
    """Media inside a function's response, where Gemini knows neither resolution nor video metadata. A part that is
    still to be fetched stays the object that will be filled."""
    part.pop("mediaResolution", None)
    part.pop("videoMetadata", None)
    return part


def response_parts(given: Any, place: int) -> list[Part]:
    """Google's own `extra_content.google.parts` of a tool message, in either casing."""
    param = f"messages[{place}].extra_content.google.parts"
    if given is not None and not (isinstance(given, list) and all(isinstance(part, dict) for part in given)):
        raise bad_request("'parts' must be a list of objects.", param)
    parts: list[Part] = []
    for i, part in enumerate(given or []):
        name = next((name for name in part if name in BLOBS), "")
        blob = part.get(name)
        if not isinstance(blob, dict):
            raise bad_request("A part of a tool's result holds 'inlineData' or 'fileData'.", f"{param}[{i}]")
        fields: dict[str, Any] = {MEMBERS.get(str(member), str(member)): value for member, value in blob.items()}
        parts.append({"inlineData": fields} if BLOBS[name] == "inlineData" else {"fileData": fields})
    return parts


BLOBS: dict[str, str] = {
    "inline_data": "inlineData",
    "inlineData": "inlineData",
    "file_data": "fileData",
    "fileData": "fileData",
}
MEMBERS: dict[str, str] = {"mime_type": "mimeType", "file_uri": "fileUri", "display_name": "displayName"}


def as_object(text: str) -> dict[str, Any]:
    """A JSON object as it is; all else is text, as the tool wrote it, under `output`. So is an object with a `$ref`,
    which Gemini reads as a pointer to a part, and one with a number that Google would not keep."""
    try:
        value = json_from(text) if text[:1].isspace() or text[:1] == "{" else None
    except ValueError:
        value = None
    if not isinstance(value, dict) or _points(value) or with_long_numbers_as_text(text) != text:
        return {"output": text}
    return value


def _points(value: object) -> bool:
    if isinstance(value, dict):
        return isinstance(value.get("$ref"), str) or any(_points(inner) for inner in value.values())
    return isinstance(value, list) and any(_points(inner) for inner in value)


def _unknown_result(message: Message, place: int) -> Exception:
    param = f"messages[{place}].tool_call_id"
    return bad_request(f"No tool call before this message has the id {message.tool_call_id!r}.", param)
