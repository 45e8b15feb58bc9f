"""Tokens by kind; the counts themselves are in test_answer.py."""

from typing import Any

import pytest

from tests.exchanges import completion, errors, sse_bytes, streamed, text


def details(*counts: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"modality": kind, "tokenCount": count} for kind, count in counts]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param(details(("TEXT", 3), ("IMAGE", 258), ("AUDIO", 25)), {"text": 3, "image": 258, "audio": 25}),
        pytest.param(details(("AUDIO", 5), ("AUDIO", 6)), {"audio": 11}, id="twice"),
        pytest.param(details(("SMELL", 5), ("TEXT", None)), {"audio": 0}, id="unknown"),
        pytest.param([None, 5, {"modality": "TEXT"}], {"audio": 0}, id="wrong-types"),
        pytest.param({"modality": "TEXT"}, {"audio": 0}, id="no-list"),
    ],
)
def test_modalities(given: Any, told: dict[str, int]) -> None:
    google = {"promptTokensDetails": given, "candidatesTokensDetails": given, "totalTokenCount": 1}
    usage = completion(text("a", finishReason="STOP", usage=google))["usage"]
    expected = {"audio_tokens": 0} | {f"{kind}_tokens": count for kind, count in told.items()}
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0, **expected}
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 0, **expected}


def test_an_error_after_partial_output() -> None:
    from tests.exchanges import exchange

    running = exchange(stream=True)
    usage = {"promptTokenCount": 3, "totalTokenCount": 5}
    running.transform(sse_bytes([text("half", usage=usage), {"error": {"code": 503, "status": "UNAVAILABLE"}}]))
    assert running.transform(b"") == []
    assert errors(streamed([text("half", usage=usage), {"error": {"code": 503, "status": "UNAVAILABLE"}}]))
