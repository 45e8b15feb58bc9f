"""The list of models, and what to say of one that is not there."""

import pytest

from gemini_proxy.gemini.models import MODELS, Model, not_found, sorted_for_pickers


def test_models_that_write_text_come_first_and_of_these_the_stable_ones() -> None:
    of_google = [
        "embedding-001",
        "gemini-3-pro-preview",
        "gemini-2.5-flash-image",
        "gemini-flash-latest",
        "gemma-4-31b-it",
        "gemini-2.5-pro",
        "gemini-2.5-flash-preview-tts",
        "gemini-2.5-flash",
    ]
    assert [model.id for model in sorted_for_pickers(map(Model, of_google))] == [
        "gemini-2.5-flash",
        "gemini-2.5-pro",
        "gemma-4-31b-it",
        "gemini-3-pro-preview",
        "gemini-flash-latest",
        "embedding-001",
        "gemini-2.5-flash-image",
        "gemini-2.5-flash-preview-tts",
    ]
    assert sorted_for_pickers(MODELS) == list(MODELS)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gemini-2.5-falsh", "There is no model 'gemini-2.5-falsh' for this account. Did you mean gemini-2.5-flash?"),
        ("GEMINI-2.5-FLASH", "Did you mean gemini-2.5-flash?"),
        ("gpt-4o", "GEMINI_ALIASES=gpt-4o=gemini-2.5-flash"),
        ("text-embedding-3-small", "GEMINI_ALIASES=text-embedding-3-small="),
        ("zzz", "There is no model 'zzz' for this account. GET /v1/models has the list."),
        ("gemini-3-pro-preview", "Google does not serve gemini-3-pro-preview to this account."),
    ],
)
def test_a_model_that_is_not_there(name: str, words: str) -> None:
    assert words in not_found(name, MODELS, "this account")


def test_a_long_name_is_cut() -> None:
    assert len(not_found("x" * 100_000, MODELS, "this account")) < 300
