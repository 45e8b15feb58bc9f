"""The one repair of a request that Google refused: thought signatures that it does not take (protocol 8.3).

A signature can be lost, or come from another model, in ways that nobody sees before Google does. The documented dummy
in its place lets the conversation go on, at the price of what the model had thought.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from gemini_proxy.gemini.signatures import DUMMY
from gemini_proxy.gemini.wire import GenerateContentRequest

ABOUT = re.compile(rb"thought[_ ]?signature", re.IGNORECASE)
WARNING = "Google refused the thought signatures: they were replaced, and what the model had thought is lost"


def is_about_signatures(status: int, body: bytes) -> bool:
    return status == 400 and ABOUT.search(body) is not None


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
