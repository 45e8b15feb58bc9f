"""Who may use the proxy: by name, by page, by machine, by key."""

import pytest

from gemini_proxy.app.guard import Guard, check_key, check_peer
from gemini_proxy.errors import ProxyError
from gemini_proxy.http import ClientRequest

SITE = "https://chat.example"
OPEN = Guard()
KEYED = Guard("s3cret", {"proxy.lan"}, {SITE})


def request(method: str = "GET", target: str = "/v1/models", peer: str = "127.0.0.1", **headers: str) -> ClientRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ClientRequest(method, target, named, b"", peer)


def code_of(check: object, *args: object) -> str:
    assert callable(check)
    try:
        check(*args)
    except ProxyError as error:
        return error.code
    return ""


HOSTS = [
    ("localhost", True, True),
    ("LOCALHOST:3000", True, True),
    ("app.localhost:3000", True, True),
    ("localhost.", True, True),
    ("127.0.0.1:3000", True, True),
    ("127.1.2.3", True, True),
    ("[::1]:3000", True, True),
    ("", True, True),  # HTTP/1.0
    ("192.168.1.5:3000", False, True),
    ("[fe80::1]:3000", False, True),
    ("proxy.lan:3000", False, True),
    ("evil.test", False, False),
    ("evil.test:3000", False, False),
    ("localhost.evil.test", False, False),
    ("127.0.0.1.evil.test", False, False),
    ("localhost:x", False, False),
    ("localhost@evil.test", False, False),
    ("evil.test/localhost", False, False),
    ("localhost, evil.test", False, False),
    ("169.254.169.254", False, True),
]


@pytest.mark.parametrize(("host", "local", "keyed"), HOSTS)
def test_names(host: str, local: bool, keyed: bool) -> None:
    assert (code_of(OPEN.check_host, request(host=host)) == "") is local
    assert (code_of(KEYED.check_host, request(host=host)) == "") is keyed


ORIGINS = [
    ({}, True),
    ({"origin": "http://localhost:3000"}, True),  # our own page
    ({"origin": "https://evil.test"}, False),
    ({"origin": "null"}, False),
    ({"origin": ""}, False),
    ({"origin": "http://localhost:8080"}, False),  # another program's page on this machine
    ({"sec_fetch_site": "cross-site"}, False),
    ({"sec_fetch_site": "same-site"}, False),
    ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, True),
    ({"sec_fetch_site": "none"}, True),
]


@pytest.mark.parametrize(("headers", "fine"), ORIGINS)
def test_pages(headers: dict[str, str], fine: bool) -> None:
    assert (code_of(OPEN.check_origin, request(host="localhost:3000", **headers)) == "") is fine


def test_a_configured_site_needs_a_key_to_be_set() -> None:
    asked = request(origin=SITE)
    assert code_of(KEYED.check_origin, asked) == ""
    assert code_of(Guard("", (), {SITE}).check_origin, asked) == "origin_not_allowed"
    assert Guard("", (), {SITE}).cors(asked) == {"vary": "origin"}
    assert code_of(KEYED.check_origin, request(origin=SITE + ".evil.test")) == "origin_not_allowed"


def test_cors() -> None:
    headers = KEYED.cors(request(origin=SITE))
    assert headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-credentials" not in headers
    assert KEYED.cors(request(origin="https://evil.test")) == {"vary": "origin"}
    assert OPEN.cors(request(origin=SITE)) == {}


def test_preflight() -> None:
    asked = {
        "origin": SITE,
        "access_control_request_method": "POST",
        "access_control_request_headers": "authorization,content-type,x-stainless-os",
        "access_control_request_private_network": "true",
    }
    answer = KEYED.preflight(request("OPTIONS", **asked), ("GET", "POST"))
    assert answer is not None
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert answer.headers["access-control-allow-headers"] == asked["access_control_request_headers"]
    assert answer.headers["access-control-allow-private-network"] == "true"
    odd = KEYED.preflight(request("OPTIONS", **{**asked, "access_control_request_headers": "a\r\nb"}), ("GET", "POST"))
    assert odd is not None
    assert "access-control-allow-headers" not in odd.headers
    assert KEYED.preflight(request("OPTIONS", origin=SITE), ("GET", "POST")) is None
    assert KEYED.preflight(request("OPTIONS", **{**asked, "origin": "https://evil.test"}), ("GET", "POST")) is None
    assert OPEN.preflight(request("OPTIONS", **asked), ("GET", "POST")) is None


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ({"authorization": "Bearer s3cret"}, "/v1/models"),
        ({"authorization": "bearer  s3cret "}, "/v1/models"),
        ({"x_api_key": "s3cret"}, "/v1/models"),
        ({"x_goog_api_key": "s3cret"}, "/v1/models"),
        ({}, "/v1/models?key=s3cret"),
        ({"authorization": "Bearer other", "x_api_key": "s3cret"}, "/v1/models"),
    ],
)
def test_places_of_the_key(headers: dict[str, str], target: str) -> None:
    check_key(request(target=target, **headers), "s3cret")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "No API key"),
        ({"authorization": "s3cret"}, "'authorization' does not hold a bearer token"),
        ({"authorization": "Basic s3cret"}, "'authorization' does not hold a bearer token"),
        ({"api-key": "s3cret"}, "'api-key' does not hold a bearer token"),
        ({"authorization": "Bearer s3cre"}, "Incorrect API key"),
        ({"authorization": "Bearer \udce9"}, "Incorrect API key"),
    ],
)
def test_without_the_right_key(headers: dict[str, str], words: str) -> None:
    with pytest.raises(ProxyError, match=words) as caught:
        check_key(request(**headers), "s3cret")
    assert caught.value.headers == {"www-authenticate": "Bearer"}
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("peer", "local"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.168.1.2", False), ("", False), ("x", False)],
)
def test_other_machines_need_a_key(peer: str, local: bool) -> None:
    assert (code_of(check_peer, request(peer=peer), "") == "") is local
    check_peer(request(peer=peer), "s3cret")


@pytest.mark.parametrize(
    "header",
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "via", "cf-connecting-ip",
     "true-client-ip", "x-original-url", "x-client-ip", "fly-client-ip"],
)  # fmt: skip
def test_what_is_passed_on_for_another_machine_needs_a_key(header: str) -> None:
    """Whatever the header says, and though the connection comes from this machine."""
    for value in ("203.0.113.7", "127.0.0.1", ""):
        passed_on = ClientRequest("GET", "/v1/models", {"host": "localhost", header: value}, peer="127.0.0.1")
        with pytest.raises(ProxyError, match=header) as caught:
            check_peer(passed_on, "")
        assert (caught.value.status, caught.value.code) == (403, "loopback_only")
        assert "PROXY_API_KEY" in caught.value.message
        check_peer(passed_on, "s3cret")
