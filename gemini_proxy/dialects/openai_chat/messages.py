"""The conversation so far in Gemini's words: turns, calls and their results."""

from dataclasses import dataclass, field, replace
from typing import Any

from gemini_proxy.dialects.openai_chat import media
from gemini_proxy.dialects.openai_chat.results import Key, answered, as_object, bare, response_parts, unique_ids
from gemini_proxy.dialects.openai_chat.signed import Signatures, drawn_images
from gemini_proxy.dialects.openai_chat.wire import (
    ChatRequest,
    ContentPart,
    FunctionCall,
    Message,
    ToolCall,
    bad_request,
    json_from,
    with_long_numbers_as_text,
)
from gemini_proxy.dialects.openai_errors import Unmet
from gemini_proxy.exchange import RemoteMedia
from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.wire import Content, Part

SYSTEM = ("system", "developer")


@dataclass
class Conversation:
    """Translates the messages of one request; `contents` and `system` are what comes of them.

    `unsupported` is what Gemini cannot do, `remarks` what the client got wrong and was put right.
    """

    chat: ChatRequest
    family: Family
    names: ToolNames
    signatures: Signatures
    unsupported: list[Unmet] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    remote: list[RemoteMedia] = field(default_factory=list)
    details: list[str] = field(default_factory=list)  # how closely to look at each image
    ids: dict[Key, str] = field(default_factory=dict)  # of calls, for models that know them

    def system(self) -> Content | None:
        """The system and developer messages at the head, in order, for a model that has a place for them."""
        parts = self._head() if self.family.system_instruction else []
        return {"role": "user", "parts": parts} if parts else None

    def contents(self) -> list[Content]:
        """Turns of user and model: neighbours of one role are merged, their parts kept."""
        turns: list[Content] = []
        messages = self.chat.messages
        results = answered(messages, self.remarks)
        self.ids = unique_ids(messages) if self.family.call_ids else {}
        if not self.family.system_instruction:
            _add(turns, "user", self._head())
        calls: list[tuple[Key, ToolCall]] = []
        for place, message in enumerate(messages[self._start() :], self._start()):
            if calls and message.role != "assistant":
                turns.append(self._responses(calls, results))
                calls = []
            if message.role in ("tool", "function"):
                continue
            new = [((place, i), call) for i, call in enumerate(message.calls)]
            _add(turns, "model" if message.role == "assistant" else "user", self._turn_parts(message, place))
            calls += new
        if calls:
            turns.append(self._responses(calls, results))
        if not turns or turns[0]["role"] == "model":
            turns.insert(0, _empty_turn())  # a conversation starts with the user
        if turns[-1]["role"] == "model" and not self.family.prefill:
            # Google refuses what ends with the model's turn.
            fact = "this model does not go on with an assistant message"
            self.unsupported.append(Unmet(f"messages[{len(messages) - 1}]", fact, "a user turn was added"))
            turns.append(_empty_turn())
        if self.family.signed_calls:
            self.signatures.complete(turns)
        return turns

    def _start(self) -> int:
        messages = self.chat.messages
        return next((i for i, m in enumerate(messages) if m.role not in SYSTEM), len(messages))

    def _head(self) -> list[Part]:
        head = self.chat.messages[: self._start()]
        return [part for place, message in enumerate(head) for part in self._parts(message, place)]

    def _turn_parts(self, message: Message, place: int) -> list[Part]:
        parts = self._parts(message, place)
        if message.role in SYSTEM and parts:  # its place in the conversation is part of its meaning
            return [{"text": "[system]\n"}, *parts]
        if message.role == "assistant":
            parts = [] if message.google.get("thought") is True else self._signed(parts, message, place)
            parts += self._drawn(message, place)
        calls = enumerate(message.placed_calls)
        return [*parts, *(self._call_part(c, (place, i), f"messages[{place}].{where}") for i, (c, where) in calls)]

    def _signed(self, parts: list[Part], message: Message, place: int) -> list[Part]:
        """With the signatures of images, and that of the text, which goes on its last part."""
        signed = [self._signed_image(part) for part in parts]
        if signed and "text" in signed[-1] and (signature := self.signatures.of_text(message, place)):
            return [*signed[:-1], {**signed[-1], "thoughtSignature": signature}]
        return signed

    def _signed_image(self, part: Part) -> Part:
        blob = part.get("inlineData")
        return self._with_signature_of(f"data:{blob['mimeType']};base64,{blob['data']}", part) if blob else part

    def _with_signature_of(self, url: str, part: Part) -> Part:
        signature = self.signatures.of_image(url)
        return {**part, "thoughtSignature": signature} if signature else part

    def _drawn(self, message: Message, place: int) -> list[Part]:
        """The images that the model drew and the client sends back, so that it can go on drawing. Models that sign them
        refuse one without its signature."""
        parts: list[Part] = []
        for i, url in enumerate(drawn_images(message)):
            param = f"messages[{place}].images[{i}]"
            if not url or (self.family.signed_calls and not self.signatures.of_image(url)):
                why = "Google's signature of it is not known any more" if url else "it has no image_url"
                self.unsupported.append(Unmet(param, f"{param} cannot go back: {why}", "it was not sent"))
            else:
                found = media.media_part({"type": "image_url", "image_url": {"url": url}}, param)
                part = self._placeholder(found) if isinstance(found, media.RemoteUrl) else found
                parts.append(self._with_signature_of(url, part))
        if (message.model_extra or {}).get("audio"):
            param = f"messages[{place}].audio"
            fact = f"{param} cannot go back: what the model spoke is not kept"
            self.unsupported.append(Unmet(param, fact, "it was not sent"))
        return parts

    def _parts(self, message: Message, place: int) -> list[Part]:
        if isinstance(message.content, str):
            return [{"text": message.content}] if message.content else []  # Google refuses empty parts
        parts = (self._part(part, f"messages[{place}].content[{i}]") for i, part in enumerate(message.content or []))
        return [part for part in parts if part is not None]

    def _part(self, part: ContentPart, param: str) -> Part | None:
        if (text := part.words) is not None:
            return {"text": text} if text else None
        if part.type in ("reasoning", "thinking", "redacted_thinking"):
            return None  # thoughts are not replayed
        return self._media(part, param)

    def _media(self, part: ContentPart, param: str) -> Part:
        found = media.media_part(part.members, param)
        if isinstance(found, media.RemoteUrl):
            found = self._placeholder(found)
        detail = media.detail(part.members)
        if part.type == "image_url":
            self.details.append(detail or "auto")
        if detail and self.family.part_media_resolution:
            found["mediaResolution"] = {"level": RESOLUTIONS[detail]}
        return found

    def _placeholder(self, remote: media.RemoteUrl) -> Part:
        part: Part = {}

        def fill(data: bytes, mime: str) -> None:
            part.update(remote.part(data, mime))

        def link() -> bool:
            part.update(found := (remote.link() or {}) if self.family.fetches_links else {})
            return bool(found)

        self.remote.append(RemoteMedia(remote.url, remote.param, fill, link))
        return part

    def media_resolution(self) -> str | None:
        """One for the whole request, for models that know no other; the closest look that was asked for."""
        if self.family.part_media_resolution or not self.details:
            return None
        detail = max(self.details, key=DETAILS.index)
        if len(set(self.details)) > 1:
            fact = "this model looks at all images alike"
            self.unsupported.append(Unmet("image_url.detail", fact, f"detail is {detail!r} for all of them"))
        return RESOLUTIONS[detail] if detail != "auto" else None

    def _call_part(self, call: ToolCall, key: Key, param: str) -> Part:
        function: dict[str, Any] = {"name": self.names.to_wire(call.function.name), "args": _args(call.function, param)}
        if key in self.ids:
            function["id"] = self.ids[key]
        part: Part = {"functionCall": function}
        if signature := self.signatures.of(call):
            part["thoughtSignature"] = signature
        return part

    def _responses(self, calls: list[tuple[Key, ToolCall]], results: dict[Key, int]) -> Content:
        """One turn with a response for each call, in the order of the calls: Google counts them."""
        parts: list[Part] = []
        beside: list[Part] = []
        for key, call in calls:
            function: dict[str, Any] = {"name": self.names.to_wire(call.function.name)}
            if key in self.ids:
                function["id"] = self.ids[key]
            function["response"], inside = self._response(results.get(key), call)
            if inside and self.family.media_in_responses:
                function["parts"] = [bare(part) for part in inside]
            else:
                beside += inside
            parts.append({"functionResponse": function})
        return {"role": "user", "parts": [*parts, *beside]}

    def _response(self, place: int | None, call: ToolCall) -> tuple[dict[str, Any], list[Part]]:
        """What a tool said, and the media that it showed."""
        if place is None:
            self.remarks.append(
                f"the tool call {call.id or call.function.name!r} has no result; an error stands for it"
            )
            return {"error": "no result provided"}, []
        message = self.chat.messages[place]
        fetched = len(self.remote)
        shown = [part for part in self._parts(message, place) if "text" not in part]
        if self.family.media_in_responses:  # a function's response holds data, no links
            self.remote[fetched:] = [replace(one, link=lambda: False) for one in self.remote[fetched:]]
        return as_object(message.text), [*shown, *response_parts(message.google.get("parts"), place)]


DETAILS = ("low", "auto", "high")
RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH", "auto": "MEDIA_RESOLUTION_UNSPECIFIED"}


def _empty_turn() -> Content:
    return {"role": "user", "parts": [{"text": " "}]}


def _add(turns: list[Content], role: str, parts: list[Part]) -> None:
    if not parts:
        return
    last = turns[-1] if turns else None
    # A turn of results begins with one: looking at all parts would take quadratic time for messages of one role.
    if last is not None and last["role"] == role and "functionResponse" not in last["parts"][0]:
        last["parts"] += parts  # what a user says after tool results stays a turn of its own
    else:
        turns.append({"role": role, "parts": parts})


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
