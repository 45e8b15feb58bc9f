"""Gemini's usageMetadata as one count of tokens, for whoever tells it: clients and the log."""

from dataclasses import dataclass
from typing import Any

from gemini_proxy.gemini.wire import UsageMetadata


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `output` is all that the model wrote, `thinking` the part of it that were thoughts; `cached` is the part
    of the `input` that Google had in its cache."""

    input: int = 0
    output: int = 0
    thinking: int = 0
    cached: int = 0
    total: int = 0


MODALITIES = ("AUDIO", "DOCUMENT", "IMAGE", "TEXT", "VIDEO")


def tokens_by_modality(details: Any) -> dict[str, int]:
    """The tokens of each kind, in Google's word for it, of promptTokensDetails or candidatesTokensDetails."""
    counts: dict[str, int] = {}
    for detail in details if isinstance(details, list) else []:
        modality = detail.get("modality") if isinstance(detail, dict) else None
        if modality in MODALITIES and isinstance(count := detail.get("tokenCount"), int):
            counts[modality] = counts.get(modality, 0) + count
    return counts


def usage_in(metadata: UsageMetadata) -> Usage:
    """Google leaves out counts that are zero, and counts thoughts apart from the answer, or with it."""
    read = (metadata.get("promptTokenCount") or 0) + (metadata.get("toolUsePromptTokenCount") or 0)
    answer = metadata.get("candidatesTokenCount") or 0
    thoughts = metadata.get("thoughtsTokenCount") or 0
    total = metadata.get("totalTokenCount") or 0
    written = answer if total and read + answer == total else answer + thoughts
    cached = metadata.get("cachedContentTokenCount") or 0
    return Usage(read, written, thoughts, cached, total or read + written)
