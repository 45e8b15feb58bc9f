"""Gemini's usageMetadata as OpenAI's usage."""

from typing import Any

from gemini_proxy.gemini.answer.usage import tokens_by_modality, usage_in
from gemini_proxy.gemini.wire import UsageMetadata


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
    counts = tokens_by_modality(details)
    return {"audio_tokens": 0} | {f"{modality.lower()}_tokens": count for modality, count in counts.items()}
