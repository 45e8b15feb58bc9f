"""Gemini's usageMetadata as OpenAI's usage."""

from typing import Any

from gemini_proxy.gemini.answer.usage import usage_in
from gemini_proxy.gemini.wire import UsageMetadata

MODALITIES = ("AUDIO", "DOCUMENT", "IMAGE", "TEXT", "VIDEO")


def usage_from(metadata: UsageMetadata) -> dict[str, Any]:
    """Counts in tokens, and what of them was of which kind."""
    usage = usage_in(metadata)
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached,
            **_by_modality(metadata.get("promptTokensDetails")),
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.thinking,
            **_by_modality(metadata.get("candidatesTokensDetails")),
        },
    }


def _by_modality(details: Any) -> dict[str, int]:
    """`audio_tokens`, and of what else there was: `text_tokens`, `image_tokens`."""
    counts = {"audio_tokens": 0}
    for detail in details if isinstance(details, list) else []:
        count = detail.get("tokenCount") if isinstance(detail, dict) and detail.get("modality") in MODALITIES else None
        if isinstance(count, int):
            name = f"{detail['modality'].lower()}_tokens"
            counts[name] = counts.get(name, 0) + count
    return counts
