"""Log probabilities."""

from typing import Any

import pytest

from tests.exchanges import STOP, candidate, completion, streamed, text


def token(word: Any, value: Any = -0.5) -> dict[str, Any]:
    return {"token": word, "logProbability": value, "tokenId": 7}


def said(word: str, value: float = -0.5) -> dict[str, Any]:
    return {"token": word, "logprob": value, "bytes": list(word.encode())}


RESULT: dict[str, list[Any]] = {
    "chosenCandidates": [token("é"), token("b")],
    "topCandidates": [{"candidates": [token("é"), token("e", -2)]}, {"candidates": []}],
}
TOLD = {
    "content": [
        {**said("é"), "top_logprobs": [said("é"), said("e", -2)]},
        {**said("b"), "top_logprobs": []},
    ],
    "refusal": None,
}


def test_logprobs() -> None:
    chat = {"logprobs": True, "top_logprobs": 2}
    assert completion(text("éb", finishReason="STOP", logprobsResult=RESULT), **chat)["choices"][0]["logprobs"] == TOLD
    halves = [{name: [value[i]] for name, value in RESULT.items()} for i in range(2)]
    found = streamed([text("é", logprobsResult=halves[0]), text("b", logprobsResult=halves[1]), STOP], **chat)
    assert [c["logprobs"] for e in found[:-1] for c in e["choices"] if "logprobs" in c] == [TOLD]


@pytest.mark.parametrize(
    ("result", "content"),
    [
        pytest.param({}, [], id="empty"),
        pytest.param({"chosenCandidates": 5, "topCandidates": "x"}, [], id="wrong-types"),
        pytest.param({"chosenCandidates": [None, {}]}, [{**said("", -9999.0), "top_logprobs": []}], id="no-token"),
        pytest.param({"chosenCandidates": [token(5, "x")]}, [{**said("", -9999.0), "top_logprobs": []}], id="odd"),
    ],
)
def test_results_with_holes(result: Any, content: Any) -> None:
    choice = completion(text("a", finishReason="STOP", logprobsResult=result))["choices"][0]
    assert choice["logprobs"] == {"content": content, "refusal": None}


def test_no_logprobs() -> None:
    assert completion(text("a", finishReason="STOP", logprobsResult=None))["choices"][0]["logprobs"] is None
    assert all("logprobs" not in c for e in streamed([candidate({"text": "a"}), STOP])[:-1] for c in e["choices"])
