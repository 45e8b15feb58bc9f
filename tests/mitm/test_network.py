"""What a client hears of an upstream that could not be reached, or that broke off."""

import pytest

from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.exchange import HttpRequest
from gemini_proxy.mitm.network import (
    CONNECT_TIMEOUT,
    FIRST_BYTE_TIMEOUT,
    IDLE_TIMEOUT,
    error_from,
    failure_of,
    page_error,
)
from gemini_proxy.outbound import Proxy
from tests.exchanges import exchange

HOST = "cloudcode-pa.googleapis.com"
PROXY = Proxy("http", "proxy.corp.test", 3128, "HTTPS_PROXY")
NAMED = Proxy("http", "proxy.corp.test", 3128, "HTTPS_PROXY", "Basic aHVzaA==")
REFUSED = "Upstream proxy proxy.corp.test:3128 refused HTTP CONNECT request: {} Words"


@pytest.mark.parametrize(
    ("message", "proxy", "code", "retry", "words"),
    [
        ("[Errno -2] Name or service not known", None, "upstream_unreachable", True, [f"{HOST} cannot be found", "DNS", "HTTPS_PROXY"]),
        ("[Errno 11001] getaddrinfo failed", None, "upstream_unreachable", True, [f"{HOST} cannot be found"]),
        ("[Errno 8] nodename nor servname provided, or not known", PROXY, "upstream_unreachable", True, ["proxy.corp.test:3128, from HTTPS_PROXY, cannot be found"]),
        ("[Errno 111] Connect call failed ('192.0.2.1', 443)", None, "upstream_unreachable", True, [f"{HOST} cannot be reached (Connection refused)", "firewall"]),
        ("Multiple exceptions: [Errno 111] Connect call failed ('::1', 3128, 0, 0), [Errno 111] x", PROXY, "upstream_unreachable", True, ["proxy.corp.test:3128, from HTTPS_PROXY, cannot be reached (Connection refused)"]),
        (REFUSED.format(407), PROXY, "upstream_unreachable", False, ["wants a user name and a password", "http://USER:PASSWORD@proxy.corp.test:3128"]),
        (REFUSED.format(407), NAMED, "upstream_unreachable", False, ["does not accept the user name and password"]),
        (REFUSED.format(403), PROXY, "upstream_unreachable", False, [f"proxy.corp.test:3128, from HTTPS_PROXY, opens no connection to {HOST} (403)"]),
        (REFUSED.format(403), None, "upstream_unreachable", False, [f"The proxy in between opens no connection to {HOST} (403)"]),
        ("Certificate verify failed: self-signed certificate in certificate chain", None, "upstream_tls_error", False, [HOST, "(self-signed certificate in certificate chain)", "SSL_CERT_FILE", "ssl_verify_upstream_trusted_ca"]),
        ("The remote server does not speak TLS.", None, "upstream_tls_error", True, [HOST]),
        ("server closed connection", None, "upstream_incomplete", True, [HOST]),
        ("cannot parse: hush", None, "upstream_invalid", True, [HOST]),
    ],
)  # fmt: skip
def test_the_error_names_the_host_and_the_setting(
    message: str, proxy: Proxy | None, code: str, retry: bool, words: list[str]
) -> None:
    error = error_from(message, HOST, proxy)
    assert (error.status, error.code, error.retry) == (502, code, retry)
    for word in words:
        assert word in error.message
    for hidden in ("hush", "aHVzaA", "Words"):
        assert hidden not in error.message


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (CONNECT_TIMEOUT, "through the proxy proxy.corp.test:3128, from HTTPS_PROXY,"),
        (FIRST_BYTE_TIMEOUT, "GEMINI_FIRST_BYTE_LIMIT"),
        (IDLE_TIMEOUT, "GEMINI_IDLE_LIMIT"),
    ],
)
def test_a_limit_that_was_passed(message: str, words: str) -> None:
    error = error_from(message, HOST, PROXY)
    assert (error.status, error.code, error.retry) == (504, "timeout", True)
    assert HOST in error.message
    assert words in error.message


def test_without_a_host_it_is_google() -> None:
    assert error_from("[Errno -2] Name or service not known").message.startswith("Google cannot be found")
    assert page_error(502, "[Errno -2] Name or service not known", HOST).message.startswith(HOST)


def test_a_call_knows_where_it_went() -> None:
    running = exchange()
    sent = HttpRequest("POST", f"https://{HOST}/v1internal:generateContent", {}, b"")
    call = UpstreamCall(running, running._upstream, sent, 1, PROXY)
    assert failure_of(call, REFUSED.format(403)).message.startswith(
        f"The proxy proxy.corp.test:3128, from HTTPS_PROXY, opens no connection to {HOST} (403)"
    )
