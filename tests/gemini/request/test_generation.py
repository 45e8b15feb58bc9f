"""The generationConfig under the rules of a family."""

from collections.abc import Callable
from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.family import FLASH_3, FLASH_25, LITE_25, OLD, Family
from gemini_proxy.gemini.request.generation import Generation

ROWS: list[Any] = [
    pytest.param(FLASH_25, lambda it: it.temperature(0), {"temperature": 0}, "", id="temperature"),
    pytest.param(FLASH_3, lambda it: it.temperature(0), {"temperature": 0}, "temperature", id="cold-gemini-3"),
    pytest.param(FLASH_25, lambda it: it.top_k(0), {}, "", id="no-top-k"),
    pytest.param(FLASH_25, lambda it: it.seed(2**40 + 5), {"seed": 5}, "", id="long-seed"),
    pytest.param(FLASH_25, lambda it: it.candidates(1), {}, "", id="one-candidate"),
    pytest.param(FLASH_25, lambda it: it.candidates(2), {"candidateCount": 2}, "", id="two-candidates"),
    pytest.param(OLD, lambda it: it.penalty("presencePenalty", 2, "p"), {"presencePenalty": 1.99}, "", id="penalty"),
    pytest.param(FLASH_25, lambda it: it.penalty("presencePenalty", 1, "p"), {}, "refuses p", id="refused-penalty"),
    pytest.param(FLASH_25, lambda it: it.penalty("presencePenalty", 0, "p"), {}, "", id="no-penalty"),
    pytest.param(OLD, lambda it: it.output_tokens(9_000, "m"), {"maxOutputTokens": 8_192}, "at most 8192", id="limit"),
    pytest.param(FLASH_25, lambda it: it.stop(["a", "", "a"], "s"), {"stopSequences": ["a"]}, "", id="stops"),
    pytest.param(FLASH_25, lambda it: it.stop([""], "s"), {}, "", id="no-stops"),
    pytest.param(FLASH_25, lambda it: it.modalities(["TEXT"]), {}, "", id="text-alone"),
    pytest.param(FLASH_25, lambda it: it.modalities(["TEXT", "IMAGE"]), {"responseModalities": ["TEXT", "IMAGE"]}, ""),
    pytest.param(FLASH_25, lambda it: it.think("none", "t"), {"thinkingConfig": {"thinkingBudget": 0}}, "", id="off"),
    pytest.param(
        FLASH_25,
        lambda it: it.think(100, "t", unseen=True),
        {"thinkingConfig": {"thinkingBudget": 100, "includeThoughts": False}},
        "",
        id="unseen",
    ),
    pytest.param(LITE_25, lambda it: it.think(None, "t"), {}, "", id="does-not-think-by-itself"),
    pytest.param(
        FLASH_3,
        lambda it: it.think(1_000, "t"),
        {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"}},
        "no budget",
        id="level",
    ),
]


def words(generation: Generation) -> str:
    return "; ".join([*generation.remarks, *(unmet.warning for unmet in generation.unsupported)])


@pytest.mark.parametrize(("family", "told", "config", "warning"), ROWS)
def test_what_becomes_of_a_setting(
    family: Family, told: Callable[[Generation], None], config: dict[str, Any], warning: str
) -> None:
    generation = Generation(family, "effort")
    told(generation)
    assert generation.config == config
    assert warning in words(generation)
    assert bool(warning) == bool(words(generation))


def test_thinking_leaves_room_for_the_answer() -> None:
    generation = Generation(FLASH_25, "effort")
    generation.output_tokens(1_000, "m")
    generation.think(5_000, "t")
    assert generation.config["thinkingConfig"]["thinkingBudget"] == 500
    assert "lowered" in words(generation)


def test_too_many_stop_sequences_are_refused() -> None:
    with pytest.raises(ProxyError, match="at most 5") as caught:
        Generation(FLASH_25, "effort").stop("abcdef", "place")
    assert caught.value.param == "place"
