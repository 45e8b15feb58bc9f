"""What a dialect gets that is a file of its own and a line in the tuple: the key, its words for every refusal, its
keep-alive, CORS, 405."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gemini_proxy.app.app import App
from gemini_proxy.emulator import Answer as Scripted
from gemini_proxy.emulator import Emulator
from gemini_proxy.errors import ProxyError
from gemini_proxy.http import Answer, ClientRequest
from tests.app.apps import also_speaking, app_in, serving, told
from tests.app.lines import HEADERS, Lines

PATH = "/lines/gemini-2.5-flash:ask"
KEY, SITE = "s3cret", "https://chat.example"
BODY = b'{"text": "hi"}'


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator() as google:
        yield google


@pytest.fixture
def google(running: Emulator) -> Emulator:
    running.clear()
    return running


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, google: Emulator) -> App:
    also_speaking(monkeypatch, Lines())
    return app_in(tmp_path, google, PROXY_API_KEY=KEY, GEMINI_ALLOWED_ORIGINS=SITE)


def request(method: str = "POST", path: str = PATH, body: bytes = BODY, key: str = KEY, **more: str) -> ClientRequest:
    headers = {"host": "localhost", "authorization": f"Bearer {key}"}
    return ClientRequest(method, path, headers | {name.replace("_", "-"): text for name, text in more.items()}, body)


async def heard(app: App, client: ClientRequest) -> tuple[Answer, list[Any]]:
    """The answer and its lines, as a host would give them."""
    async with serving(app):
        try:
            answer = await told(app, client)
        except ProxyError as error:  # of `admit`
            answer = app.refuse(error, client)
    return answer, [json.loads(line) for line in answer.body.splitlines()]


async def test_an_answer(app: App) -> None:
    answer, lines = await heard(app, request())
    assert (answer.status, answer.headers["content-type"]) == (200, HEADERS["content-type"])
    assert "".join(line.get("text", "") for line in lines)
    assert lines[-1] == {"end": "stop"}


REFUSALS = [
    pytest.param(request(key=""), 401, "invalid_api_key", id="no-key"),
    pytest.param(request(key="other"), 401, "invalid_api_key", id="another-key"),
    pytest.param(request(host="evil.test"), 403, "host_not_allowed", id="host"),
    pytest.param(request(origin="https://evil.test"), 403, "origin_not_allowed", id="origin"),
    pytest.param(request("GET"), 405, "method_not_allowed", id="method"),
    pytest.param(request(body=b"{}"), 400, "bad_line", id="body"),
    pytest.param(request(content_encoding="br"), 415, "unsupported_content_encoding", id="coding"),
    pytest.param(request(content_encoding="gzip"), 400, "invalid_body", id="no-gzip"),
]


@pytest.mark.parametrize(("client", "status", "code"), REFUSALS)
async def test_its_own_words_for_what_is_refused_here(app: App, client: ClientRequest, status: int, code: str) -> None:
    answer, (line,) = await heard(app, client)
    assert (answer.status, line["fault"], answer.headers["content-type"]) == (status, code, HEADERS["content-type"])
    assert answer.headers.get("allow") == ("POST, PUT" if status == 405 else None)
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


async def test_its_own_words_for_google_s_refusal(app: App, google: Emulator) -> None:
    google.script("streamGenerateContent", Scripted.error("not-found"))
    answer, (line,) = await heard(app, request())
    assert (answer.status, line["fault"]) == (404, "model_not_found")


async def test_its_own_words_for_a_fault_of_ours(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lines, "read", lambda self, request: 1 / 0)
    answer, (line,) = await heard(app, request())
    assert (answer.status, line["fault"]) == (500, "internal_error")


async def test_another_path_is_not_its_own(app: App) -> None:
    answer, (line,) = await heard(app, request(path="/lines/x:tell"))
    assert (answer.status, line["error"]["code"]) == (404, "not_found")


async def test_its_own_keep_alive(app: App) -> None:
    async with serving(app):
        call = await app.answer(request())
        assert not isinstance(call, Answer)
        assert call.exchange.beat() == [b"\n"]


async def test_a_page_of_an_allowed_site_asks_first(app: App) -> None:
    asked = ClientRequest(
        "OPTIONS", PATH, {"host": "localhost", "origin": SITE, "access-control-request-method": "PUT"}
    )
    answer, _ = await heard(app, asked)
    assert (answer.status, answer.headers["access-control-allow-methods"]) == (204, "POST, PUT")
    assert app.cors(asked)["access-control-allow-origin"] == SITE
