"""Rules of media: how much goes with a request, and which addresses are fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gemini_proxy.emulator.errors import invalid
from gemini_proxy.emulator.fields import parts_of
from gemini_proxy.emulator.models import Service

Json = dict[str, Any]
UPLOADED = re.compile(r"https://generativelanguage\.googleapis\.com/v1(alpha|beta)?/files/[\w-]+", re.IGNORECASE)
VIDEO = re.compile(r"https?://([a-z]+\.)?(youtube\.com|youtu\.be)/", re.IGNORECASE)


def check_media(request: Json, service: Service) -> None:
    size = 0
    for holder in _holders(request):
        if "fileData" in holder:
            _address(holder["fileData"].get("fileUri", ""), service)
        if "inlineData" in holder:
            one = len(holder["inlineData"].get("data", "")) * 3 // 4
            if one > service.pdf and holder["inlineData"].get("mimeType") == "application/pdf":
                raise invalid(f"The document is larger than the limit of {service.pdf} bytes.")  # own words
            size += one
    if size > service.media:
        raise invalid(f"Request payload size exceeds the limit: {service.media} bytes.")


def _holders(request: Json) -> Iterator[Json]:
    for _, part in parts_of([*request["contents"], request.get("systemInstruction", {})]):
        yield part
        yield from part.get("functionResponse", {}).get("parts", [])


def _address(uri: str, service: Service) -> None:
    """Code Assist reads Cloud Storage as Vertex AI does; to fetch other addresses is the public API's."""
    if UPLOADED.match(uri) or VIDEO.match(uri):
        return
    if not uri.startswith("https://" if service.links else "gs://"):
        raise invalid(f"Invalid or unsupported file uri: {uri}")
