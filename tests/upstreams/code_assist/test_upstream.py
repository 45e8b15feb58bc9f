"""The request that goes to Code Assist, and its envelope around the answer."""

import asyncio
import json
from typing import Any, cast

import pytest

from gemini_proxy.errors import ProxyError, Unreadable
from gemini_proxy.exchange import Ask, HttpRequest
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.token import Token
from gemini_proxy.upstreams.code_assist import envelope
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist
from tests.exchanges import chat_ask, chat_request, exchange


class Signed:
    """A sign-in that needs no refresh."""

    def __init__(self, project: str) -> None:
        self._token = Token("ya29.secret", project_id=project)

    async def token(self) -> Token:
        return self._token


def encoded(project: str, in_sign_in: str, agent: str = "", **chat: Any) -> HttpRequest:
    tokens = cast(TokenSource, Signed(in_sign_in))
    upstream = CodeAssist("https://google.test", tokens, project, agent)
    return asyncio.run(upstream.encode(exchange(**chat).ask))


def test_stream() -> None:
    request = encoded("", "theirs", stream=True)
    assert (request.method, request.url) == ("POST", "https://google.test/v1internal:streamGenerateContent?alt=sse")
    assert request.headers["accept"] == "*/*"
    assert request.headers["authorization"] == "Bearer ya29.secret"
    assert request.headers["accept-encoding"] == "identity"
    body = json.loads(request.body)
    assert list(body) == ["model", "project", "user_prompt_id", "request"]
    assert list(body["request"])[-1] == "session_id"
    assert (body["model"], body["project"]) == ("gemini-2.5-flash", "theirs")
    assert "ya29" not in repr(request)


def test_whole() -> None:
    request = encoded("", "theirs", "mine/1")
    assert request.url == "https://google.test/v1internal:generateContent"
    assert (request.headers["accept"], request.headers["user-agent"]) == ("application/json", "mine/1")


@pytest.mark.parametrize(("mine", "theirs", "used"), [("a", "b", "a"), ("", "b", "b"), ("a", "", "a")])
def test_project(mine: str, theirs: str, used: str) -> None:
    assert json.loads(encoded(mine, theirs).body)["project"] == used


def test_no_project() -> None:
    with pytest.raises(ProxyError, match="GOOGLE_CLOUD_PROJECT"):
        encoded("", "")


@pytest.mark.parametrize(
    "event", [b"", b"[DONE]", b"{}", b'{"response":null}', b'{"response":{}}', b'{"traceId":"x"}', b"[{}]"]
)
def test_events_that_say_nothing(event: bytes) -> None:
    assert not envelope.unwrap(event)


@pytest.mark.parametrize(
    ("event", "lost"),
    [
        (b"1", False),
        (b'"x"', False),
        (b"null", False),
        (b"[]", False),
        (b"[1]", False),
        (b"ping", False),
        (b"{", True),
        (b'ponse":{}}', True),
        (b"[{},{}]", True),
        (b'{"response":5}', True),
        (b'{"response":[{}]}', True),
        (b"[" * 100_000, False),
        (b'{"a":' * 100_000, True),
    ],
)
def test_events_that_are_none(event: bytes, lost: bool) -> None:
    with pytest.raises(Unreadable) as caught:
        envelope.unwrap(event)
    assert caught.value.lost is lost


@pytest.mark.parametrize(
    "event", [b'{"response":{"candidates":[]}}', b'[{"response":{"candidates":[]}}]', b'{"candidates":[]}']
)
def test_answers_with_and_without_envelope(event: bytes) -> None:
    assert envelope.unwrap(event) == {"candidates": []}


def test_members_that_nobody_named_survive() -> None:
    assert envelope.unwrap(b'{"response":{"candidates":[{"new":1}],"other":2}}') == {
        "candidates": [{"new": 1}],
        "other": 2,
    }


def test_google_s_trace_id_is_kept() -> None:
    assert envelope.unwrap(b'{"response":{"candidates":[]},"traceId":"abc"}') == {"candidates": [], "traceId": "abc"}


@pytest.mark.parametrize(
    ("method", "body"), [("batchEmbedContents", {}), ("generateContent", {"cachedContent": "cachedContents/1"})]
)
async def test_what_code_assist_has_not_names_the_way_that_has(method: Any, body: dict[str, Any]) -> None:
    upstream = CodeAssist("https://google.test", cast(TokenSource, None))
    with pytest.raises(ProxyError) as raised:
        await upstream.encode(Ask("m", method, body, chat_ask(chat_request()).renderer))
    assert (raised.value.status, raised.value.code) == (400, "unsupported_upstream")
    assert "GEMINI_API_KEY" in raised.value.message
