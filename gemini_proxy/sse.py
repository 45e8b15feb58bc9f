"""Server-sent events as bytes: whatever the cuts on the wire, the same events (https://html.spec.whatwg.org/#event-stream).

Knows no API. Works on bytes throughout, so that a character cut in two is never decoded in halves.
"""

from typing import Protocol

from pydantic_core import to_json

_BOM = b"\xef\xbb\xbf"


class Feed(Protocol):
    """Bytes in, payloads of events out; `flush` at the end of the body gives what was still open."""

    def feed(self, chunk: bytes) -> list[bytes]: ...
    def flush(self) -> list[bytes]: ...


class Decoder:
    """The data of each event. Comments and the fields `event`, `id` and `retry` mean nothing to us."""

    def __init__(self) -> None:
        self._partial: list[bytes] = []  # a line in pieces: joined once, so that a 2 MB line costs no quadratic time
        self._data: list[bytes] = []
        self._skip_lf = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[bytes]:
        if self._skip_lf and chunk:  # the CR ended its line at once: no event waits for the LF of its CRLF
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        events: list[bytes] = []
        for line in chunk.splitlines(keepends=True):  # of bytes: LF, CR and CRLF only, never U+2028
            if not line.endswith((b"\n", b"\r")):
                self._partial.append(line)
                break
            if self._partial:
                line = b"".join((*self._partial, line))
                self._partial.clear()
            self._take(line.rstrip(b"\r\n"), events)
        if chunk.endswith(b"\r"):
            self._skip_lf = True
        return events

    def flush(self) -> list[bytes]:
        """The last event, also where its line end or its blank line never came."""
        events: list[bytes] = []
        self._take(b"".join(self._partial), events)
        self._take(b"", events)
        self._partial.clear()
        return events

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif not line and self._data:
            events.append(b"\n".join(self._data))
            self._data.clear()


class Whole:
    """A body that is one JSON document, seen as a stream of one event."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        self._pieces.append(chunk)
        return []

    def flush(self) -> list[bytes]:
        body = b"".join(self._pieces).strip()
        self._pieces.clear()
        return [body] if body else []


def encode(value: object) -> bytes:
    """One event to a client: a JSON text has no raw line breaks, so one `data` line always holds it."""
    return b"data: " + to_json(value, inf_nan_mode="null") + b"\n\n"
