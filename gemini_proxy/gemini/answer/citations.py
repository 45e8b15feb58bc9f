"""The sources of an answer, and which of its characters each stands for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Citation:
    """`start` and `end` are characters of the whole text; `title` may be empty."""

    start: int
    end: int
    url: str
    title: str


class Places:
    """Google counts UTF-8 bytes, from the start of a part; clients count characters of the whole text.

    The answer is so many characters of ASCII, and then the text. `parts` says where Gemini's parts begin in it, in bytes.
    """

    def __init__(self, plain: int, text: Sequence[str], parts: Mapping[int, int]) -> None:
        self._plain = plain
        self._text = text
        self._bytes: bytes | None = None
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
        if self._bytes is None:
            self._bytes = "".join(self._text).encode()
        return self._plain + len(self._bytes[: offset - self._plain].decode(errors="ignore"))


def citations_in(extras: Mapping[str, dict[str, Any]], places: Places) -> list[Citation]:
    """What a candidate tells beside its content, as citations in the order that Google tells them."""
    return [
        *_grounded(extras.get("groundingMetadata", {}), places),
        *_cited(extras.get("citationMetadata", {}), places),
    ]


def _grounded(grounding: dict[str, Any], places: Places) -> Iterator[Citation]:
    chunks = _dicts(grounding.get("groundingChunks"))
    for support in _dicts(grounding.get("groundingSupports")):
        segment = support.get("segment")
        segment = segment if isinstance(segment, dict) else {}
        indices = support.get("groundingChunkIndices")
        for number in indices if isinstance(indices, list) else []:
            if isinstance(number, int) and 0 <= number < len(chunks) and (source := _source(chunks[number])):
                yield _citation(source, segment, places)


def _cited(citation: dict[str, Any], places: Places) -> Iterator[Citation]:
    """The public API and Vertex AI have two names for one list."""
    for source in _dicts(citation.get("citationSources")) + _dicts(citation.get("citations")):
        if isinstance(source.get("uri"), str):
            yield _citation(source, source, places)


def _citation(source: dict[str, Any], segment: dict[str, Any], places: Places) -> Citation:
    title = source.get("title")
    return Citation(*places.of(segment), source["uri"], title if isinstance(title, str) else "")


def _source(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """The page behind a chunk; some chunks name none."""
    for kind in ("web", "retrievedContext", "maps"):
        source = chunk.get(kind)
        if isinstance(source, dict) and isinstance(source.get("uri"), str):
            return source
    return None


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
