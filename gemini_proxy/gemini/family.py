"""What a model can do, told by its id (protocol 7.3, 8; mapping B.1).

The table names the *old* models. An id that it does not know is newer than the table and counts as the newest.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from gemini_proxy.errors import ProxyError


@dataclass(frozen=True)
class Budget:
    """Thinking is measured in tokens. `can_be_off`: 0 is allowed; `by_default`: it thinks without being told to."""

    minimum: int
    maximum: int
    can_be_off: bool = True
    by_default: bool = True


@dataclass(frozen=True)
class Levels:
    """Thinking goes by words, and never stops altogether."""

    allowed: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """`name` tells families apart: a thought signature of one means nothing to another (C136)."""

    name: str
    thinking: Budget | Levels | None = None
    signed_calls: bool = False  # a function call without its thought signature is a 400 (protocol 8.3)
    call_ids: bool = False  # knows ids of function calls and their responses (C127)
    media_in_responses: bool = False  # functionResponse.parts (C117)
    part_media_resolution: bool = False  # before, one resolution for the whole request (C175)
    penalties: bool = True  # takes presencePenalty and frequencyPenalty (C193)
    prefill: bool = True  # takes a conversation that ends with the model's turn (C108)
    mixes_search_and_functions: bool = False  # with toolConfig.includeServerSideToolInvocations (C155)
    json_with_tools: bool = False  # (C199)
    output_tokens: int = 65_536


_ALL_LEVELS = Levels(("MINIMAL", "LOW", "MEDIUM", "HIGH"))

OLD = Family("gemini-2.0", output_tokens=8_192)
GEMMA = Family("gemma", output_tokens=32_768)  # the limit is a guess, rather too high than too low
SPEECH_AND_IMAGES = Family("gemini-2.5-media", output_tokens=32_768)
PRO_25 = Family("gemini-2.5-pro", Budget(128, 32_768, can_be_off=False))
FLASH_25 = Family("gemini-2.5-flash", Budget(1, 24_576))
LITE_25 = Family("gemini-2.5-flash-lite", Budget(512, 24_576, by_default=False))
FLASH_3 = Family(
    "gemini-3-flash",
    _ALL_LEVELS,
    signed_calls=True,
    call_ids=True,
    media_in_responses=True,
    part_media_resolution=True,
    mixes_search_and_functions=True,
    json_with_tools=True,
)
PRO_3 = replace(FLASH_3, name="gemini-3-pro", thinking=Levels(("LOW", "HIGH")))
PRO_31 = replace(FLASH_3, name="gemini-3.1-pro", thinking=Levels(("LOW", "MEDIUM", "HIGH")))
NEWEST_FLASH = replace(FLASH_3, name="gemini-newest-flash", penalties=False, prefill=False)
# What every model since 3.1 takes; to leave a penalty out costs less than a 400.
NEWEST = replace(NEWEST_FLASH, name="gemini-newest", thinking=PRO_31.thinking)

# The first row that matches the beginning of the id counts.
FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"gemma", GEMMA),
    (r"gemini-(embedding|1\.|2\.0|pro$|pro-vision)", OLD),
    (r"gemini-2\.5-.*(image|tts|audio|live)", SPEECH_AND_IMAGES),
    (r"gemini-2\.5-flash-lite", LITE_25),
    (r"gemini-2\.5-pro", PRO_25),
    (r"gemini-2\.", FLASH_25),
    (r"gemini-3-pro", PRO_3),
    (r"gemini-3\.1-pro", PRO_31),
    (r"gemini-3-flash-preview", FLASH_3),  # without -preview it is Code Assist's name of 3.5 Flash (protocol 7.1)
    (r"gemini-3\.1-flash", FLASH_3),
    (r".*flash", NEWEST_FLASH),
    (r"", NEWEST),
)

# Mapping B.1, before the clamp to what a family allows: tokens, and levels in order of preference.
EFFORTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "none": (0, ("MINIMAL", "LOW")),
    "minimal": (1_024, ("MINIMAL", "LOW")),
    "low": (1_024, ("LOW",)),
    "medium": (8_192, ("MEDIUM", "HIGH")),
    "high": (24_576, ("HIGH",)),
    "xhigh": (32_768, ("HIGH",)),
    "max": (32_768, ("HIGH",)),
}
_CANNOT_STOP = "reasoning_effort none: this model cannot stop thinking, so it thinks as little as it can, unseen"
_CANNOT_THINK = "reasoning_effort was ignored: this model does not think"


def family_of(model: str) -> Family:
    """The family of a bare model id, without `models/` and the like."""
    return next(family for pattern, family in FAMILIES if re.match(pattern, model.lower()))


def thinking_config(family: Family, effort: str | None) -> tuple[dict[str, Any] | None, list[str]]:
    """The thinkingConfig of a reasoning effort, None for the family's default, and warnings (C200).

    Thoughts are asked for wherever there are any: they become reasoning_content, and keep a long answer's socket busy.
    """
    if effort is not None and effort not in EFFORTS:
        text = f"Unknown reasoning effort {effort!r:.50}. Use one of: {', '.join(EFFORTS)}."
        raise ProxyError(400, "invalid_value", text, param="reasoning_effort")
    match family.thinking:
        case Budget() as budget:
            return _by_budget(budget, effort)
        case Levels(allowed):
            return _by_level(allowed, effort)
    return None, [_CANNOT_THINK] if effort not in (None, "none") else []  # C203


def _by_budget(budget: Budget, effort: str | None) -> tuple[dict[str, Any] | None, list[str]]:
    if effort is None:
        # Where thinking is off, asking for thoughts is asking for a 400, as with budget 0.
        return ({"includeThoughts": True} if budget.by_default else None), []
    if effort != "none":
        tokens = min(max(EFFORTS[effort][0], budget.minimum), budget.maximum)
        return {"includeThoughts": True, "thinkingBudget": tokens}, []
    if budget.can_be_off:
        return {"thinkingBudget": 0}, []  # with includeThoughts Google answers 400 (C202)
    return {"includeThoughts": False, "thinkingBudget": budget.minimum}, [_CANNOT_STOP]


def _by_level(allowed: tuple[str, ...], effort: str | None) -> tuple[dict[str, Any], list[str]]:
    if effort is None:
        return {"includeThoughts": True}, []
    level = next(level for level in EFFORTS[effort][1] if level in allowed)
    off = effort == "none"
    return {"includeThoughts": not off, "thinkingLevel": level}, [_CANNOT_STOP] if off else []
