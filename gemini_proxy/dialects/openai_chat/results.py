"""What tools gave back: which result answers which call, and how Gemini wants to read it (C114 to C122)."""

from typing import Any

from gemini_proxy.dialects.openai_chat.wire import Message, bad_request, json_from
from gemini_proxy.gemini.wire import Part

Key = tuple[int, int]  # which message, which of its calls


def answered(messages: list[Message], remarks: list[str]) -> dict[Key, int]:
    """The place of the message that answers a call: of the nearest call before it with its id, or else with its name
    (C113, C119, C126). Raises ProxyError 400 for a result that answers none."""
    results: dict[Key, int] = {}
    by_id: dict[str, Key] = {}
    by_name: dict[str, list[Key]] = {}
    for place, message in enumerate(messages):
        by_name = {} if message.calls else by_name
        for i, call in enumerate(message.calls):
            by_name.setdefault(call.function.name, []).append((place, i))
            if call.id:
                by_id[call.id] = (place, i)
        if message.role in ("tool", "function"):
            named = by_name.get(message.name or "", [])
            free = next((key for key in named if key not in results), named[-1] if named else None)
            key = by_id.get(message.tool_call_id or "") or free
            if key is None:
                raise _unknown_result(message, place)
            if key in results:  # C122
                remarks.append(f"messages[{place}]: its tool call has several results; the last one counts")
            results[key] = place
    return results


def bare(part: Part) -> Part:
    """Media inside a function's response, where Gemini knows neither resolution nor video metadata. A part that is
    still to be fetched stays the object that will be filled."""
    part.pop("mediaResolution", None)
    part.pop("videoMetadata", None)
    return part


def response_parts(given: Any, place: int) -> list[Part]:
    """Google's own `extra_content.google.parts` of a tool message, in either casing (mapping A.2)."""
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
    """A JSON object as it is, all else under `output`; so too one with `$ref`, which Gemini reads as a pointer to a
    part (C114 to C116)."""
    try:
        value = json_from(text)
    except ValueError:
        return {"output": text}
    if isinstance(value, dict) and not _points(value):
        return value
    return {"output": text if isinstance(value, str) or _points(value) else value}


def _points(value: object) -> bool:
    if isinstance(value, dict):
        return isinstance(value.get("$ref"), str) or any(_points(inner) for inner in value.values())
    return isinstance(value, list) and any(_points(inner) for inner in value)


def _unknown_result(message: Message, place: int) -> Exception:
    param = f"messages[{place}].tool_call_id"
    return bad_request(f"No tool call before this message has the id {message.tool_call_id!r}.", param)  # C121
