"""Gemini's usageMetadata as OpenAI's usage (mapping A.5)."""

from typing import Any

from gemini_proxy.gemini.wire import UsageMetadata

MODALITIES = ("AUDIO", "DOCUMENT", "IMAGE", "TEXT", "VIDEO")


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
            **_by_modality(usage.get("promptTokensDetails")),
        },
        "completion_tokens_details": {
            "reasoning_tokens": thoughts,
            **_by_modality(usage.get("candidatesTokensDetails")),
        },
    }


def _by_modality(details: Any) -> dict[str, int]:
    """`audio_tokens`, and of what else there was: `text_tokens`, `image_tokens` (C74)."""
    counts = {"audio_tokens": 0}
    for detail in details if isinstance(details, list) else []:
        count = detail.get("tokenCount") if isinstance(detail, dict) and detail.get("modality") in MODALITIES else None
        if isinstance(count, int):
            name = f"{detail['modality'].lower()}_tokens"
            counts[name] = counts.get(name, 0) + count
    return counts
