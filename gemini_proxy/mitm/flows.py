"""mitmproxy's messages to and from the plain values that the rest of the house knows."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard
from urllib.parse import urlsplit

from mitmproxy import connection, http

from gemini_proxy.exchange import HttpRequest
from gemini_proxy.http import Answer, ClientRequest

HIDDEN = "***"
SECRET_HEADERS = ("authorization", "cookie", "x-api-key", "x-goog-api-key")
SECRET_QUERY = re.compile(r"([?&]key=)[^&#]*", re.IGNORECASE)


def client_request(flow: http.HTTPFlow) -> ClientRequest:
    """The body is as it came, compressed where the client compressed it."""
    request = flow.request
    headers = {name.lower(): value for name, value in request.headers.items(multi=True)}
    headers["host"] = ", ".join(request.headers.get_all("host")) or request.host_header or ""  # two are no name at all
    target = request.path
    if not request.is_http2 and not request.is_http3 and request.authority:
        target = f"{request.scheme}://{request.authority}{request.path}"  # absolute-form is for proxies (C238)
    return ClientRequest(request.method, target, headers, request.raw_content or b"", str(flow.client_conn.peername[0]))


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
    """How the client's HTTP version and its Connection header want an answer framed, and what its Origin adds.
    Read before `put`."""

    version: str
    close: bool
    cors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, flow: http.HTTPFlow, cors: Mapping[str, str]) -> "Framing":
        close = "close" in flow.request.headers.get("connection", "").lower()
        return cls(flow.request.http_version, close or flow.request.http_version == "HTTP/1.0", cors)

    def headers(self, *, length_known: bool) -> dict[str, str]:
        if not self.version.startswith("HTTP/1"):
            return dict(self.cors)
        headers = {**self.cors, **({"connection": "close"} if self.close else {})}
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
    elif "?" in flow.request.path:
        flow.request.path = SECRET_QUERY.sub(rf"\g<1>{HIDDEN}", flow.request.path)


def answer_with(flow: http.HTTPFlow, answer: Answer, framing: Framing) -> None:
    """Sets a whole answer. HEAD gets its headers alone."""
    own = framing.headers(length_known=True)
    if answer.status != 204:
        own["content-length"] = str(len(answer.body))
    body = b"" if flow.request.method == "HEAD" else answer.body
    flow.response = http.Response.make(answer.status, body)
    flow.response.headers = headers_from({**answer.headers, **own, "x-request-id": flow.id})


def outcome(flow: http.HTTPFlow) -> int:
    """The status that the client got, 499 where it was gone."""
    if flow.error is not None and not flow.client_conn.connected:
        return 499
    return flow.response.status_code if flow.response is not None else 499


def nobody_s() -> http.HTTPFlow:
    """A flow for a request that could not even be read."""
    address = ("", 0)
    client = connection.Client(peername=address, sockname=address, timestamp_start=time.time())
    flow = http.HTTPFlow(client, connection.Server(address=None))
    flow.request = http.Request.make("GET", "http://unreadable/")
    return flow


def begin_stream(flow: http.HTTPFlow, headers: Mapping[str, str], framing: Framing) -> None:
    """Replaces the response's headers for a body whose length nobody knows yet."""
    assert flow.response is not None
    own = framing.headers(length_known=False)
    flow.response.headers = headers_from({**headers, **own, "x-request-id": flow.id})


def headers_from(headers: Mapping[str, str]) -> http.Headers:
    return http.Headers([(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()])
