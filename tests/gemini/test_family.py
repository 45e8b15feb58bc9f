"""Model families, what they refuse, and reasoning efforts."""

from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini import family
from gemini_proxy.gemini.family import Family, family_of

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# What each effort becomes. A trailing "!" means thoughts off and a warning, "~" a warning that it is the nearest.
TABLE: dict[str, tuple[str | int, ...]] = {
    "gemini-2.5-pro": ("128!", 1024, 1024, 8192, 24576, 32768, 32768),
    "gemini-2.5-flash": (0, 1024, 1024, 8192, 24576, 24576, 24576),
    "gemini-2.5-flash-lite": (0, 1024, 1024, 8192, 24576, 24576, 24576),
    "gemini-3-pro-preview": ("LOW!", "LOW~", "LOW", "HIGH~", "HIGH", "HIGH", "HIGH"),
    "gemini-3.1-pro-preview": ("LOW!", "LOW~", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
    "gemini-3-flash-preview": ("MINIMAL!", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
    "gemini-3.1-flash-lite": ("MINIMAL!", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
    "gemini-3.5-flash": ("MINIMAL!", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
    "gemini-3.7-flash": ("LOW!", "LOW~", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
    "gemini-3.8-flash": ("LOW!", "LOW~", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
    "gemini-3.1-flash-image-preview": ("MINIMAL!", "MINIMAL", "MINIMAL~", "HIGH~", "HIGH", "HIGH", "HIGH"),
    "gemini-4-ultra": ("LOW!", "LOW~", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"),
}


def thinking_config(of: Family, effort: Any) -> Any:
    return family.thinking_config(of, effort, "the_effort")


def config_of(entry: str | int) -> dict[str, Any]:
    word = str(entry).rstrip("!~")
    size: dict[str, Any] = {"thinkingBudget": int(word)} if word.isdigit() else {"thinkingLevel": word}
    return size if entry == 0 else {"includeThoughts": not str(entry).endswith("!"), **size}


@pytest.mark.parametrize(
    ("model", "effort", "entry"),
    [
        pytest.param(model, effort, entry, id=f"{model}-{effort}")
        for model, entries in TABLE.items()
        for effort, entry in zip(EFFORTS, entries, strict=True)
    ],
)
def test_effort(model: str, effort: str, entry: str | int) -> None:
    config, warnings = thinking_config(family_of(model), effort)
    assert config == config_of(entry)
    assert len(warnings) == str(entry).endswith(("!", "~"))


BUDGETS: list[Any] = [
    ("gemini-2.5-pro", 4_096, {"thinkingBudget": 4_096, "includeThoughts": True}, ""),
    ("gemini-2.5-pro", 40_000, {"thinkingBudget": 32_768, "includeThoughts": True}, "the budget is 32768"),
    ("gemini-2.5-flash-lite", 5, {"thinkingBudget": 512, "includeThoughts": True}, "the budget is 512"),
    ("gemini-2.5-flash", 0, {"thinkingBudget": 0}, ""),
    ("gemini-2.5-pro", 0, {"thinkingBudget": 128, "includeThoughts": False}, "cannot stop thinking"),
    ("gemini-3-pro-preview", 1_000, {"thinkingLevel": "LOW", "includeThoughts": True}, "level is LOW"),
    ("gemini-3-pro-preview", 9_000, {"thinkingLevel": "HIGH", "includeThoughts": True}, "level is HIGH"),
    ("gemini-3.1-pro-preview", 9_000, {"thinkingLevel": "MEDIUM", "includeThoughts": True}, "level is MEDIUM"),
    ("gemini-2.5-flash-preview-tts", 100, None, "does not think"),
]


@pytest.mark.parametrize(("model", "tokens", "config", "warning"), BUDGETS)
def test_a_budget_of_tokens(model: str, tokens: int, config: Any, warning: str) -> None:
    found, warnings = thinking_config(family_of(model), tokens)
    assert found == config
    assert warning in "".join(warnings)
    assert bool(warning) is bool(warnings)


@pytest.mark.parametrize("model", [model for model in TABLE if model != "gemini-2.5-flash-lite"])
def test_thoughts_are_asked_for_when_effort_is_unset(model: str) -> None:
    assert thinking_config(family_of(model), None) == ({"includeThoughts": True}, [])


def test_nothing_is_asked_of_a_model_whose_thinking_is_off_by_default() -> None:
    assert thinking_config(family_of("gemini-2.5-flash-lite"), None) == (None, [])


@pytest.mark.parametrize(
    "model",
    ["gemma-4-31b-it", "gemini-2.0-flash", "gemini-1.5-pro", "gemini-2.5-flash-image", "gemini-3.1-flash-tts-preview"],
)
def test_effort_on_a_model_that_does_not_think(model: str) -> None:
    assert thinking_config(family_of(model), None) == (None, [])
    assert thinking_config(family_of(model), "none") == (None, [])
    config, warnings = thinking_config(family_of(model), "high")
    assert config is None
    assert warnings == ["the_effort was ignored: this model does not think"]


@pytest.mark.parametrize("effort", ["", "HIGH", "ultra"])
def test_an_unknown_effort_is_refused(effort: str) -> None:
    with pytest.raises(ProxyError, match="xhigh") as caught:
        thinking_config(family.PRO_31, effort)
    assert (caught.value.status, caught.value.param) == (400, "the_effort")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-3-flash", family.FLASH_35),
        ("gemini-3.5-flash", family.FLASH_35),
        ("gemini-3.5-flash-lite", family.FLASH_35),
        ("gemini-3.7-flash", family.NEWEST_FLASH),
        ("gemini-3.1-flash-image-preview", family.FLASH_IMAGE_3),
        ("gemini-3.1-flash-lite-image", family.FLASH_IMAGE_3),
        ("gemini-3.1-flash-tts-preview", family.SPEECH),
        ("gemini-4-pro-tts", family.SPEECH),
        ("gemini-3-pro-image-preview", family.PRO_3),
        ("gemma-3-27b-it", family.GEMMA_3),
        ("gemma-3n-e4b-it", family.GEMMA_3),
        ("gemma-4-31b-it", family.GEMMA),
        ("gemini-3-flash-preview", family.FLASH_3),
        ("gemini-3.1-flash-lite-preview", family.FLASH_3),
        ("gemini-3.1-pro-preview-customtools", family.PRO_31),
        ("gemini-2.5-flash-preview-09-2025", family.FLASH_25),
        ("gemini-2.5-flash-preview-tts", family.MEDIA_25),
        ("GEMINI-2.5-PRO", family.PRO_25),
        ("gemini-1.0-pro", family.OLD),
        ("gemini-pro", family.OLD),
        ("gemini-embedding-001", family.OLD),
        ("gemini-flash-latest", family.NEWEST_FLASH),
        ("gemini-pro-latest", family.NEWEST),
        ("gemini-10-pro", family.NEWEST),
        ("gemini-11.5-flash", family.NEWEST_FLASH),
        ("something-else", family.NEWEST),
        ("", family.NEWEST),
    ],
)
def test_family_of_an_id(model: str, expected: Family) -> None:
    assert family_of(model) is expected


@pytest.mark.parametrize("old", [family.OLD, family.GEMMA, family.PRO_25, family.FLASH_25, family.LITE_25])
def test_what_came_with_gemini_3(old: Family) -> None:
    for name in (
        "signed_calls",
        "call_ids",
        "media_in_responses",
        "part_media_resolution",
        "mixes_search_and_functions",
        "json_with_tools",
    ):
        assert not getattr(old, name)
        assert getattr(family.FLASH_3, name)
        assert getattr(family.NEWEST, name)


# What a model refuses: penalties but 0 (since 2.5), a conversation that ends with its own turn, a system instruction.
REFUSALS = {
    "gemini-2.0-flash": (True, True, True),
    "gemma-3-27b-it": (True, True, False),
    "gemini-2.5-flash": (False, True, True),
    "gemini-2.5-flash-image": (False, True, True),
    "gemini-3.1-pro-preview": (False, True, True),
    "gemini-3.5-flash": (False, False, True),
    "gemini-9-pro": (False, False, True),
}


@pytest.mark.parametrize("model", REFUSALS)
def test_what_a_family_takes(model: str) -> None:
    found = family_of(model)
    assert (found.penalties, found.prefill, found.system_instruction) == REFUSALS[model]
