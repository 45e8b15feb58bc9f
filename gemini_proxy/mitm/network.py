"""What mitmproxy says of an upstream that failed, as an error that a client understands. Pure."""

import re
from urllib.parse import urlsplit

from gemini_proxy import unreachable
from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.errors import ProxyError
from gemini_proxy.outbound import Proxy

CONNECT_TIMEOUT = "no connection in time"
FIRST_BYTE_TIMEOUT = "no answer in time"
IDLE_TIMEOUT = "the answer stood still for too long"
STOPPED = "the proxy was stopped"
NOT_OURS = "nobody has made a call of this request"
TIMEOUTS = {CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT}

UNREACHABLE, TLS_ERROR = "upstream_unreachable", "upstream_tls_error"
# What mitmproxy's text holds of an upstream that did not keep to the rules -> our code, what to tell the client.
BROKEN = (
    (
        re.compile(r"server closed|peer closed|connection closed|reset by peer|stream reset", re.I),
        "upstream_incomplete",
        "{host} closed the connection before its answer was complete.",
    ),
    (
        re.compile(r"unexpected server response|cannot parse|protocol error|from server|body exceeds", re.I),
        "upstream_invalid",
        "What answered as {host} broke the rules of HTTP.",
    ),
)
# What it holds of a connection that did not come about. The first that fits counts; the group is the detail.
NO_CONNECTION: tuple[tuple[re.Pattern[str], unreachable.Cause], ...] = (
    (re.compile(r"refused HTTP CONNECT request: (\d+)", re.I), "proxy"),
    (re.compile(r"certificate verify failed:? ?(.*)|certificate", re.I), "certificate"),
    (re.compile(r"TLS|SSL", re.I), "tls"),
    (re.compile(r"getaddrinfo|name or service|name resolution|nodename|no address", re.I), "name"),
)


ERRNO = re.compile(r"\[Errno (\d{1,5})\]")


def error_from(message: str, host: str = "Google", proxy: Proxy | None = None) -> ProxyError:
    """What to tell the client of an upstream at `host`, reached through `proxy` where there is one.

    The text of an answer that could not be read stays out: it is the upstream's, and can hold anything.
    """
    if message == STOPPED:
        return ProxyError(503, "shutting_down", "The proxy was stopped before the answer was complete.", retry=True)
    if message == NOT_OURS:
        return ProxyError(500, "internal_error", "The proxy failed; its log says where.", retry=False)
    if message in TIMEOUTS:
        return ProxyError(504, "timeout", _too_slow(message, host, proxy), retry=True)
    for pattern, cause in NO_CONNECTION:
        if found := pattern.search(message):
            return _no_connection(cause, host, proxy, (found.groups() or ("",))[0] or "")
    for pattern, code, text in BROKEN:
        if pattern.search(message):
            return ProxyError(502, code, text.format(host=host), retry=True)
    number = ERRNO.search(message)
    return _no_connection("connection", host, proxy, unreachable.reason(int(number[1]), message) if number else message)


def failure_of(call: UpstreamCall, message: str) -> ProxyError:
    """What mitmproxy says of the connection that a call was made on, in words that name the host and what lies before
    it."""
    return error_from(message, urlsplit(call.sent.url).hostname or "Google", call.proxy)


def _too_slow(message: str, host: str, proxy: Proxy | None) -> str:
    if message == CONNECT_TIMEOUT:
        through = unreachable.through(proxy)
        return f"No connection to {host}{through} came about in time: check this machine's network and firewall."
    limit = "GEMINI_FIRST_BYTE_LIMIT" if message == FIRST_BYTE_TIMEOUT else "GEMINI_IDLE_LIMIT"
    return f"{host} was too slow: {message}. {limit} sets the limit."


def _no_connection(cause: unreachable.Cause, host: str, proxy: Proxy | None, detail: str) -> ProxyError:
    code = TLS_ERROR if cause in ("certificate", "tls") else UNREACHABLE
    text = unreachable.sentence(cause, host, proxy, detail)
    return ProxyError(502, code, text, retry=cause not in unreachable.FINAL)


def page_error(status: int, message: str, host: str = "Google", proxy: Proxy | None = None) -> ProxyError:
    """What mitmproxy would say on a page of its own, about a request that got no further."""
    if status == 413:
        text = "The request body is too large. mitmproxy's option body_size_limit sets the limit."
        return ProxyError(413, "request_too_large", text, retry=False)
    if status < 500:
        return ProxyError(status, "invalid_request", "The request is malformed, so it was not read.", retry=False)
    return error_from(message, host, proxy)
