"""Advice for paths of OpenAI's API that are not served."""

import pytest

from gemini_proxy.dialects.openai_paths import advice_for


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/responses", "openai-chat:"),
        ("/v1/responses/resp_1", "no /v1/responses. Use chat completions"),
        ("/v1/completions", "OpenAILike"),
        ("/v1/audio/speech", "no /v1/audio"),
        ("/v1/images/generations", "image model"),
        ("/v1/messages", "not Anthropic's"),
        ("/chat/completions", "The base URL has no /v1 at its end"),
        ("/models/", "has no /v1"),
        ("/embeddings", "has no /v1"),
        ("/responses", "has no /v1"),
        ("/v1/v1/chat/completions", "has /v1 at its end already"),
        ("/v1/v1/v1/models", "has /v1 at its end already"),
    ],
)
def test_advice(path: str, words: str) -> None:
    assert words in advice_for(path)


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/", "/v1/chat", "/v1/responsesx", "/modelsx", "/auth/login", "/v1beta/models"]
)
def test_no_advice(path: str) -> None:
    assert advice_for(path) == ""


def test_a_long_path_takes_no_quadratic_time() -> None:
    assert advice_for("/v1" * 300_000) == ""
