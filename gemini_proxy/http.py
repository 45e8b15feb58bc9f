"""The two HTTP messages a client sees, as plain values, and what a header says: no socket, no mitmproxy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

from gemini_proxy.errors import ProxyError


@dataclass(frozen=True)
class ClientRequest:
    """What a client sent. Header names are lower-case; `target` is path and query as on the request line."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    peer: str = "127.0.0.1"

    @property
    def path(self) -> str:
        return urlsplit(self.target).path if self.target.startswith("/") and self.target[:2] != "//" else ""

    @property
    def query(self) -> dict[str, str]:
        """The first value of each query field."""
        return {name: values[0] for name, values in parse_qs(self.target.partition("?")[2]).items()}

    def __repr__(self) -> str:
        return f"ClientRequest({self.method} {self.path})"  # bodies, headers and queries can hold secrets


@dataclass(frozen=True)
class Answer:
    """A whole answer to a client."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    error: ProxyError | None = None
    """What it tells the client, in whatever words: the log has its own."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of `Retry-After`, a number or a date; None for none, and for what is neither."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max((then - datetime.now(UTC)).total_seconds(), 0.0) if then.tzinfo else None
