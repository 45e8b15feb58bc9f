"""Whose a path is, and what may be done there."""

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from gemini_proxy.app.app import App
from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.app.routes import LocalPage, Routes
from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.dialects.openai_embeddings.dialect import OpenAIEmbeddings
from gemini_proxy.emulator import Emulator
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Route
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.login_command import login_command
from gemini_proxy.settings import GEMINI_API, resolve
from tests.app.apps import app_in, serving
from tests.app.lines import Lines
from tests.exchanges import chat_request

CHAT, EMBEDDINGS = OpenAIChat(SignatureMemory(None), {}), OpenAIEmbeddings({})


async def nothing(request: ClientRequest) -> Answer:
    return Answer(204, b"")


class Greedy(Lines):
    """Wants what is not to be had."""

    routes: ClassVar = {"/page": Route(("POST",)), "/auth/x": Route(("POST",)), "/v1/{anything}": Route(("PATCH",))}


ROUTES = Routes({"/page": LocalPage(("GET",), nothing, "public")}, (CHAT, EMBEDDINGS, Greedy()))


@pytest.mark.parametrize(
    ("path", "dialect", "methods"),
    [
        ("/v1/chat/completions", CHAT, ("POST",)),
        ("/v1/embeddings", EMBEDDINGS, ("POST",)),
        ("/v1/models", CHAT, ("GET", "HEAD")),
        ("/v1/models/gemini-2.5-pro", CHAT, ("GET", "HEAD")),
        ("/v1/models/models/gemini-2.5-pro", CHAT, ("GET", "HEAD")),
        ("/v1/models/a\nb", CHAT, ("GET", "HEAD")),
        ("/v1/models/", CHAT, ("GET", "HEAD")),
    ],
)
def test_paths(path: str, dialect: object, methods: tuple[str, ...]) -> None:
    claim = ROUTES.claim(path)
    assert claim is not None
    assert claim.dialect is dialect
    assert ROUTES.methods(path) == methods


@pytest.mark.parametrize("path", ["/v1modelsx", "/xv1/models", "/V1/models", "/", "", "/auth/login"])
def test_what_is_nobody_s(path: str) -> None:
    assert ROUTES.claim(path) is None
    assert ROUTES.methods(path) == ("GET", "HEAD", "PATCH", "POST")  # so that a page can read that there is nothing


def test_a_pattern_is_for_the_whole_path() -> None:
    routes = Routes({}, (Lines(),))
    assert routes.claim("/lines/x:ask") is not None
    assert routes.claim("/lines/x:asked") is None
    assert routes.claim("/v2/lines/x:ask") is None


def test_a_page_of_ours_goes_before_a_dialect() -> None:
    assert ROUTES.methods("/page") == ("GET",)
    assert ROUTES.access("/page") == "public"


@pytest.mark.parametrize(
    ("path", "access"),
    [("/auth/x", "key"), ("/auth/y", "visitors"), ("/authx", "key"), ("/v1/x", "key"), ("/nothing", "key")],
)
def test_a_dialect_needs_the_key_wherever_it_stands(path: str, access: str) -> None:
    assert ROUTES.access(path) == access


METHODS = [
    ("GET", "/v1/chat/completions", "POST"),
    ("OPTIONS", "/v1/chat/completions", "POST"),
    ("POST", "/v1/models", "GET, HEAD"),
    ("PUT", "/v1/models/x", "GET, HEAD"),
    ("GET", "/v1/embeddings", "POST"),
    ("POST", "/health", "GET, HEAD"),
    ("POST", "/health/ready", "GET, HEAD"),
    ("POST", "/auth/login", "GET, HEAD"),
    ("HEAD", "/auth/callback", "GET"),
    ("PUT", "/auth/logout", "GET, HEAD, POST"),
    ("DELETE", "/auth/status", "GET, HEAD"),
]


@pytest.mark.parametrize(("method", "path", "allow"), METHODS)
async def test_other_methods(tmp_path: Path, method: str, path: str, allow: str) -> None:
    async with serving(app_in(tmp_path)) as app:
        answer = await app.answer(ClientRequest(method, path, {"host": "localhost"}))
    assert isinstance(answer, Answer)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert json.loads(answer.body)["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/auth", "/auth/", "/auth/x", "/auth/login/", "/", "/v1/nothing", "//auth/login"])
async def test_a_path_that_nobody_serves(tmp_path: Path, path: str) -> None:
    async with serving(app_in(tmp_path)) as app:
        answer = await app.answer(ClientRequest("GET", path, {"host": "localhost"}))
    assert isinstance(answer, Answer)
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", ["/auth/login", "/auth/callback?code=1", "/auth/logout", "/auth/done", "/auth/x"])
async def test_with_an_api_key_there_is_nobody_to_sign_in(tmp_path: Path, path: str) -> None:
    settings = resolve({"GEMINI_API_KEY": "AIza" + "k" * 35, "GEMINI_STATE_DIRECTORY": str(tmp_path)})
    async with serving(App(settings, GEMINI_API, 3000)) as app:
        answer = await app.answer(ClientRequest("GET", path, {"host": "localhost"}))
        assert isinstance(answer, Answer)
        assert answer.status == 404
        assert "GEMINI_API_KEY" in json.loads(answer.body)["error"]["message"]
        for place in ("/health/ready", "/auth/status"):
            answer = await app.answer(ClientRequest("GET", place, {"host": "localhost"}))
            assert isinstance(answer, Answer)
            assert json.loads(answer.body)["upstream"] == "gemini-api"


async def test_a_fault_of_ours_is_worded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, request: ClientRequest) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(OpenAIChat, "read", fail)
    async with serving(app_in(tmp_path)) as app:
        answer = await app.answer(ClientRequest("POST", "/v1/chat/completions", {"host": "localhost"}))
    assert isinstance(answer, Answer)
    assert json.loads(answer.body)["error"]["code"] == "internal_error"
    assert b"s3cret" not in answer.body


async def test_what_only_helps_at_this_machine_is_said_there(tmp_path: Path) -> None:
    async with serving(app_in(tmp_path, PROXY_API_KEY="s3cret")) as app:
        for peer, here in (("127.0.0.1", True), ("10.0.0.1", False)):
            answer = await app.answer(replace(chat_request(), peer=peer))
            assert isinstance(answer, Answer)
            assert answer.status == 401
            assert (login_command() in json.loads(answer.body)["error"]["message"]) is here


async def test_the_list_of_models_is_brought_up_to_date_where_it_is_asked_for(tmp_path: Path) -> None:
    with Emulator() as google:
        env = {"GEMINI_API_KEY": google.api_key(), "GEMINI_STATE_DIRECTORY": str(tmp_path)}
        env["GEMINI_UPSTREAM"] = "gemini-api"
        async with serving(App(resolve(env), google.url, 3000)) as app:
            call = await app.answer(chat_request())
            assert isinstance(call, UpstreamCall)
            assert call.outbound is app.outbound
            assert not google.requests
            await app.answer(ClientRequest("GET", "/v1/models", {"host": "localhost"}))
            assert google.requests


def test_who_is_not_admitted_hears_it_of_the_dialect(tmp_path: Path) -> None:
    app = app_in(tmp_path, PROXY_API_KEY="s3cret")
    for path in ("/v1/models", "/nothing"):
        request = ClientRequest("GET", path, {"host": "localhost"})
        with pytest.raises(ProxyError) as caught:
            app.admit(request)
        body = json.loads(app.refuse(caught.value, request).body)
        assert body["error"]["type"] == "invalid_request_error"
