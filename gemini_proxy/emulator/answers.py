"""Scripted answers: other content than the emulator's own, or its own content delivered badly."""

from __future__ import annotations

import json
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, cycle, pairwise
from pathlib import Path
from typing import Any

from gemini_proxy.emulator.errors import NAMED, GoogleError
from gemini_proxy.emulator.messages import JSON_TYPE, SSE_TYPE, Reply, pretty, sse_frames

# Where the bytes are cut for the network: every n bytes, sizes in turn, or a function that cuts them.
Pieces = int | Sequence[int] | Callable[[bytes], Iterable[bytes]]

FAULTS: dict[str, str] = {
    "reset-before-headers": "the connection is reset before a byte of the answer",
    "close-before-headers": "the connection is closed before a byte of the answer",
    "stall-before-headers": "nothing is ever sent",
    "garbage": "what is sent is not HTTP",
    "reset": "the connection is reset after N bytes of the body",
    "truncate": "the connection is closed after N bytes of the body, without the end of the transfer",
    "end-early": "the body ends properly after N bytes",
    "stall": "nothing more is sent after N bytes of the body",
}
FRAMINGS = ("auto", "chunked", "length", "close")
# Headers of a recording that describe a transfer which is over.
TRANSFER_HEADERS = ("transfer-encoding", "content-length", "content-encoding", "connection")


@dataclass(frozen=True)
class Answer:
    """What to answer and how to deliver it. Without frames it is the emulator's own answer, delivered so."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    frames: tuple[bytes, ...] | None = None
    pieces: Pieces | None = None  # None: a write for each frame
    pace: float | None = None  # seconds between frames; None: as the settings say
    first_byte_delay: float | None = None
    fault: str | None = None
    at: int = 0  # bytes of the body before the fault
    gzip: bool = False
    framing: str = "auto"  # chunked for streams, length for whole bodies; "close": read until the end

    def __post_init__(self) -> None:
        if self.fault is not None and self.fault not in FAULTS:
            raise ValueError(f"no such fault: {self.fault}")
        if self.framing not in FRAMINGS:
            raise ValueError(f"no such framing: {self.framing}")

    @classmethod
    def json(cls, body: Any, status: int = 200, headers: Mapping[str, str] | None = None, **how: Any) -> Answer:
        return cls(status, {"Content-Type": JSON_TYPE, **(headers or {})}, (pretty(body),), **how)

    @classmethod
    def sse(cls, chunks: bytes | Sequence[Any], status: int = 200, **how: Any) -> Answer:
        """Raw bytes as they are, or one event for each chunk."""
        frames = (chunks,) if isinstance(chunks, bytes) else sse_frames(chunks)
        return cls(status, {"Content-Type": SSE_TYPE}, frames, **{"framing": "chunked", **how})

    @classmethod
    def raw(cls, body: bytes, status: int = 200, content_type: str = JSON_TYPE, **how: Any) -> Answer:
        return cls(status, {"Content-Type": content_type}, (body,), **how)

    @classmethod
    def error(cls, error: str | GoogleError, form: str = "object", content_type: str = SSE_TYPE, **how: Any) -> Answer:
        """An error by its name in errors.NAMED, in the form of the streaming method (docs/protocol.md, P-802)."""
        said = NAMED[error]() if isinstance(error, str) else error
        return cls(said.code, {"Content-Type": content_type}, (pretty(said.body(form)),), **how)

    @classmethod
    def file(cls, path: str | Path, **how: Any) -> Answer:
        """A recording: bytes of a stream (`.sse`), or JSON with http_status, response_headers and body or chunks."""
        data = Path(path).read_bytes()
        if Path(path).suffix == ".sse":
            return cls.sse(data, **how)
        recorded = json.loads(data)
        headers = {
            name: value
            for name, value in recorded.get("response_headers", {}).items()
            if name.lower() not in TRANSFER_HEADERS
        }
        status = recorded.get("http_status", 200)
        if "chunks" in recorded:
            return replace(cls.sse(recorded["chunks"], status, **how), headers={"Content-Type": SSE_TYPE, **headers})
        return cls(status, {"Content-Type": JSON_TYPE, **headers}, (pretty(recorded["body"]),), **how)

    def reply(self) -> Reply:
        chunked = self.framing == "chunked"
        return Reply(self.status, tuple(self.headers.items()), self.frames or (), stream=chunked)


@dataclass(frozen=True)
class Write:
    """One write to the network; `pause` when it starts an event that is not the first."""

    data: bytes
    pause: bool


def writes_of(frames: Sequence[bytes], pieces: Pieces | None) -> list[Write]:
    """The body as writes. Never an empty one: in chunked transfer that would be the end."""
    if pieces is None:
        return [Write(frame, i > 0) for i, frame in enumerate(frames) if frame]
    body = b"".join(frames)
    starts = list(accumulate(len(frame) for frame in frames))[:-1]  # where the second and later frames begin
    result: list[Write] = []
    position = 0
    for piece in _cut(body, pieces):
        begins = bisect_right(starts, position + len(piece) - 1) - bisect_right(starts, position - 1)
        result.append(Write(piece, position > 0 and begins > 0))
        position += len(piece)
    return result


def _cut(body: bytes, pieces: Pieces) -> Iterator[bytes]:
    if callable(pieces):
        return (piece for piece in pieces(body) if piece)
    sizes = cycle([pieces] if isinstance(pieces, int) else list(pieces))
    borders = [0]
    while borders[-1] < len(body):
        borders.append(min(borders[-1] + max(next(sizes), 1), len(body)))
    return (body[start:end] for start, end in pairwise(borders))


def up_to(writes: Iterable[Write], limit: int) -> list[Write]:
    """The writes up to a number of bytes, the last one shortened."""
    result: list[Write] = []
    left = limit
    for write in writes:
        if left <= 0:
            break
        result.append(Write(write.data[:left], write.pause))
        left -= len(write.data)
    return result


def gzipped(frames: Iterable[bytes]) -> tuple[bytes, ...]:
    """Each frame compressed and flushed, so that a stream stays a stream."""
    squeeze = zlib.compressobj(wbits=31)
    packed = [squeeze.compress(frame) + squeeze.flush(zlib.Z_SYNC_FLUSH) for frame in frames]
    return (*packed, squeeze.flush())
