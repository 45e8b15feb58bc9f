"""What happens in an answer of Gemini's, in order: the events that dialects put into their own words."""

from dataclasses import dataclass, field
from typing import Any, Literal

Reason = Literal["stop", "length", "blocked", "calls"]


@dataclass(slots=True)  # made for each piece of a stream: a frozen one takes three times as long to make
class Text:
    """`part` is the part of Gemini's content that it belongs to: citations count their places from its start."""

    index: int
    text: str
    part: int = 0


@dataclass(slots=True)
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
    """The thought signature of the text that was said last, or `alone`, in a part that says nothing else."""

    index: int
    signature: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """An image or sound, base64 as Google sends it. `signature` may be empty."""

    index: int
    mime_type: str
    data: str
    signature: str = ""

    @property
    def data_uri(self) -> str:
        return f"data:{self.mime_type};base64,{self.data}"


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


ContentEvent = Text | Thought | Call | Media | Link | Code
Event = ContentEvent | Signature


@dataclass(frozen=True, slots=True)
class End:
    """How one candidate ended. `native` is Google's word."""

    index: int
    reason: Reason
    native: str
    message: str = ""
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)
