"""What stands in the way of every call of an account is known until a call works."""

import json
from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist
from tests.exchanges import text


class Tokens:
    def __init__(self) -> None:
        self.noted: list[str | None] = []

    def note(self, refusal: ProxyError | None) -> None:
        self.noted.append(refusal.code if refusal else None)


BUSY = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}}
BLOCKED = {
    "error": {
        "code": 403,
        "status": "PERMISSION_DENIED",
        "message": "Access denied.",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_DISABLED",
                "domain": "googleapis.com",
            }
        ],
    }
}


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def upstream(tokens: Tokens) -> CodeAssist:
    unused: Any = tokens
    return CodeAssist("https://google.test", unused)


def test_a_refusal_of_the_account_stands(upstream: CodeAssist, tokens: Tokens) -> None:
    error = upstream.refuse(403, {}, json.dumps(BLOCKED).encode())
    assert tokens.noted == [error.code]


def test_another_refusal_does_not(upstream: CodeAssist, tokens: Tokens) -> None:
    upstream.refuse(503, {}, json.dumps(BUSY).encode())
    assert tokens.noted == []


def test_an_answer_settles_it(upstream: CodeAssist, tokens: Tokens) -> None:
    upstream.refuse(403, {}, json.dumps(BLOCKED).encode())
    assert upstream.decode(json.dumps(text("hi")).encode()) is not None
    assert tokens.noted[-1] is None
    assert len(tokens.noted) == 2


@pytest.mark.parametrize("event", [b"", b"[DONE]"])
def test_an_event_that_says_nothing_does_not(upstream: CodeAssist, tokens: Tokens, event: bytes) -> None:
    try:
        upstream.decode(event)
    except Exception:
        assert event
    assert tokens.noted == []
