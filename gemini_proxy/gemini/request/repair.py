"""Repairs of a request that Google refused, for one more try.

A thought signature can be lost, or come from another model, in ways that nobody sees before Google does. The documented
dummy in its place lets the conversation go on, at the price of what the model had thought.

Which models take which levels of thinking changes with every model: without a thinkingConfig each thinks as it would.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from gemini_proxy.gemini.signatures import DUMMY
from gemini_proxy.gemini.wire import GenerateContentRequest

ABOUT = re.compile(rb"thought[_ ]?signature", re.IGNORECASE)
WARNING = "Google refused the thought signatures: they were replaced, and what the model had thought is lost"
ABOUT_THINKING = re.compile(rb"thinking[_ ]?(level|budget|config|is not|mode)", re.IGNORECASE)
WITHOUT_THINKING = "Google refused how much to think: the model thought as much as it does by itself"


def repaired(request: Mapping[str, Any], status: int, body: bytes) -> tuple[GenerateContentRequest, str] | None:
    """The request for a second try and a warning that says what changed, None for a refusal that no change cures."""
    if status != 400:
        return None
    if ABOUT.search(body) and (found := without_signatures(request)) is not None:
        return found, WARNING
    if ABOUT_THINKING.search(body) and (found := without_thinking(request)) is not None:
        return found, WITHOUT_THINKING
    return None


def without_thinking(request: Mapping[str, Any]) -> GenerateContentRequest | None:
    config = {**(request.get("generationConfig") or {})}
    if config.pop("thinkingConfig", None) is None:
        return None
    return cast(GenerateContentRequest, {**request, "generationConfig": config})


def without_signatures(request: Mapping[str, Any]) -> GenerateContentRequest | None:
    """The request with the dummy at the first call of each turn and no other signature; None if that is no change."""
    contents = cast(list[dict[str, Any]], request.get("contents") or [])
    repaired = [{**content, "parts": _repaired(content.get("parts") or [])} for content in contents]
    if repaired == contents:
        return None
    return cast(GenerateContentRequest, {**request, "contents": repaired})


def _repaired(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    bare = [{name: value for name, value in part.items() if name != "thoughtSignature"} for part in parts]
    first = next((i for i, part in enumerate(bare) if "functionCall" in part), None)
    return [{**part, "thoughtSignature": DUMMY} if i == first else part for i, part in enumerate(bare)]
