"""What clients call a model."""

import pytest

from gemini_proxy.gemini.model_names import ModelName, model_name_from
from tests.exchanges import asked, chat_ask, chat_request, completion, refused, text

ALIASES = {"fast": "gemini-2.5-flash-search:low", "gemini-2.5-pro": "gemini-2.5-pro:high", "gpt-4o": "models/gemini-x"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("x", ModelName("x"), id="unknown"),
        pytest.param("models/x", ModelName("x"), id="models"),
        pytest.param("google/x", ModelName("x"), id="google"),
        pytest.param("gemini/x", ModelName("x"), id="gemini"),
        pytest.param("models/google/x", ModelName("x"), id="both"),
        pytest.param("x-search", ModelName("x", search=True), id="search"),
        pytest.param("x-nothinking", ModelName("x", "none"), id="nothinking"),
        pytest.param("x-maxthinking", ModelName("x", "max"), id="maxthinking"),
        pytest.param("x:minimal", ModelName("x", "minimal"), id="minimal"),
        pytest.param("x:low", ModelName("x", "low"), id="low"),
        pytest.param("x:medium", ModelName("x", "medium"), id="medium"),
        pytest.param("x:high", ModelName("x", "high"), id="high"),
        pytest.param("google/x-search:low", ModelName("x", "low", True), id="combined"),
        pytest.param("x:low-search", ModelName("x", "low", True), id="any-order"),
        pytest.param("fast", ModelName("gemini-2.5-flash", "low", True), id="alias"),
        pytest.param("fast:high", ModelName("gemini-2.5-flash", "high", True), id="alias-with-suffix"),
        pytest.param("gemini-2.5-pro", ModelName("gemini-2.5-pro", "high"), id="alias-of-itself"),
        pytest.param("gpt-4o", ModelName("gemini-x"), id="alias-with-prefix"),
    ],
)
def test_names(name: str, expected: ModelName) -> None:
    assert model_name_from(name, ALIASES) == expected


@pytest.mark.parametrize("name", ["", "models/", "-search", "google/:low"])
def test_no_name(name: str) -> None:
    assert (refused(model=name).status, refused(model=name).param) == (400, "model")


@pytest.mark.parametrize("name", ["gemini-2.5-flash:lo", "x:low:x", "x:", ":"])
def test_an_unknown_suffix(name: str) -> None:
    error = refused(model=name)
    assert (error.status, error.param) == (400, "model")
    assert "Unknown suffix" in error.message
    assert ":minimal, :low, :medium, :high, -search" in error.message
    assert model_name_from(name, {name: "x"}) == ModelName("x")  # an operator may call a model so


def test_a_very_long_name() -> None:
    error = refused(model="x" + "-search" * 100_000)  # to take it apart would take quadratic time
    assert (error.param, error.message) == ("model", "'model' is longer than 256 characters.")


def test_suffixes_through_the_door() -> None:
    ask = chat_ask(chat_request(model="models/gemini-2.5-flash-search:low"))
    assert ask.model == "gemini-2.5-flash"
    assert ask.request["tools"] == [{"googleSearch": {}}]
    assert ask.request["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 1024
    own = asked(model="gemini-2.5-flash:low", reasoning_effort="high")  # what the request says goes first
    assert own["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 24_576


def test_the_answer_calls_the_model_what_the_client_did() -> None:
    assert completion(text("a", finishReason="STOP"), model="models/x:low")["model"] == "models/x:low"
