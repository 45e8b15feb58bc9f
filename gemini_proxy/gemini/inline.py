"""Media that go with a request: how much of it an upstream takes, counted over what the client gave and what was fetched."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gemini_proxy.errors import ProxyError

MB = 2**20


@dataclass(frozen=True)
class MediaLimits:
    """`total` is the bytes of all media of one request, `pdf` those of one PDF. `links`: it fetches public https
    addresses itself."""

    total: int
    pdf: int
    links: bool = False

    def check(self, request: Mapping[str, Any]) -> None:
        """Raises ProxyError 400 where Google would refuse the request for its size, after a long upload."""
        size = 0
        for blob in blobs_in(request):
            size += (one := size_of(blob))
            if one > self.pdf and blob.get("mimeType") == "application/pdf":
                raise _too_large("A PDF of this request is", one, self.pdf, "for a PDF")
        if size > self.total:
            raise _too_large("The media of this request are", size, self.total, "in one request")

    def room(self, request: Mapping[str, Any]) -> int:
        """Bytes that may be added to what the request holds."""
        return self.total - sum(map(size_of, blobs_in(request)))


def size_of(blob: Mapping[str, Any]) -> int:
    return len(blob.get("data") or "") * 3 // 4


def blobs_in(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All inlineData of a request, those in function responses too."""
    for content in [*request.get("contents", ()), request.get("systemInstruction") or {}]:
        yield from _blobs(content.get("parts") or ())


def _blobs(parts: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if blob := part.get("inlineData"):
            yield blob
        if response := part.get("functionResponse"):
            yield from _blobs(response.get("parts") or ())


def _too_large(what: str, size: int, limit: int, where: str) -> ProxyError:
    text = f"{what} {size / MB:.1f} MB; Gemini takes {limit // MB} MB {where} here. Send less, or smaller files."
    return ProxyError(400, "request_too_large", text, param="messages", retry=False)
