"""Where clients keep thought signatures, and what tells the texts and images apart that they belong to."""

from collections.abc import Iterator
from typing import Any

from gemini_proxy.dialects.openai_chat.wire import Message, ToolCall, google_of
from gemini_proxy.gemini.transcript import Transcript, image_id

SPELLINGS = ("thought_signature", "thoughtSignature")


def signature_of_call(call: ToolCall) -> str:
    """The signature that the client sends back with a call, "" for none."""
    return _told({**(call.function.model_extra or {}), **(call.model_extra or {})})


def signature_of_text(message: Message) -> str:
    return _told(message.model_extra or {})


def transcript_of(messages: list[Message]) -> tuple[Transcript, dict[int, str]]:
    """The conversation that the answer goes on with, and the ids of the model's texts in it, by place."""
    transcript = Transcript()
    ids: dict[int, str] = {}
    for place, message in enumerate(messages):
        text = message.text
        text_id = transcript.message(text, _rest(message))
        if message.role == "assistant" and text:
            ids[place] = text_id
    return transcript, ids


def call_ids(messages: list[Message]) -> list[str]:
    return [call.id for message in messages for call in message.tool_calls or [] if call.id]


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


def _told(extra: dict[str, Any]) -> str:
    """A signature that the client kept: Google's own place first, then those of other proxies."""
    for place in (google_of(extra), extra.get("provider_specific_fields"), extra):
        for spelling in SPELLINGS:
            if isinstance(place, dict) and isinstance(value := place.get(spelling), str) and value:
                return value
    return ""


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
