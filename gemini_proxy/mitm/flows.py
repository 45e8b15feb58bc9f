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
SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key")
SECRET_QUERY = re.compile(r"([?&]key=)[^&#]*", re.IGNORECASE)


def client_request(request: http.Request, client: connection.Client) -> ClientRequest:
    """What a client sent; the body as it came, compressed where the client compressed it.

    Bytes that are not UTF-8 become U+FFFD: whatever quotes them can be encoded again.
    """
    headers = {_text(name).lower(): _text(value) for name, value in request.headers.fields}
    hosts = request.headers.get_all("host") or [request.host_header or ""]
    headers["host"] = _clean(", ".join(hosts))  # two are no name at all
    target = _text(request.data.path)
    if not request.is_http2 and not request.is_http3 and request.authority:
        target = f"{request.scheme}://{_clean(request.authority)}{target}"  # absolute-form is meant for proxies
    peer = str(client.peername[0])
    return ClientRequest(_text(request.data.method), target, headers, request.raw_content or b"", peer)


def google_request(sent: HttpRequest) -> http.Request:
    """The message that goes to Google, without its body. It holds the credential and never is part of a flow."""
    url = urlsplit(sent.url)
    assert url.hostname is not None
    headers = {"host": url.netloc, **sent.headers, "content-length": str(len(sent.body))}
    return http.Request(
        host=url.hostname,
        port=url.port or (443 if url.scheme == "https" else 80),
        method=sent.method.encode(),
        scheme=url.scheme.encode(),
        authority=b"",
        path=(url.path + (f"?{url.query}" if url.query else "")).encode(),
        http_version=b"HTTP/1.1",
        headers=headers_from(headers),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )


def is_event_stream(response: http.Response | None) -> TypeGuard[http.Response]:
    """Whether the body can be passed on as it comes. A compressed one is read as a whole: Google was asked not to."""
    if response is None or response.status_code != 200:
        return False
    plain = response.headers.get("content-encoding", "identity").lower() == "identity"
    return plain and "event-stream" in response.headers.get("content-type", "")


@dataclass(frozen=True)
class Framing:
    """How the client's HTTP version and its Connection header want an answer framed, and what its Origin adds."""

    version: str
    close: bool
    cors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, request: http.Request) -> "Framing":
        close = "close" in request.headers.get("connection", "").lower()
        return cls(request.http_version, close or request.http_version == "HTTP/1.0")

    def headers(self, *, length_known: bool) -> dict[str, str]:
        if not self.version.startswith("HTTP/1"):
            return dict(self.cors)
        headers = {**self.cors, **({"connection": "close"} if self.close else {})}
        if not length_known and self.version != "HTTP/1.0":
            headers["transfer-encoding"] = "chunked"  # else a stream that was cut looks complete to the client
        return headers


def hide_secrets(request: http.Request) -> None:
    """Takes out of a client's request what must not be shown, saved or replayed: keys, cookies, an OAuth code."""
    for name in SECRET_HEADERS:
        if name in request.headers:
            request.headers[name] = HIDDEN
    if request.path.startswith("/auth/"):
        request.path = request.path.partition("?")[0]
    elif "?" in request.path:
        request.path = SECRET_QUERY.sub(rf"\g<1>{HIDDEN}", request.path)


def with_secrets(shown: ClientRequest, head: ClientRequest) -> ClientRequest:
    """`shown`, the request as the flow has it now, with the secrets of `head`, as it came, where they were hidden."""
    hidden = {name for name in SECRET_HEADERS if shown.headers.get(name) == HIDDEN}
    headers = {name: head.headers.get(name, "") if name in hidden else value for name, value in shown.headers.items()}
    same_path = shown.path == head.path
    return ClientRequest(shown.method, head.target if same_path else shown.target, headers, shown.body, head.peer)


def name_address(request: http.Request, client: connection.Client) -> None:
    """Puts the address that the client used where mitmproxy has put the upstream's: it is what is shown, exported and
    saved. The connection to Google never goes by it."""
    url = urlsplit(f"//{request.host_header or request.authority or ''}")
    request.scheme = "https" if client.tls else "http"
    try:
        host, port = url.hostname, url.port
    except ValueError:
        return
    if host:
        request.data.host = host
        request.data.port = port or (443 if client.tls else 80)


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


def unread(request: http.Request | None) -> http.HTTPFlow:
    """A flow for a request whose body could not be read, or not even its head."""
    address = ("", 0)
    client = connection.Client(peername=address, sockname=address, timestamp_start=time.time())
    flow = http.HTTPFlow(client, connection.Server(address=None))
    flow.request = request or http.Request.make("GET", "http://unreadable/")
    return flow


def begin_stream(flow: http.HTTPFlow, headers: Mapping[str, str], framing: Framing) -> None:
    """Replaces the response's headers for a body whose length nobody knows yet."""
    assert flow.response is not None
    own = framing.headers(length_known=False)
    flow.response.headers = headers_from({**headers, **own, "x-request-id": flow.id})


def headers_from(headers: Mapping[str, str]) -> http.Headers:
    return http.Headers([(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()])


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _clean(text: str) -> str:
    """mitmproxy keeps bytes that are not UTF-8 as lone surrogates, which nothing can encode."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
