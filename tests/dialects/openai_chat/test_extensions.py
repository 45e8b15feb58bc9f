"""What Google's own OpenAI layer adds to a request."""

from typing import Any

import pytest

from tests.exchanges import asked, refused, told

SAFETY = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
GOOGLE = {"thinking_config": {"thinking_budget": 7}, "safety_settings": SAFETY, "media_resolution": "low"}


@pytest.mark.parametrize(
    "chat",
    [
        pytest.param({"google": GOOGLE}, id="top-level"),
        pytest.param({"extra_body": {"google": GOOGLE}}, id="once"),
        pytest.param({"extra_body": {"extra_body": {"google": GOOGLE}}}, id="twice"),
        pytest.param({"google": {"safety_settings": SAFETY}, "extra_body": {"google": GOOGLE}}, id="both"),
    ],
)
def test_google_wherever_it_stands(chat: dict[str, Any]) -> None:
    request = asked(**chat)
    assert request["generationConfig"] == {
        "thinkingConfig": {"thinkingBudget": 7},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }
    assert request["safetySettings"] == SAFETY
    assert told(**chat) == ""


def test_safety_settings_at_the_top_level() -> None:
    assert asked(safety_settings=SAFETY)["safetySettings"] == SAFETY
    assert "safetySettings" not in asked()  # Google's own defaults stay


def test_media_resolution_in_google_s_own_word() -> None:
    config = asked(google={"media_resolution": "MEDIA_RESOLUTION_HIGH"})["generationConfig"]
    assert config["mediaResolution"] == "MEDIA_RESOLUTION_HIGH"


@pytest.mark.parametrize(
    ("chat", "warning"),
    [
        ({"google": {"frobnicate": 1}}, "google.frobnicate"),
        ({"google": {"thought_tag_marker": "think"}}, "google.thought_tag_marker"),
        ({"extra_body": {"frobnicate": 1}}, "extra_body.frobnicate"),
        ({"extra_body": {"extra_body": {"frobnicate": 1}}}, "extra_body.extra_body.frobnicate"),
        ({"google": {"frobnicate": None}}, ""),
    ],
)
def test_what_is_unknown_is_told(chat: dict[str, Any], warning: str) -> None:
    assert (warning in told(**chat)) if warning else told(**chat) == ""


REFUSED: list[Any] = [
    ({"google": {"cached_content": 1}}, "google.cached_content"),
    ({"google": {"thinking_config": 5}}, "google.thinking_config"),
    ({"google": {"thinking_config": {"frobnicate": 1}}}, "google.thinking_config.frobnicate"),
    ({"google": {"thinking_config": {"thinking_budget": "many"}}}, "google.thinking_config.thinking_budget"),
    ({"google": {"thinking_config": {"thinking_budget": True}}}, "google.thinking_config.thinking_budget"),
    ({"google": {"safety_settings": {}}}, "google.safety_settings"),
    ({"google": {"safety_settings": [1]}}, "google.safety_settings"),
    ({"google": {"media_resolution": 5}}, "google.media_resolution"),
    ({"google": {"stream_function_call_arguments": "yes"}}, "google.stream_function_call_arguments"),
    ({"google": {"tools": "search"}}, "google.tools"),
    ({"google": 5}, "google"),
    ({"extra_body": {"google": 5}}, "extra_body.google"),
    ({"extra_body": {"extra_body": []}}, "extra_body.extra_body"),
    ({"safety_settings": {}}, "safety_settings"),
]


@pytest.mark.parametrize(("chat", "param"), REFUSED, ids=[param for _, param in REFUSED])
def test_what_is_wrong_names_its_place(chat: dict[str, Any], param: str) -> None:
    error = refused(**chat)
    assert (error.status, error.param) == (400, param)
