"""The messages of a chat in Gemini's words."""

from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.dialects.openai_chat import media
from gemini_proxy.dialects.openai_chat.signed import drawn_images, signature_of_call, signature_of_text
from gemini_proxy.dialects.openai_chat.wire import ContentPart, FunctionCall, Message, ToolCall
from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.lenient_json import json_from, with_long_numbers_as_text
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.request.contents import Call, Contents, ToolResponse
from gemini_proxy.gemini.request.remote import RequestMedia
from gemini_proxy.gemini.request.results import CallName, History, ResultName, as_object
from gemini_proxy.gemini.request.signing import Signatures
from gemini_proxy.gemini.request.unmet import Unmet
from gemini_proxy.gemini.wire import Content, Part

SYSTEM = ("system", "developer")
THOUGHTS = ("reasoning", "thinking", "redacted_thinking")  # parts of an assistant message that are not replayed


@dataclass
class Conversation:
    """Translates the messages of one request; `text_ids` names the texts of the model, by place.

    `unsupported` is what Gemini cannot do, `remarks` what the client got wrong and was put right.
    """

    messages: list[Message]
    family: Family
    names: ToolNames
    signatures: Signatures
    text_ids: dict[int, str]
    system_instruction: Content | None = None
    media: RequestMedia = field(init=False)
    unsupported: list[Unmet] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.media = RequestMedia(self.family)

    def contents(self) -> list[Content]:
        history = history_of(self.messages)
        contents = Contents(history, self.family, self.names, self.signatures, self.media, self._response)
        start = next((i for i, message in enumerate(self.messages) if message.role not in SYSTEM), len(self.messages))
        contents.instruct([part for place in range(start) for part in self._parts(self.messages[place], place)])
        for place, message in enumerate(self.messages[start:], start):
            if message.role == "assistant":
                contents.add("model", self._spoken(message, place), self._calls(message, place), place)
                continue
            contents.answer_calls()
            if message.role not in ("tool", "function"):
                contents.add("user", self._user_parts(message, place))
        turns = contents.end(f"messages[{len(self.messages) - 1}]")
        self.system_instruction = contents.system_instruction
        self.unsupported += contents.unsupported
        self.remarks += contents.remarks
        return turns

    def _user_parts(self, message: Message, place: int) -> list[Part]:
        parts = self._parts(message, place)
        if message.role in SYSTEM and parts:  # its place in the conversation is part of its meaning
            return [{"text": "[system]\n"}, *parts]
        return parts

    def _spoken(self, message: Message, place: int) -> list[Part]:
        """What the model said and drew, without its calls."""
        parts = self._parts(message, place)
        parts = [] if message.google.get("thought") is True else self._signed(parts, message, place)
        return [*parts, *self._drawn(message, place)]

    def _signed(self, parts: list[Part], message: Message, place: int) -> list[Part]:
        """With the signatures of images, and that of the text, which goes on its last part."""
        signed = [self.signatures.signed_image(part) for part in parts]
        if signed and "text" in signed[-1]:
            signature = self.signatures.of_text(self.text_ids.get(place, ""), signature_of_text(message))
            if signature:
                return [*signed[:-1], {**signed[-1], "thoughtSignature": signature}]
        return signed

    def _drawn(self, message: Message, place: int) -> list[Part]:
        """The images that the model drew and the client sends back, so that it can go on drawing. Models that sign them
        refuse one without its signature."""
        parts: list[Part] = []
        for i, url in enumerate(drawn_images(message)):
            param = f"messages[{place}].images[{i}]"
            signature = self.signatures.of_image(url)
            if not url or (self.family.signed_calls and not signature):
                why = "Google's signature of it is not known any more" if url else "it has no image_url"
                self.unsupported.append(Unmet(param, f"{param} cannot go back: {why}", "it was not sent"))
            else:
                image = media.media_part({"type": "image_url", "image_url": {"url": url}}, param)
                part = self.media.part(image)
                parts.append({**part, "thoughtSignature": signature} if signature else part)
        if (message.model_extra or {}).get("audio"):
            param = f"messages[{place}].audio"
            fact = f"{param} cannot go back: what the model spoke is not kept"
            self.unsupported.append(Unmet(param, fact, "it was not sent"))
        return parts

    def _calls(self, message: Message, place: int) -> list[Call]:
        return [self._call(call, f"messages[{place}].{where}") for call, where in message.placed_calls]

    def _call(self, call: ToolCall, param: str) -> Call:
        signature = self.signatures.of_call(call.id or "", signature_of_call(call))
        return Call(call.id or "", call.function.name, _args(call.function, param), signature)

    def _parts(self, message: Message, place: int) -> list[Part]:
        if isinstance(message.content, str):
            return [{"text": message.content}] if message.content else []  # Google refuses empty parts
        parts = (self._part(part, f"messages[{place}].content[{i}]") for i, part in enumerate(message.content or []))
        return [part for part in parts if part is not None]

    def _part(self, part: ContentPart, param: str) -> Part | None:
        if (text := part.words) is not None:
            return {"text": text} if text else None
        if part.type in THOUGHTS:
            return None
        found = self.media.part(media.media_part(part.members, param))
        return self.media.look(found, media.detail(part.members), image=part.type == "image_url")

    def _response(self, place: int) -> ToolResponse:
        message = self.messages[place]
        shown = [part for part in self._parts(message, place) if "text" not in part]
        if (given := message.google.get("parts")) is not None:
            shown += google_parts(given, f"messages[{place}].extra_content.google.parts")
        return ToolResponse(as_object(message.text), shown)


def history_of(messages: list[Message]) -> History:
    return [_entry(message, place) for place, message in enumerate(messages)]


def _entry(message: Message, place: int) -> list[CallName] | ResultName:
    if message.role in ("tool", "function"):
        return ResultName(message.tool_call_id or "", message.name or "", f"messages[{place}]", "tool_call_id")
    return [CallName(call.id or "", call.function.name) for call in message.calls]


def google_parts(given: Any, param: str) -> list[Part]:
    """Google's own `extra_content.google.parts` of a tool message, in either casing."""
    if not (isinstance(given, list) and all(isinstance(part, dict) for part in given)):
        raise bad_request("'parts' must be a list of objects.", param)
    parts: list[Part] = []
    for i, part in enumerate(given):
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


def _args(function: FunctionCall, param: str) -> dict[str, Any]:
    """No arguments are `{}`, also where they are written as null or an empty list. What is no object is refused,
    because a call without its arguments would be a different call."""
    text = (function.arguments or "").strip()
    try:
        args = json_from(with_long_numbers_as_text(text)) if text else {}
    except ValueError as error:
        raise bad_request(
            f"The arguments of {function.name!r} are not valid JSON.", param, "invalid_tool_arguments"
        ) from error
    if args in (None, "", []):
        return {}
    if not isinstance(args, dict):
        raise bad_request(f"The arguments of {function.name!r} are not a JSON object.", param, "invalid_tool_arguments")
    return args
