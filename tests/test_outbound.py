"""Which way a URL goes, and whom it trusts: what the environment means."""

import base64
from pathlib import Path

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.outbound import SYSTEM, Outbound, Proxy, Trust, trusted

GOOGLE = "https://cloudcode-pa.googleapis.com/v1internal:generateContent"
ALL = {"HTTPS_PROXY": "http://proxy.corp.test:3128"}


def proxy_for(url: str, **env: str) -> Proxy | None:
    return Outbound.from_environment(env).proxy_for(url)


@pytest.mark.parametrize(
    ("env", "url", "address", "variable"),
    [
        ({"HTTPS_PROXY": "http://a.test:1"}, GOOGLE, "a.test:1", "HTTPS_PROXY"),
        ({"https_proxy": "http://a.test:1"}, GOOGLE, "a.test:1", "HTTPS_PROXY"),
        ({"https_proxy": "http://a.test:1", "HTTPS_PROXY": "http://b.test:1"}, GOOGLE, "a.test:1", "HTTPS_PROXY"),
        ({"https_proxy": " ", "HTTPS_PROXY": "http://b.test:1"}, GOOGLE, "b.test:1", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "a.test:1"}, GOOGLE, "a.test:1", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "a.test"}, GOOGLE, "a.test:80", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "https://a.test/"}, GOOGLE, "a.test:443", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://[2001:db8::1]:3128"}, GOOGLE, "[2001:db8::1]:3128", "HTTPS_PROXY"),
        ({"ALL_PROXY": "http://c.test:1"}, GOOGLE, "c.test:1", "ALL_PROXY"),
        ({"all_proxy": "socks5://c.test:1", "HTTPS_PROXY": "http://a.test:1"}, GOOGLE, "a.test:1", "HTTPS_PROXY"),
        ({"HTTP_PROXY": "http://d.test:1"}, "http://relay.test/", "d.test:1", "HTTP_PROXY"),
    ],
)
def test_the_variable_that_counts(env: dict[str, str], url: str, address: str, variable: str) -> None:
    found = proxy_for(url, **env)
    assert found is not None
    assert (found.address, found.variable) == (address, variable)


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, GOOGLE),
        ({"HTTP_PROXY": "http://d.test:1"}, GOOGLE),
        ({"HTTPS_PROXY": "http://d.test:1"}, "http://relay.test/"),
        *(
            ({"ALL_PROXY": "http://d.test:1"}, f"http://{here}/")
            for here in ("localhost", "localhost.", "a.localhost:1", "127.0.0.1:9", "127.8.8.8", "[::1]:9", "0.0.0.0", "[::ffff:127.0.0.1]")
        ),
    ],
)  # fmt: skip
def test_what_goes_directly(env: dict[str, str], url: str) -> None:
    assert proxy_for(url, **env) is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("*", "a.test", True),
        ("a.test", "a.test", True),
        ("a.test", "A.TEST.", True),
        ("A.test", "b.a.test", True),
        (".a.test", "b.a.test", True),
        (".a.test", "a.test", True),
        ("*.a.test", "b.a.test", True),
        ("a.test", "ba.test", False),
        ("a.test", "a.test.org", False),
        ("x.test, a.test,", "a.test", True),
        ("x.test a.test", "a.test", True),
        ("a.test:443", "a.test", True),
        ("a.test:8443", "a.test", False),
        ("a.test:8443", "a.test:8443", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.33", False),
        ("10.0.0.0/8", "10.200.3.4", True),
        ("10.9.9.9/8", "10.200.3.4", True),  # as some write it
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "[::ffff:10.0.0.1]", True),
        ("10.0.0.0/8", "ten.test", False),
        ("10.0.0.0/99", "10.0.0.1", False),
        ("2001:db8::/32", "[2001:db8::7]", True),
        ("[2001:db8::7]:443", "[2001:db8::7]", True),
        ("[2001:db8::7]:1", "[2001:db8::7]", False),
        ("2001:db8::7", "[2001:db8::8]", False),
        ("", "a.test", False),
        ("*.", "a.test", False),
    ],
)
@pytest.mark.parametrize("spelling", ["NO_PROXY", "no_proxy"])
def test_no_proxy(spelling: str, no_proxy: str, host: str, direct: bool) -> None:
    assert (proxy_for(f"https://{host}/", **ALL, **{spelling: no_proxy}) is None) is direct


def test_user_and_password_are_for_the_proxy_alone() -> None:
    found = proxy_for(GOOGLE, HTTPS_PROXY="http://us%40er:p%3Ass@proxy.corp.test:3128")
    assert found is not None
    assert found.authorization == f"Basic {base64.b64encode(b'us@er:p:ss').decode()}"
    assert found.address == "proxy.corp.test:3128"
    outbound = Outbound.from_environment({"HTTPS_PROXY": "http://user:hush@proxy.corp.test"})
    assert "hush" not in repr(outbound)
    assert "Basic" not in repr(outbound.proxy_for(GOOGLE))


@pytest.mark.parametrize("value", ["socks5://a.test:hush", "socks5h://u:hush@a.test:1", "http://", "http://u:hush@[a", "http://u:hush@a.test:x", "hush://x"])  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_not_gone_past(value: str) -> None:
    with pytest.raises(ProxyError, match="HTTPS_PROXY") as caught:
        proxy_for(GOOGLE, HTTPS_PROXY=value)
    assert (caught.value.status, caught.value.retry) == (503, False)
    assert "u:hush" not in caught.value.message


def test_what_the_system_says_counts_where_no_variable_does() -> None:
    system = {"https": "http://system.test:8080", "ftp": "http://f.test", "socks": "socks://s.test"}
    found = Outbound.from_environment({}, system=system).proxy_for(GOOGLE)
    assert found is not None
    assert (found.address, found.variable) == ("system.test:8080", SYSTEM)
    assert Outbound.from_environment({"NO_PROXY": "googleapis.com"}, system=system).proxy_for(GOOGLE) is None
    found = Outbound.from_environment(ALL, system=system).proxy_for(GOOGLE)
    assert found is not None
    assert found.address == "proxy.corp.test:3128"


@pytest.mark.parametrize(
    ("env", "trust"),
    [
        ({}, Trust()),
        ({"SSL_CERT_FILE": "/a.pem"}, Trust("/a.pem", source="SSL_CERT_FILE")),
        ({"SSL_CERT_DIR": "/certs"}, Trust(folder="/certs", source="SSL_CERT_DIR")),
        ({"SSL_CERT_FILE": "/a.pem", "SSL_CERT_DIR": "/certs"}, Trust("/a.pem", "/certs", source="SSL_CERT_FILE")),
        ({"REQUESTS_CA_BUNDLE": "/b.pem"}, Trust("/b.pem", source="REQUESTS_CA_BUNDLE")),
        ({"CURL_CA_BUNDLE": "/c.pem", "SSL_CERT_FILE": " "}, Trust("/c.pem", source="CURL_CA_BUNDLE")),
        ({"SSL_CERT_DIR": "/certs", "REQUESTS_CA_BUNDLE": "/b.pem"}, Trust(folder="/certs", source="SSL_CERT_DIR")),
    ],
)
def test_whom_the_environment_trusts(env: dict[str, str], trust: Trust) -> None:
    assert trusted(env) == trust


def test_a_bundle_may_be_a_folder(tmp_path: Path) -> None:
    assert trusted({"REQUESTS_CA_BUNDLE": str(tmp_path)}) == Trust(folder=str(tmp_path), source="REQUESTS_CA_BUNDLE")
