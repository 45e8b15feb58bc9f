"""Pages in the user's browser and odd clients, against a real mitmdump with a key and a configured site."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemini_proxy.emulator import Answer, Emulator
from tests.end_to_end.proxy import Proxy, running, sign_in, wait_until
from tests.exchanges import HI

CHAT = "/v1/chat/completions"
BODY = {"model": "gemini-2.5-flash", "messages": HI}
SITE = "https://chat.example"
KEY = {"authorization": "Bearer s3cret"}


@pytest.fixture(scope="module")
def keyed(_google: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder: Path = tmp_path_factory.mktemp("keyed")
    sign_in(_google, folder / "tokens.json")
    env = {"PROXY_API_KEY": "s3cret", "GEMINI_ALLOWED_ORIGINS": SITE, "GEMINI_ALLOWED_HOSTS": "proxy.lan"}
    with running(folder, _google, "-w", str(folder / "saved.flow"), "--set", "flow_detail=4", env=env) as proxy:
        yield proxy


@pytest.fixture
def site(keyed: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=keyed.url, trust_env=False, timeout=20, headers={"origin": SITE}) as client:
        yield client


def test_every_answer_to_a_configured_site_can_be_read(site: httpx.Client, google: Emulator) -> None:
    google.script("streamGenerateContent", Answer.error("rate-limited"))
    answers = [
        site.post(CHAT, json=BODY, headers=KEY),
        site.post(CHAT, json={**BODY, "stream": True}, headers=KEY),  # Google's 429
        site.post(CHAT, json={**BODY, "stream": True}, headers=KEY),
        site.post(CHAT, json=BODY),  # no key
        site.get("/v1/nothing", headers=KEY),
        site.post(CHAT, content=b"{", headers=KEY),
        site.get("/v1/models", headers=KEY),
    ]
    assert [answer.status_code for answer in answers] == [200, 429, 200, 401, 404, 400, 200]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == SITE
        assert answer.headers["vary"] == "origin"


def test_preflight(site: httpx.Client) -> None:
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }
    answer = site.options(CHAT, headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == SITE
    assert answer.headers["access-control-allow-headers"] == asked["access-control-request-headers"]
    refused = site.options(CHAT, headers={**asked, "origin": "https://evil.test"})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"host": "evil.test:3000", "origin": "http://evil.test:3000"},
        {"host": "evil.test"},
    ],
)
def test_a_hostile_page_gets_nothing_even_with_the_key(keyed: Proxy, google: Emulator, headers: dict[str, str]) -> None:
    before = len(google.requests)
    with httpx.Client(base_url=keyed.url, trust_env=False, headers={**headers, **KEY}) as page:
        for answer in (
            page.post(CHAT, json=BODY),
            page.get("/v1/models"),
            page.get("/auth/status"),
            page.get("/health"),
        ):
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
            assert answer.json()["error"]["code"] in ("host_not_allowed", "origin_not_allowed")
    assert len(google.requests) == before


def test_keys_elsewhere_are_taken_and_masked(keyed: Proxy, google: Emulator) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False, headers={"host": "proxy.lan"}) as client:
        for headers, query in (({"x-api-key": "s3cret"}, ""), ({"x-goog-api-key": "s3cret"}, ""), ({}, "?key=s3cret")):
            assert client.get(f"/v1/models{query}", headers=headers).status_code == 200
            assert client.post(CHAT + query, json=BODY, headers=headers).status_code == 200
            assert "s3cret" not in str(dict(google.requests[-1].headers))
        assert client.get("/v1/models?key=wr0ng").status_code == 401
        assert client.get("/v1/nothing?a=b&key=s3cret").status_code == 404
    saved = keyed.log_file.parent / "saved.flow"
    for secret in (b"s3cret", b"wr0ng"):
        assert secret not in keyed.log_file.read_bytes()
        assert secret not in saved.read_bytes()


RAW: list[tuple[bytes, int]] = [
    (b"GET http://localhost/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"GET v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 404),
    (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n", 403),
    (b"GET /v1/models HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    (
        b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n", 400),
    (b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    (b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{xx0\r\n\r\n", 400),
    (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 300_000, 431),
    (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n", 413),
]


@pytest.mark.parametrize(("wire", "status"), RAW, ids=range(len(RAW)))
def test_malformed_requests_get_openai_s_errors(keyed: Proxy, google: Emulator, wire: bytes, status: int) -> None:
    before, logged = len(google.requests), len(keyed.log)
    head, body = ask_raw(keyed, wire.replace(b"\r\n", b"\r\nAuthorization: Bearer s3cret\r\n", 1))
    assert int(head.split()[1]) == status
    assert wait_until(lambda: keyed.log[logged:].count("request_id=") == 1)  # once, whoever words it
    assert " 499 " not in keyed.log[logged:]
    assert "application/json" in head
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    assert len(google.requests) == before
    assert_calm(keyed)


@pytest.mark.parametrize(("wire", "_"), RAW, ids=range(len(RAW)))
def test_malformed_requests_without_the_key(keyed: Proxy, google: Emulator, wire: bytes, _: int) -> None:
    before = len(google.requests)
    head, _body = ask_raw(keyed, wire)
    assert 400 <= int(head.split()[1]) < 500
    assert len(google.requests) == before
    assert_calm(keyed)


def test_trailers_of_a_client_are_dropped(keyed: Proxy, google: Emulator) -> None:
    """RFC 9110, 6.5.1: a recipient may."""
    body = json.dumps(BODY).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret\r\n"
    chunk = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Trailer: s3cret\r\n\r\n" % (len(body), body)
    answer, _ = ask_raw(keyed, head + chunk)
    assert int(answer.split()[1]) == 200
    assert "x-trailer" not in str(dict(google.requests[-1].headers)).lower()
    assert_calm(keyed)


@pytest.mark.parametrize("path", [b"/\xff", b"/v1/chat/\xff", b"/v1/models/\xc3\x28?key=\xff"])
def test_bytes_that_are_not_utf8_go_nowhere(keyed: Proxy, google: Emulator, path: bytes) -> None:
    before = len(google.requests)
    for key in (b"", b"Authorization: Bearer s3cret\r\n"):
        for header in (b"", b"X-Request-Id: \xff\xfe\r\nOrigin: \xff\r\n", b"Cookie: \xff\r\n"):
            head, body = ask_raw(keyed, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + key + header + b"\r\n")
            assert 400 <= int(head.split()[1]) < 500
            assert json.loads(body)["error"]["code"]
    assert len(google.requests) == before
    assert_calm(keyed)


def assert_calm(proxy: Proxy) -> None:
    assert "Traceback" not in proxy.log
    assert "has crashed" not in proxy.log


def ask_raw(proxy: Proxy, wire: bytes) -> tuple[str, str]:
    host, port = proxy.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=8) as client:
        client.sendall(wire)
        heard = b""
        while b"\r\n\r\n" not in heard or len(heard.partition(b"\r\n\r\n")[2]) < _length(heard):
            data = client.recv(65536)
            if not data:
                break
            heard += data
    head, _, body = heard.decode().partition("\r\n\r\n")
    return head, body


def _length(heard: bytes) -> int:
    lines = heard.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 1 << 30)


def test_a_body_that_never_ends_is_refused_while_it_comes(keyed: Proxy, google: Emulator) -> None:
    def megabytes() -> Iterator[bytes]:
        for _ in range(300):
            yield b" " * (1 << 20)

    try:
        answer: Any = httpx.post(keyed.url + CHAT, content=megabytes(), headers=KEY, trust_env=False, timeout=20)
    except httpx.WriteError:  # the connection was closed while it still sent
        return
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"
