"""Vectors for texts: deterministic, of length 1, and without any meaning."""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from hashlib import shake_256
from typing import Any

from gemini_proxy.emulator.errors import invalid
from gemini_proxy.emulator.generate import prompt_counts
from gemini_proxy.emulator.models import EMBEDDING

Json = dict[str, Any]
DIMENSIONS = 3072
LARGEST_BATCH = 100


@lru_cache(maxsize=1000)
def vector(model: str, text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The first numbers of the whole vector; of the older model these have not length 1 any more."""
    numbers = array("h", shake_256(f"{model} {text}".encode()).digest(2 * DIMENSIONS)).tolist()
    length = math.hypot(*(numbers[:dimensions] if EMBEDDING[model] else numbers))
    return [round(number / length, 9) for number in numbers[:dimensions]]


def embed_one(model: str, request: Json) -> Json:
    return {"embedding": _embedding(model, request, "EmbedContentRequest"), **_usage(model, [request])}


def embed_batch(model: str, batch: Json) -> Json:
    requests = batch.get("requests", [])
    if not requests:
        raise invalid("* BatchEmbedContentsRequest.requests: contents is not specified")  # own words
    if len(requests) > LARGEST_BATCH:
        raise invalid(
            f"* BatchEmbedContentsRequest.requests: at most {LARGEST_BATCH} requests can be in one batch, got {len(requests)}."
        )
    found = [
        _embedding(model, request, f"BatchEmbedContentsRequest.requests[{i}]") for i, request in enumerate(requests)
    ]
    return {"embeddings": found, **_usage(model, requests)}


def _embedding(model: str, request: Json, place: str) -> Json:
    named = request.get("model", f"models/{model}" if place == "EmbedContentRequest" else "")
    if named != f"models/{model}":
        raise invalid(f"* {place}.model: unexpected model name format or model mismatch.")  # own words
    texts = [part.get("text", "") for part in request.get("content", {}).get("parts", [])]
    if not any(texts):
        raise invalid(f"* {place}.content: content is required and its text cannot be empty.")  # own words
    dimensions = request.get("outputDimensionality", DIMENSIONS)
    if not 1 <= dimensions <= DIMENSIONS:
        raise invalid(f"* {place}.output_dimensionality: must be between 1 and {DIMENSIONS}.")  # own words
    return {"values": vector(model, "\n".join(texts), dimensions)}


def _usage(model: str, requests: list[Json]) -> Json:
    """The newer model counts, the older does not (a guess)."""
    if not EMBEDDING[model]:
        return {}
    count = sum(prompt_counts({"contents": [request["content"]]})["TEXT"] for request in requests)
    return {"usageMetadata": {"promptTokenCount": count, "totalTokenCount": count}}
