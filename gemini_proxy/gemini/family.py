"""What a model can do, told by its id: a row in one table for each family, with all that Google refuses of it.

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
    """`name` tells families apart: a thought signature of one means nothing to another."""

    name: str
    thinking: Budget | Levels | None = None  # None: a thinkingConfig is a 400
    signed_calls: bool = False  # a function call without its thought signature is a 400
    call_ids: bool = False  # knows ids of function calls and their responses
    media_in_responses: bool = False  # functionResponse.parts
    part_media_resolution: bool = False  # before, one resolution for the whole request
    penalties: bool = False  # since 2.5 any presencePenalty or frequencyPenalty but 0 is a 400
    prefill: bool = True  # takes a conversation that ends with the model's turn
    system_instruction: bool = True  # Gemma before 4 reads instructions at the head of the first user turn
    fetches_links: bool = True  # the public API fetches https addresses in fileUri; not for models before 2.5
    mixes_search_and_functions: bool = False  # with toolConfig.includeServerSideToolInvocations
    json_with_tools: bool = False  # takes functions together with a JSON answer
    output_tokens: int = 65_536


_ALL_LEVELS = Levels(("MINIMAL", "LOW", "MEDIUM", "HIGH"))
_FROM_LOW = Levels(("LOW", "MEDIUM", "HIGH"))

OLD = Family("gemini-2.0", penalties=True, fetches_links=False, output_tokens=8_192)
# The limit of output tokens is a guess, rather too high than too low.
GEMMA = Family("gemma", penalties=True, fetches_links=False, output_tokens=32_768)
GEMMA_3 = replace(GEMMA, name="gemma-3", system_instruction=False)
MEDIA_25 = Family("gemini-2.5-media", output_tokens=32_768)
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
PRO_31 = replace(FLASH_3, name="gemini-3.1-pro", thinking=_FROM_LOW)
FLASH_IMAGE_3 = replace(FLASH_3, name="gemini-3-flash-image", thinking=Levels(("MINIMAL", "HIGH")))
SPEECH = replace(FLASH_3, name="gemini-speech", thinking=None, output_tokens=32_768)
FLASH_35 = replace(FLASH_3, name="gemini-3.5-flash", prefill=False)
# 3.7 Flash was the first that refuses MINIMAL; to ask a model in between for LOW costs less than a 400.
NEWEST_FLASH = replace(FLASH_35, name="gemini-newest-flash", thinking=_FROM_LOW)
NEWEST = replace(NEWEST_FLASH, name="gemini-newest")

# The first row that matches the beginning of the id counts.
FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"gemma-?([123](n|-|$)|7b|2b)", GEMMA_3),
    (r"gemma", GEMMA),
    (r"gemini-(embedding|1\.|2\.0|pro$|pro-vision)", OLD),
    (r"gemini-2\.5-.*(image|tts|audio|live)", MEDIA_25),
    (r"gemini-2\.5-flash-lite", LITE_25),
    (r"gemini-2\.5-pro", PRO_25),
    (r"gemini-2\.", FLASH_25),
    (r"gemini-.*(tts|audio)", SPEECH),
    (r"gemini-.*flash.*image", FLASH_IMAGE_3),
    (r"gemini-3-pro", PRO_3),
    (r"gemini-3\.1-pro", PRO_31),
    (r"gemini-3-flash-preview", FLASH_3),  # without -preview it is Code Assist's name of 3.5 Flash
    (r"gemini-3\.1-flash", FLASH_3),
    (r"gemini-(3|3\.[56])-flash", FLASH_35),
    (r".*flash", NEWEST_FLASH),
    (r"", NEWEST),
)

# Before the clamp to what a family allows: tokens, and levels in order of preference. The numbers are those of Google's
# own OpenAI layer.
EFFORTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "none": (0, ("MINIMAL", "LOW")),
    "minimal": (1_024, ("MINIMAL", "LOW")),
    "low": (1_024, ("LOW", "MINIMAL")),
    "medium": (8_192, ("MEDIUM", "HIGH")),
    "high": (24_576, ("HIGH",)),
    "xhigh": (32_768, ("HIGH",)),
    "max": (32_768, ("HIGH",)),
}
_CANNOT_STOP = "this model cannot stop thinking, so it thinks as little as it can, unseen"


def family_of(model: str) -> Family:
    """The family of a bare model id, without `models/` and the like."""
    return next(family for pattern, family in FAMILIES if re.match(pattern, model.lower()))


def thinking_config(family: Family, effort: str | int | None, param: str) -> tuple[dict[str, Any] | None, list[str]]:
    """The thinkingConfig of an effort, in a word or in tokens, and warnings. None is the family's default; `param` is
    what the client's protocol calls it.

    Thoughts are asked for wherever there are any: they become reasoning_content, and keep a long answer's socket busy.
    """
    if isinstance(effort, str) and effort not in EFFORTS:
        text = f"Unknown reasoning effort {effort!r:.50}. Use one of: {', '.join(EFFORTS)}."
        raise ProxyError(400, "invalid_value", text, param=param)
    effort = "none" if effort == 0 else effort
    match family.thinking:
        case Budget() as budget:
            return _by_budget(budget, effort)
        case Levels(allowed):
            return _by_level(allowed, effort)
    ignored = [f"{param} was ignored: this model does not think"]
    return None, ignored if effort not in (None, "none") else []


def _by_budget(budget: Budget, effort: str | int | None) -> tuple[dict[str, Any] | None, list[str]]:
    if effort is None:
        # Where thinking is off, asking for thoughts is asking for a 400, as with budget 0.
        return ({"includeThoughts": True} if budget.by_default else None), []
    if effort == "none":
        if budget.can_be_off:
            return {"thinkingBudget": 0}, []  # with includeThoughts Google answers 400
        return {"includeThoughts": False, "thinkingBudget": budget.minimum}, [_CANNOT_STOP]
    wanted = effort if isinstance(effort, int) else EFFORTS[effort][0]
    tokens = min(max(wanted, budget.minimum), budget.maximum)
    clamped = isinstance(effort, int) and tokens != wanted
    warnings = [f"this model thinks {budget.minimum} to {budget.maximum} tokens; the budget is {tokens}"]
    return {"includeThoughts": True, "thinkingBudget": tokens}, warnings if clamped else []


def _by_level(allowed: tuple[str, ...], effort: str | int | None) -> tuple[dict[str, Any], list[str]]:
    if effort is None:
        return {"includeThoughts": True}, []
    if isinstance(effort, int):
        tokens = effort
        effort = min(("low", "medium", "high"), key=lambda word: abs(EFFORTS[word][0] - tokens))
        level = _level(allowed, effort)
        return {"includeThoughts": True, "thinkingLevel": level}, [
            f"this model takes no budget of thinking tokens; its level is {level}"
        ]
    level = _level(allowed, effort)
    if effort == "none":
        return {"includeThoughts": False, "thinkingLevel": level}, [_CANNOT_STOP]
    other = level != EFFORTS[effort][1][0]
    warnings = [f"this model has no thinking level for the effort {effort}; its level is {level}"] if other else []
    return {"includeThoughts": True, "thinkingLevel": level}, warnings


def _level(allowed: tuple[str, ...], effort: str) -> str:
    return next(level for level in EFFORTS[effort][1] if level in allowed)
