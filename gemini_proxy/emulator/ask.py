"""A request with the questions that a rehearsed model puts to it, and the plan of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gemini_proxy.emulator.models import MEDIA, SERVED, Family, thinks
from gemini_proxy.emulator.strict_contents import calls_in, current_turn, responses_in

Json = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """One candidate before it is cut into chunks."""

    parts: tuple[Json, ...]
    thoughts: tuple[str, ...] = ()
    extras: Json = field(default_factory=dict)  # members of the last candidate, such as groundingMetadata
    tool_tokens: int = 0


@dataclass
class Ask:
    """A request, with the questions the behaviours put to it."""

    model: str
    request: Json
    candidate: int = 0

    @property
    def family(self) -> Family:
        return {**SERVED, **MEDIA}[self.model]

    @cached_property
    def generation(self) -> Json:
        config: Json = self.request.get("generationConfig", {})
        return config

    @cached_property
    def turn(self) -> list[Json]:
        """The current turn: the last words of the user and what came after them."""
        contents: list[Json] = self.request["contents"]
        return contents[current_turn(contents) :]

    @cached_property
    def text(self) -> str:
        """The last text of the user; earlier parts are context that clients put in front."""
        texts = [part["text"] for part in self.turn[0]["parts"] if "text" in part]
        return texts[-1] if texts else ""

    @cached_property
    def system(self) -> str:
        parts = self.request.get("systemInstruction", {}).get("parts", [])
        return "\n".join(part.get("text", "") for part in parts)

    @property
    def responses(self) -> list[Json]:
        return responses_in(self.turn[-1])

    @property
    def steps_done(self) -> int:
        return sum(1 for content in self.turn if calls_in(content))

    @property
    def thinks(self) -> bool:
        return thinks(self.family, self.generation)

    @property
    def shows_thoughts(self) -> bool:
        return self.thinks and bool(self.generation.get("thinkingConfig", {}).get("includeThoughts"))
