"""What happens in an answer of Gemini's, in order: the events that dialects put into their own words."""

from dataclasses import dataclass, field
from typing import Any, Literal

Reason = Literal["stop", "length", "blocked", "calls"]


@dataclass(frozen=True, slots=True)
class Text:
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function call: Google sends it whole, its arguments as an object. `id` and `signature` may be empty."""

    index: int
    name: str
    args: dict[str, Any]
    id: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """The thought signature of what was said last; it often comes in a part of its own (C59, C96)."""

    index: int
    signature: str


@dataclass(frozen=True, slots=True)
class Media:
    """An image or sound, base64 as Google sends it."""

    index: int
    mime_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Link:
    index: int
    mime_type: str
    uri: str


@dataclass(frozen=True, slots=True)
class Code:
    """Code that Google ran, or what came out of it; `part` is how Google says it."""

    index: int
    language: str
    text: str
    part: dict[str, Any]


Event = Text | Thought | Call | Signature | Media | Link | Code


@dataclass(frozen=True, slots=True)
class End:
    """How one candidate ended. `native` is Google's word, "" where only the prompt was judged."""

    index: int
    reason: Reason
    native: str
    message: str = ""
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)
