"""Google's sources as OpenAI's `url_citation` annotations."""

from collections.abc import Iterator, Mapping
from typing import Any

Annotation = dict[str, Any]


def annotations_from(
    plain: int, text: list[str], parts: Mapping[int, int], extras: dict[str, dict[str, Any]]
) -> list[Annotation]:
    """The citations of an answer, each with its `index`, in one list for one delta.

    The answer is so many characters of ASCII, and then the text. `parts` says where Gemini's parts begin in it, in bytes.
    """
    if not ("groundingMetadata" in extras or "citationMetadata" in extras):
        return []
    places = Places(plain, "".join(text), parts)
    grounding = extras.get("groundingMetadata", {})
    citations = [*_grounded(grounding, places), *_cited(extras.get("citationMetadata", {}), places)]
    return [{"index": i, "type": "url_citation", "url_citation": citation} for i, citation in enumerate(citations)]


class Places:
    """Google counts UTF-8 bytes, from the start of a part; clients count characters of the whole text."""

    def __init__(self, plain: int, text: str, parts: Mapping[int, int]) -> None:
        self._plain = plain
        self._bytes = text.encode()
        self._parts = parts

    def of(self, segment: dict[str, Any]) -> tuple[int, int]:
        """The characters where a segment begins and ends, held inside the text."""
        place = segment.get("partIndex")
        start = self._parts.get(place, 0) if isinstance(place, int) else 0  # a part that is no text says nothing of it
        first, last = (self._character(start, segment.get(name)) for name in ("startIndex", "endIndex"))
        return first, max(first, last)

    def _character(self, start: int, byte: object) -> int:
        offset = start + (byte if isinstance(byte, int) and byte > 0 else 0)
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
    """The public API and Vertex AI have two names for one list."""
    for source in _dicts(citation.get("citationSources")) + _dicts(citation.get("citations")):
        if isinstance(source.get("uri"), str):
            yield _citation(source, source, places)


def _citation(source: dict[str, Any], segment: dict[str, Any], places: Places) -> Annotation:
    title = source.get("title")
    title = title if isinstance(title, str) else ""
    start, end = places.of(segment)
    return {"url": source["uri"], "title": title, "start_index": start, "end_index": end}


def _source(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """The page behind a chunk; some chunks name none."""
    for kind in ("web", "retrievedContext", "maps"):
        source = chunk.get(kind)
        if isinstance(source, dict) and isinstance(source.get("uri"), str):
            return source
    return None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
