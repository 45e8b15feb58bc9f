"""Gemini's vectors as OpenAI's: float or base64, of length 1, with usage."""

import base64
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from gemini_proxy.dialects.openai_errors import error_object
from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.embeddings import RESPONSE
from gemini_proxy.gemini.wire import GenerateContentResponse

BYTES_PER_TOKEN = 4  # of English text, roughly


@dataclass(frozen=True)
class Form:
    """How the client wants its answer, and what is known of it before Google speaks. `shortened`: dimensions were asked for."""

    model: str
    texts: list[str]
    base64: bool
    shortened: bool


class EmbeddingsRenderer:
    """Speaks in `end` only; it may be fed several answers, as a large request takes several calls."""

    def __init__(self, form: Form) -> None:
        self.warnings: list[str] = []
        self._form = form
        self._vectors: list[bytes] = []
        self._tokens: int | None = 0

    def feed(self, chunk: GenerateContentResponse) -> list[bytes]:
        try:
            answer = RESPONSE.validate_python(chunk)
        except ValidationError as error:
            raise ProxyError(
                502, "upstream_invalid", "Google's answer holds no usable embeddings.", retry=True
            ) from error
        self._vectors += [self._packed(found["values"]) for found in answer.get("embeddings", [])]
        counted = (answer.get("usageMetadata") or {}).get("promptTokenCount")
        self._tokens = self._tokens + counted if isinstance(counted, int) and self._tokens is not None else None
        return []

    def end(self, *, broken: bool = False) -> list[bytes]:
        asked = len(self._form.texts)
        if len(self._vectors) != asked:
            text = f"Google embedded {len(self._vectors)} of {asked} texts."
            raise ProxyError(502, "upstream_incomplete", text, retry=True)
        if len({len(vector) for vector in self._vectors}) > 1:  # no database takes such, and finds out later
            raise ProxyError(502, "upstream_invalid", "Google's vectors have different lengths.", retry=True)
        tokens = self._tokens
        if tokens is None:
            tokens = _estimate(self._form.texts)
            self.warnings.append("Google did not count the tokens of these texts: usage is an estimate")
        data = [self._object(index, vector) for index, vector in enumerate(self._vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return [to_json({"object": "list", "data": data, "model": self._form.model, "usage": usage})]

    def fail(self, error: ProxyError) -> list[bytes]:
        return [to_json(error_object(error))]

    def beat(self) -> bytes:
        return b""

    def headers(self) -> Mapping[str, str]:
        return {"content-type": "application/json"}

    def _packed(self, values: list[float]) -> bytes:
        """As 32-bit floats, so that both formats say the same numbers. Google's shortened vectors may have another length
        than 1; OpenAI's never do, and clients compare them with a plain dot product."""
        length = math.hypot(*values) if self._form.shortened else 1
        return struct.pack(f"<{len(values)}f", *(value / (length or 1) for value in values))

    def _object(self, index: int, vector: bytes) -> dict[str, Any]:
        floats = struct.unpack(f"<{len(vector) // 4}f", vector)
        shown = base64.b64encode(vector).decode() if self._form.base64 else floats
        return {"object": "embedding", "index": index, "embedding": shown}


def _estimate(texts: list[str]) -> int:
    return sum(max(1, len(text.encode()) // BYTES_PER_TOKEN) for text in texts)
