"""What mitmproxy says of an upstream that failed, as an error that a client understands. Pure."""

import re

from gemini_proxy.errors import ProxyError

CONNECT_TIMEOUT = "no connection in time"
FIRST_BYTE_TIMEOUT = "no answer in time"
IDLE_TIMEOUT = "the answer stood still for too long"
STOPPED = "the proxy was stopped"
NOT_OURS = "nobody has made a call of this request"
TIMEOUTS = {CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT}

UNREACHABLE = "upstream_unreachable"
# What mitmproxy's text holds -> our code, what to tell the client. The first that fits counts.
CAUSES = (
    (
        re.compile(r"certificate", re.I),
        "upstream_tls_error",
        "The certificate of Google's host is not valid here: something may stand in between.",
    ),
    (re.compile(r"TLS|SSL", re.I), "upstream_tls_error", "No TLS connection to Google came about."),
    (
        re.compile(r"getaddrinfo|name or service|name resolution|nodename|no address", re.I),
        UNREACHABLE,
        "The name of Google's host cannot be resolved: check DNS and the network.",
    ),
    (
        re.compile(r"server closed|peer closed|connection closed|reset by peer|stream reset", re.I),
        "upstream_incomplete",
        "Google closed the connection before its answer was complete.",
    ),
    (
        re.compile(r"unexpected server response|cannot parse|protocol error|from server|body exceeds", re.I),
        "upstream_invalid",
        "What answered in Google's place broke the rules of HTTP.",
    ),
)


def error_from(message: str) -> ProxyError:
    """The text of an answer that could not be read stays out: it is the upstream's, and can hold anything."""
    if message == STOPPED:
        return ProxyError(503, "shutting_down", "The proxy was stopped before the answer was complete.", retry=True)
    if message == NOT_OURS:
        return ProxyError(500, "internal_error", "The proxy failed; its log says where.", retry=False)
    if message in TIMEOUTS:
        text = f"Google was too slow: {message}. GEMINI_FIRST_BYTE_LIMIT and GEMINI_IDLE_LIMIT set the limits."
        return ProxyError(504, "timeout", text, retry=True)
    for pattern, code, text in CAUSES:
        if pattern.search(message):
            return ProxyError(502, code, text, retry=True)
    return ProxyError(502, UNREACHABLE, f"Google could not be reached: {message}", retry=True)


def page_error(status: int, message: str) -> ProxyError:
    """What mitmproxy would say on a page of its own, about a request that got no further."""
    if status == 413:
        text = "The request body is too large. mitmproxy's option body_size_limit sets the limit."
        return ProxyError(413, "request_too_large", text, retry=False)
    if status < 500:
        return ProxyError(status, "invalid_request", "The request is malformed, so it was not read.", retry=False)
    return error_from(message)
