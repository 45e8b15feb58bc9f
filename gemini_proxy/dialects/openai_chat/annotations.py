"""Google's sources as OpenAI's `url_citation` annotations (conformance L, protocol 8.6)."""

from collections.abc import Iterator
from typing import Any

Annotation = dict[str, Any]


def annotations_from(plain: int, text: list[str], extras: dict[str, dict[str, Any]]) -> list[Annotation]:
    """The citations of an answer, each with its `index`, in one list for one delta (C242). The answer is so many
    characters of ASCII, and then the text."""
    if not ("groundingMetadata" in extras or "citationMetadata" in extras):
        return []
    places = Places(plain, "".join(text))
    grounding = extras.get("groundingMetadata", {})
    citations = [*_grounded(grounding, places), *_cited(extras.get("citationMetadata", {}), places)]
    return [{"index": i, "type": "url_citation", "url_citation": citation} for i, citation in enumerate(citations)]


class Places:
    """Google counts UTF-8 bytes, clients count characters (C241)."""

    def __init__(self, plain: int, text: str) -> None:
        self._plain = plain
        self._bytes = text.encode()

    def character(self, byte: object) -> int:
        """The character at a byte offset, held inside the text."""
        offset = byte if isinstance(byte, int) and byte > 0 else 0
        if offset <= self._plain:
            return offset
        return self._plain + len(self._bytes[: offset - self._plain].decode(errors="ignore"))


def _grounded(grounding: dict[str, Any], places: Places) -> Iterator[Annotation]:
    chunks = _dicts(grounding.get("groundingChunks"))
    for support in _dicts(grounding.get("groundingSupports")):
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        indices = support.get("groundingChunkIndices")
        for number in indices if isinstance(indices, list) else []:
            if isinstance(number, int) and 0 <= number < len(chunks) and (source := _source(chunks[number])):
                yield _citation(source, segment, places)


def _cited(citation: dict[str, Any], places: Places) -> Iterator[Annotation]:
    for source in _dicts(citation.get("citations")):
        if isinstance(source.get("uri"), str):
            yield _citation(source, source, places)


def _citation(source: dict[str, Any], segment: dict[str, Any], places: Places) -> Annotation:
    title = source.get("title")
    title = title if isinstance(title, str) else ""
    start, end = places.character(segment.get("startIndex")), places.character(segment.get("endIndex"))
    return {"url": source["uri"], "title": title, "start_index": start, "end_index": end}


def _source(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """The page behind a chunk; some chunks name none (C243)."""
    for kind in ("web", "retrievedContext", "maps"):
        source = chunk.get(kind)
        if isinstance(source, dict) and isinstance(source.get("uri"), str):
            return source
    return None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
