"""mitmproxy's messages to and from the plain values that the rest of the house knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard
from urllib.parse import urlsplit

from mitmproxy import http

from gemini_proxy.exchange import HttpRequest
from gemini_proxy.http import Answer, ClientRequest


HIDDEN = "***"
SECRET_HEADERS = ("authorization", "cookie", "x-api-key", "x-goog-api-key")


def client_request(flow: http.HTTPFlow) -> ClientRequest:
    request = flow.request
    headers = {name.lower(): value for name, value in request.headers.items(multi=True)}
    return ClientRequest(
        request.method,
        request.path,
        headers,
        request.get_content(strict=False) or b"",
        str(flow.client_conn.peername[0]),
    )


def put(request: HttpRequest, flow: http.HTTPFlow) -> None:
    """Replaces the client's request as a whole: of what the client sent, nothing goes to Google unless it is in there."""
    url = urlsplit(request.url)
    assert url.hostname is not None
    flow.request.method = request.method
    flow.request.scheme = url.scheme
    flow.request.authority = ""
    flow.request.headers = headers_from(
        {"host": url.netloc, **request.headers, "content-length": str(len(request.body))}
    )
    flow.request.data.host = url.hostname
    flow.request.data.port = url.port or (443 if url.scheme == "https" else 80)
    flow.request.path = url.path + (f"?{url.query}" if url.query else "")
    flow.request.http_version = "HTTP/1.1"
    flow.request.trailers = None
    flow.request.raw_content = request.body


def is_event_stream(response: http.Response | None) -> TypeGuard[http.Response]:
    """Whether the body can be passed on as it comes. A compressed one is read as a whole: Google was asked not to."""
    if response is None or response.status_code != 200:
        return False
    plain = response.headers.get("content-encoding", "identity").lower() == "identity"
    return plain and "event-stream" in response.headers.get("content-type", "")


@dataclass(frozen=True)
class Framing:
    """How the client's HTTP version and its Connection header want an answer framed. Read before `put`."""

    version: str
    close: bool

    @classmethod
    def of(cls, flow: http.HTTPFlow) -> "Framing":
        close = "close" in flow.request.headers.get("connection", "").lower()
        return cls(flow.request.http_version, close or flow.request.http_version == "HTTP/1.0")

    def headers(self, *, length_known: bool) -> dict[str, str]:
        if not self.version.startswith("HTTP/1"):
            return {}
        headers = {"connection": "close"} if self.close else {}
        if not length_known and self.version != "HTTP/1.0":
            headers["transfer-encoding"] = "chunked"  # else a stream that was cut looks complete to the client
        return headers


def hide_secrets(flow: http.HTTPFlow) -> None:
    """Takes credentials out of what is shown, saved and replayed: the client's key, Google's token, an OAuth code."""
    for name in SECRET_HEADERS:
        if name in flow.request.headers:
            flow.request.headers[name] = HIDDEN
    if flow.request.path.startswith("/auth/"):
        flow.request.path = flow.request.path.partition("?")[0]


def answer_with(flow: http.HTTPFlow, answer: Answer, framing: Framing | None = None) -> None:
    """Sets a whole answer. HEAD gets its headers alone; `framing` is needed where the request was replaced."""
    own = framing.headers(length_known=True) if framing else {}
    length = str(len(answer.body))
    body = b"" if flow.request.method == "HEAD" else answer.body
    flow.response = http.Response.make(answer.status, body)
    flow.response.headers = headers_from({**answer.headers, **own, "content-length": length, "x-request-id": flow.id})


def begin_stream(flow: http.HTTPFlow, headers: Mapping[str, str], framing: Framing) -> None:
    """Replaces the response's headers for a body whose length nobody knows yet."""
    assert flow.response is not None
    own = framing.headers(length_known=False)
    flow.response.headers = headers_from({**headers, **own, "x-request-id": flow.id})


def headers_from(headers: Mapping[str, str]) -> http.Headers:
    return http.Headers([(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()])
