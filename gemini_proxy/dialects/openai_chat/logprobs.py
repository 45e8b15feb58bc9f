"""Gemini's logprobsResult as OpenAI's log probabilities (C194)."""

from typing import Any


def logprobs_from(result: Any) -> dict[str, Any] | None:
    """Chosen tokens with their alternatives, None where Google told none."""
    if not isinstance(result, dict):
        return None
    chosen = [_token(item) for item in _list(result.get("chosenCandidates"))]
    tops = _list(result.get("topCandidates"))
    for token, top in zip(chosen, tops, strict=False):
        token["top_logprobs"] = [_token(item) for item in _list(top.get("candidates"))]
    return {"content": [{"top_logprobs": [], **token} for token in chosen], "refusal": None}


def _token(item: dict[str, Any]) -> dict[str, Any]:
    text = item.get("token")
    text = text if isinstance(text, str) else ""
    value = item.get("logProbability")
    return {"token": text, "logprob": value if isinstance(value, int | float) else 0.0, "bytes": list(text.encode())}


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
