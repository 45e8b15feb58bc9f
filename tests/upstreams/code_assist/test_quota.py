from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.token import Token
from gemini_proxy.upstreams.code_assist.quota import Remaining, retrieve
from tests.google_login.scripted import ScriptedGoogle

RESET = "2026-05-15T08:52:23Z"
FLASH = {"resetTime": RESET, "tokenType": "REQUESTS", "modelId": "gemini-2.5-flash", "remainingFraction": 0.82666665}
NO_ACCESS = {"resetTime": "1970-01-01T00:00:00Z", "modelId": "gemini-2.5-pro", "remainingFraction": 0}
USED_UP = {"resetTime": RESET, "modelId": "gemini-2.5-flash-lite"}  # a zero is left out


async def asked(answer: Any) -> tuple[list[Remaining], ScriptedGoogle]:
    google = ScriptedGoogle(retrieveUserQuota=answer)
    http = google.client()
    try:
        return await retrieve(Token("ya29.a"), "p", http=http, endpoint="http://127.0.0.1:8"), google
    finally:
        await http.aclose()


@pytest.mark.parametrize(
    ("body", "left"),
    [
        pytest.param({"buckets": [FLASH]}, [("gemini-2.5-flash", 0.82666665, RESET)], id="2.5"),
        pytest.param({"buckets": [NO_ACCESS, USED_UP]}, [("gemini-2.5-flash-lite", 0, RESET)], id="2.5-no-access"),
        ({}, []),
        ({"buckets": None}, []),
        ({"buckets": [None, {"modelId": "m", "remainingFraction": 1, "new": {}}]}, [("m", 1, "")]),
    ],
)
async def test_what_is_left(body: Any, left: list[tuple[str, float, str]]) -> None:
    found, google = await asked((200, body))
    assert [(r.model, r.fraction, r.resets_at) for r in found] == left
    assert google.bodies() == [{"project": "p"}]
    assert google.requests[0].headers["authorization"] == "Bearer ya29.a"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SUBSCRIPTION_REQUIRED"}]}}), "account_not_eligible"),
        ((200, {"buckets": 7}), "quota_unreadable"),
        ((200, b"<html>"), "quota_unreadable"),
        ((503, b""), "overloaded"),
    ],
)  # fmt: skip
async def test_no_answer(answer: Any, code: str) -> None:
    with pytest.raises(ProxyError) as caught:
        await asked(answer)
    assert caught.value.code == code
