"""The hooks carry: what the app says of a request reaches the client through our layers, in the words of its path."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gemini_proxy.emulator import Emulator
from gemini_proxy.mitm import layer
from gemini_proxy.mitm.addon import GeminiProxy
from gemini_proxy.mitm.gate import Gate
from gemini_proxy.mitm.shutdown import Shutdown
from gemini_proxy.mitm.visits import Visit
from tests.app.apps import also_speaking, app_in
from tests.app.lines import Lines
from tests.mitm.wire import Wire, wire

LINES, CHAT = "/lines/gemini-2.5-flash:ask", "/v1/chat/completions"
KEY = "authorization: Bearer s3cret"
SITE = "https://chat.example"


@pytest.fixture(scope="module")
def google() -> Iterator[Emulator]:
    with Emulator() as google:
        yield google


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, google: Emulator, loop: asyncio.AbstractEventLoop
) -> Iterator[GeminiProxy]:
    also_speaking(monkeypatch, Lines())
    proxy = GeminiProxy(Gate())
    proxy.app = app_in(tmp_path, google, PROXY_API_KEY="s3cret", GEMINI_ALLOWED_ORIGINS=SITE)
    yield proxy
    loop.run_until_complete(proxy.app.close())


@pytest.fixture
def client(proxy: GeminiProxy, loop: asyncio.AbstractEventLoop) -> Iterator[Wire]:
    def translate(visit: Visit) -> None:
        loop.run_until_complete(proxy.translate(visit))

    def response(flow: Any) -> None:
        loop.run_until_complete(proxy.response(flow))

    with wire(
        requestheaders=proxy.requestheaders,
        gemini_translate=translate,
        responseheaders=proxy.responseheaders,
        response=response,
        error=proxy.error,
    ) as client:
        client.layer.house = proxy
        yield client


def request(*head: str, path: str = LINES, body: bytes = b"", method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *head]
    length = [] if any("content-length" in line for line in head) else [f"content-length: {len(body)}"]
    return "\r\n".join([*lines, *length, "", ""]).encode() + body


def body_of(client: Wire) -> Any:
    return json.loads(client.to_client.rpartition(b"\r\n\r\n")[2])


REFUSED = [
    pytest.param(request(), 401, "invalid_api_key", id="no-key"),
    pytest.param(request("content-length: 9"), 401, "invalid_api_key", id="before-its-body"),
    pytest.param(request(KEY, "content-length: 2000000"), 413, "request_too_large", id="too-large"),
    pytest.param(
        request(KEY, "transfer-encoding: chunked", "x-no: content-length") + b"zz\r\n",
        400,
        "invalid_request",
        id="chunks",
    ),
    pytest.param(request(KEY, method="GET"), 405, "method_not_allowed", id="method"),
    pytest.param(request(KEY, body=b"{}"), 400, "bad_line", id="body"),
]


@pytest.mark.parametrize(("sent", "status", "code"), REFUSED)
def test_whose_words_a_client_hears(client: Wire, sent: bytes, status: int, code: str) -> None:
    client.client_says(sent)
    assert (client.status, body_of(client)["fault"]) == (status, code)
    assert not client.to_google


def test_a_page_of_an_allowed_site_can_read_what_a_layer_refuses(client: Wire) -> None:
    client.client_says(request(KEY, f"origin: {SITE}", "content-length: 2000000"))
    assert client.status == 413
    assert f"access-control-allow-origin: {SITE}".encode() in client.to_client


def test_who_goes_on_sending_what_was_refused_is_cut_a_little_later(
    client: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once would take our answer from it; never would keep the connection."""
    now = time.monotonic()
    monkeypatch.setattr(layer, "time", SimpleNamespace(monotonic=lambda: now, time=time.time))
    client.client_says(request("content-length: 9"))
    assert client.status == 401
    now += layer.LINGER / 2
    client.tick()
    assert client.context.client not in client.closed
    now += layer.LINGER
    client.tick()
    assert client.context.client in client.closed


@pytest.mark.parametrize(("path", "member"), [(CHAT, "error"), ("/nothing", "error"), (LINES, "fault")])
def test_each_path_has_its_own(client: Wire, path: str, member: str) -> None:
    client.client_says(request(path=path))
    assert client.status == 401
    assert member in body_of(client)


@pytest.mark.parametrize("method", ["admit", "cors"])
def test_a_hook_that_fails_lets_nobody_in(
    client: Wire, proxy: GeminiProxy, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(request: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(proxy.app, method, fail)
    client.client_says(request(KEY, body=b'{"text":"hi"}'))
    assert (client.status, body_of(client)["fault"]) == (500, "internal_error")
    assert not client.opened


def test_the_log_has_the_reason_in_our_words(client: Wire, caplog: pytest.LogCaptureFixture) -> None:
    client.client_says(request())
    assert " 401 invalid_api_key " in caplog.text
    assert "No API key provided" in caplog.text


def test_the_log_has_the_reason_of_what_no_hook_saw(client: Wire, caplog: pytest.LogCaptureFixture) -> None:
    client.client_says(request(KEY, "content-length: 2000000"))
    assert " 413 request_too_large " in caplog.text


def test_who_is_late_hears_that_it_ends(client: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shutdown, "begun", True)
    client.client_says(request(KEY, body=b'{"text":"hi"}'))
    assert (client.status, body_of(client)["fault"]) == (503, "shutting_down")


def test_another_path_is_another_door(client: Wire, proxy: GeminiProxy) -> None:
    """Somebody edits a request that needed no key into one that does."""

    def edit(flow: Any) -> None:
        flow.request.path = LINES

    client.hooks["request"] = edit
    client.client_says(request(path="/health", body=b'{"text":"hi"}'))
    assert client.status == 401
    assert not client.opened


def test_a_call_goes_out_as_the_app_made_it(client: Wire) -> None:
    client.client_says(request(KEY, body=b'{"text":"hi"}'))
    assert b"POST /v1internal:streamGenerateContent?alt=sse HTTP/1.1" in client.to_google
    assert b"s3cret" not in client.to_google
    stream = 'data: {"response":{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}}\r\n\r\n'
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(stream)}\r\n\r\n"
    client.google_says((head + stream).encode())
    assert b'{"text": "Hi"}' in client.to_client
    assert b'{"end": "stop"}' in client.to_client
