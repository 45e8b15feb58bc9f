"""The models Google serves to Code Assist, with their limits in tokens.

A list to choose from, not a gate: any id goes through, because Google adds models faster than this file learns them.
There is no method that lists models; these ids stand in quota buckets and error texts of real accounts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

OTHERS = re.compile(r"gpt-|o\d|chatgpt|text-embedding|claude|llama|mistral|deepseek|qwen", re.IGNORECASE)
NOT_TEXT = re.compile(r"image|tts|audio|live|embedding|veo|imagen|aqa|robotics|computer-use", re.IGNORECASE)


@dataclass(frozen=True)
class Model:
    id: str
    input_tokens: int = 1_048_576
    output_tokens: int = 65_536


# Pickers take the first one where the user chose none: stable before preview, and what is cheap before what is not.
MODELS = tuple(
    Model(name)
    for name in (
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-2.5-pro",
        "gemini-3-flash",
        "gemini-3.1-flash-lite",
        "gemini-3-flash-preview",
        "gemini-3.1-flash-lite-preview",
        "gemini-3-pro-preview",
        "gemini-3.1-pro-preview",
    )
)


def sorted_for_pickers(models: Iterable[Model]) -> list[Model]:
    """Those that write text first, of these the stable ones, in the order of the built-in list; the rest as they came."""
    known = {model.id: place for place, model in enumerate(MODELS)}

    def rank(model: Model) -> tuple[bool, bool, int]:
        unstable = re.search(r"preview|exp|latest", model.id) is not None
        return NOT_TEXT.search(model.id) is not None, unstable, known.get(model.id, len(known))

    return sorted(models, key=rank)


def not_found(name: str, models: Iterable[Model], whose: str) -> str:
    """What to tell about a model that Google does not serve; `whose` says to whom: "this account"."""
    ids = [model.id for model in models]
    shown = name[:100]
    if OTHERS.match(name):
        first = ids[0] if ids else MODELS[0].id
        return (
            f"There is no model {shown!r} at Google. GEMINI_ALIASES={shown}={first} would serve Gemini under this name."
        )
    if name in ids:
        return f"Google does not serve {shown} to {whose}. Choose another: GET /v1/models has the list."
    near = get_close_matches(shown.lower(), ids, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"There is no model {shown!r} for {whose}.{hint} GET /v1/models has the list."
