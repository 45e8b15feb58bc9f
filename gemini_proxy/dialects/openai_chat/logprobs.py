"""Gemini's logprobsResult as OpenAI's log probabilities."""

import math
from typing import Any

NEVER = -9999.0  # what OpenAI says of a token too improbable for a number


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
    known = type(value) is int or (isinstance(value, float) and math.isfinite(value))
    return {"token": text, "logprob": value if known else NEVER, "bytes": list(text.encode())}


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
