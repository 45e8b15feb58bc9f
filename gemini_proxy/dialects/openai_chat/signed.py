"""Thought signatures on their way back: each to the part it came with, wherever the client kept it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.dialects.openai_chat.wire import Message, ToolCall, google_of
from gemini_proxy.gemini.signatures import DUMMY, Remembered, from_foreign_id, valid
from gemini_proxy.gemini.wire import Content, Part

SPELLINGS = ("thought_signature", "thoughtSignature")


class Transcript:
    """Hashes of what was said. A text has no id, so its own words and what stood before it name it."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._before = b""
        self._words = hashlib.sha256()
        self.size = 0  # bytes of the text of the model to come
        self.ids: dict[int, str] = {}  # of the texts of the model: place of the message -> id
        for place, message in enumerate(messages):
            text = message.text
            words = hashlib.sha256(text.encode()).digest()
            if message.role == "assistant" and text:
                self.ids[place] = _text_id(self._before, words)
            self._before = hashlib.sha256(self._before + words + _rest(message).encode()).digest()

    @property
    def text_id(self) -> str:
        return _text_id(self._before, self._words.digest())

    def add(self, text: str) -> None:
        words = text.encode()
        self._words.update(words)
        self.size += len(words)

    def answer(self) -> "Transcript":
        """The same conversation, with a text of the model to come."""
        going_on = Transcript()
        going_on._before = self._before
        return going_on


@dataclass
class Signatures:
    """`remembered` holds what this machine knows of the ids in the request, `texts` the ids of the model's texts."""

    family: str = ""
    remembered: Mapping[str, Remembered] = field(default_factory=dict)
    texts: Mapping[int, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def of(self, call: ToolCall) -> str:
        """The signature that Google gave with this call, "" where it is not known."""
        extra = {**(call.function.model_extra or {}), **(call.model_extra or {})}
        return self._chosen(_told(extra) or (from_foreign_id(call.id) if call.id else None), call.id or "")

    def of_text(self, message: Message, place: int) -> str:
        """The same for what the model said in words."""
        return self._chosen(_told(message.model_extra or {}), self.texts.get(place, ""))

    def of_image(self, url: str) -> str:
        """The same for an image that the model drew."""
        return self._chosen(None, image_id(url))

    def complete(self, turns: list[Content]) -> None:
        """Google wants the first call of each step of the current turn signed; where the signature is lost, its
        documented stand-in is sent."""
        for turn in turns[_current_turn(turns) :]:
            first = next((part for part in turn["parts"] if "functionCall" in part), None)
            if turn["role"] == "model" and first is not None and "thoughtSignature" not in first:
                first["thoughtSignature"] = DUMMY
                self.warnings.append("a thought signature is not known any more; Google's stand-in was sent")

    def _chosen(self, told: str | None, name: str) -> str:
        """What the client tells goes first, unless it is known to come from another family of models."""
        known = self.remembered.get(name)
        foreign = known is not None and known.family != self.family
        if told and valid(told) and not (known and foreign and told == known.signature):
            return told
        return known.signature if known and not foreign else ""


def call_ids(messages: list[Message]) -> list[str]:
    return [call.id for message in messages for call in message.tool_calls or [] if call.id]


def image_id(url: str) -> str:
    """The name of an image that the model drew, from the data URI that the client got: a sample of megabytes tells as
    much as all of them."""
    sample = f"{len(url)}:{url[:: len(url) // 1000 + 1]}{url[-64:]}"
    return f"image_{hashlib.sha256(sample.encode('utf-8', 'replace')).hexdigest()}"


def image_ids(messages: list[Message]) -> list[str]:
    return [image_id(url) for message in messages if message.role == "assistant" for url in _all_images(message) if url]


def drawn_images(message: Message) -> list[str]:
    """The addresses in `images`, where the model's images were when the client got them; "" for what is none."""
    found = (message.model_extra or {}).get("images") or []
    return [_url_in(image) for image in found] if isinstance(found, list) else [""]


def _all_images(message: Message) -> list[str]:
    """Also those that the client has put among the parts of the content."""
    parts = message.content if isinstance(message.content, list) else []
    return [*drawn_images(message), *(_url_in(part.members) for part in parts)]


def _url_in(part: Any) -> str:
    image = part.get("image_url") if isinstance(part, dict) else None
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else ""


def _current_turn(turns: list[Content]) -> int:
    """Where the current turn begins: the last thing the user said that is not the result of a call."""
    said = (i for i, turn in enumerate(turns) if turn["role"] == "user" and not any(map(_is_response, turn["parts"])))
    return max(said, default=0)


def _is_response(part: Part) -> bool:
    return "functionResponse" in part


def _told(extra: dict[str, Any]) -> str | None:
    """A signature that the client kept: Google's own place first, then those of other proxies."""
    for place in (google_of(extra), extra.get("provider_specific_fields"), extra):
        for spelling in SPELLINGS:
            if isinstance(place, dict) and isinstance(value := place.get(spelling), str) and value:
                return value
    return None


def _text_id(before: bytes, words: bytes) -> str:
    return f"text_{hashlib.sha256(before + words).hexdigest()}"


def _rest(message: Message) -> str:
    """What a message says besides its words."""
    calls = [(call.function.name, call.function.arguments) for call in message.calls]
    media = message.content if isinstance(message.content, list) else []
    return f"{message.role}{calls}{[_outline(part.members) for part in media if part.words is None]}"


def _outline(value: Any) -> list[str]:
    """Media by the length and the end of their data: to hash megabytes would cost more than it could ever tell."""
    return [f"{len(text)}:{text[-64:]}" for text in _texts(value)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
