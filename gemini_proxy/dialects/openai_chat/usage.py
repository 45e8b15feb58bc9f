"""Gemini's usageMetadata as OpenAI's usage (mapping A.5)."""

from typing import Any

from gemini_proxy.gemini.wire import UsageMetadata


def usage_from(usage: UsageMetadata) -> dict[str, Any]:
    """Counts in tokens. Google leaves zero counts out, and counts thoughts apart from the answer (protocol 8.5)."""
    prompt = (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0)
    answer = usage.get("candidatesTokenCount") or 0
    thoughts = usage.get("thoughtsTokenCount") or 0
    total = usage.get("totalTokenCount") or 0
    completion = answer if total and prompt + answer == total else answer + thoughts  # C71: some count them in
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total or prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": usage.get("cachedContentTokenCount") or 0,
            "audio_tokens": _of_modality(usage.get("promptTokensDetails"), "AUDIO"),
        },
        "completion_tokens_details": {
            "reasoning_tokens": thoughts,
            "audio_tokens": _of_modality(usage.get("candidatesTokensDetails"), "AUDIO"),
        },
    }


def _of_modality(details: Any, modality: str) -> int:
    counts = [
        detail.get("tokenCount")
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict) and detail.get("modality") == modality
    ]
    return sum(count for count in counts if isinstance(count, int))
