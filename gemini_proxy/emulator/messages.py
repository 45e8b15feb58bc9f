"""What goes in and out of the emulator: a parsed request, a reply, and Google's way to print JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

JSON_TYPE = "application/json; charset=UTF-8"
SSE_TYPE = "text/event-stream"
HTML_TYPE = "text/html; charset=UTF-8"

COMMON_HEADERS = (
    ("Server", "ESF"),
    ("Vary", "Origin, X-Origin, Referer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("X-XSS-Protection", "0"),
)


@dataclass(eq=False)
class Request:
    """A request as it came over the wire; the server adds what it learns about the connection later."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    time: float = 0.0
    connection: int = 0  # which TCP connection carried it, counted from 1
    disconnected: bool = False  # the client went away before the answer was whole
    answered: bool = False  # the last byte of the answer was written

    @cached_property
    def rpc(self) -> str:
        """The custom method (`loadCodeAssist`), or the path when there is none."""
        head, colon, method = self.path.rpartition(":")
        return method if colon and head.startswith("/v1") else self.path

    @cached_property
    def json(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @cached_property
    def form(self) -> dict[str, str]:
        return form_of(self.body.decode("utf-8", "replace"))

    @cached_property
    def params(self) -> dict[str, str]:
        return form_of(self.query)

    @property
    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


def form_of(text: str) -> dict[str, str]:
    """Fields of a query or form; of a name given twice the first counts."""
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


@dataclass(frozen=True)
class Reply:
    """An answer before it meets a socket: every frame is one write of Google's."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    frames: tuple[bytes, ...] = ()
    stream: bool = False  # chunked transfer; a whole body says its length

    @property
    def body(self) -> bytes:
        return b"".join(self.frames)


def json_reply(
    body: Any, status: int = 200, content_type: str = JSON_TYPE, headers: Mapping[str, str] | None = None
) -> Reply:
    named = {"Content-Type": content_type, **(headers or {})}
    return Reply(status, tuple(named.items()), (pretty(body),))


def stream_reply(chunks: Sequence[Any], sse: bool) -> Reply:
    """Without alt=sse the same messages come as one JSON array."""
    if sse:
        return Reply(200, (("Content-Type", SSE_TYPE),), sse_frames(chunks), stream=True)
    frames = [(b"[" if i == 0 else b",\r\n") + compact(chunk) for i, chunk in enumerate(chunks)]
    return Reply(200, (("Content-Type", JSON_TYPE),), (*frames, b"]"), stream=True)


def html_reply(page: str, status: int = 200) -> Reply:
    return Reply(status, (("Content-Type", HTML_TYPE), ("Cache-Control", "no-store")), (page.encode(),))


def pretty(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, indent=2).encode() + b"\n"


def compact(body: Any) -> bytes:
    """Google's printing inside streams: a blank after the colon, none after the comma."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ": ")).encode()


def sse_frame(body: Any) -> bytes:
    """One event: one line and CRLF framing; no `event:`, no `id:`, and never a [DONE] (docs/protocol.md, P-702)."""
    return b"data: " + compact(body) + b"\r\n\r\n"


def sse_frames(chunks: Sequence[Any]) -> tuple[bytes, ...]:
    return tuple(sse_frame(chunk) for chunk in chunks)
