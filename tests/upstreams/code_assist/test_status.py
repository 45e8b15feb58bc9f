"""Google's errors as a client hears them: each sample in both forms and both content types, plain and in a stream."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.exchange import Exchange
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.http import Answer
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist
from tests.exchanges import chat_ask, chat_request, errors, events, said, sse_bytes, text

SAMPLES = sorted((Path(__file__).parents[2] / "samples" / "errors").glob("*.json"))
LEGACY = {"message": "x", "domain": "global", "reason": "backendError"}


class Notes:
    """As much of a sign-in as the upstream tells about."""

    def note(self, problem: object) -> None: ...


def exchange(*, stream: bool) -> Exchange:
    dialect = OpenAIChat(SignatureMemory(None), {})
    upstream = CodeAssist("https://google.test", cast(TokenSource, Notes()))
    return Exchange(dialect, upstream, chat_ask(chat_request(stream=stream), dialect))


def refused(status: int, body: bytes, content_type: str = "application/json", stream: bool = False) -> Answer:
    return exchange(stream=stream).rejected(status, {"content-type": content_type}, body)


def check(answer: Answer, expected: Mapping[str, Any]) -> None:
    error = json.loads(answer.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (answer.status, error["type"], error["code"]) == (expected["status"], expected["type"], expected["code"])
    for name in ("x-should-retry", "retry-after"):
        assert answer.headers.get(name) == expected[name], name
    assert expected["words"] in error["message"]


def document(error: Mapping[str, Any], form: str) -> Any:
    return {"error": error} if form == "object" else [{"error": {**error, "errors": [LEGACY]}}]


FORMS = pytest.mark.parametrize("form", ["object", "array"])
TYPES = pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@FORMS
@TYPES
def test_samples_as_an_answer(path: Path, form: str, content_type: str) -> None:
    sample = json.loads(path.read_text())
    plain = json.dumps(document(sample["error"], form), indent=2).encode()
    wire = b"data: " + plain.replace(b"\n", b"\r\ndata: ") + b"\r\n\r\n" if form == "array" else plain
    for stream in (False, True):
        for body in (plain, wire):
            check(refused(sample["http_status"], body, content_type, stream), sample["expected"])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@FORMS
@TYPES
def test_samples_inside_an_answer(path: Path, form: str, content_type: str) -> None:
    sample = json.loads(path.read_text())
    wrong = document(sample["error"], form)
    running = exchange(stream=True)
    frames = running.transform(sse_bytes([text("0"), wrong])) + running.transform(b"")
    found = events(b"".join(frames))
    assert said(found) == "0"  # what came still counts
    [error] = errors(found)
    assert (error["type"], error["code"]) == (sample["expected"]["type"], sample["expected"]["code"])
    assert sample["expected"]["words"] in error["message"]
    assert found[-1] == "[DONE]"
    first = exchange(stream=True)  # an error that comes first has its own status
    body = sse_bytes([wrong]) if content_type == "text/event-stream" else json.dumps(wrong).encode()
    check(first.whole({"content-type": content_type}, body), sample["expected"])
    check(exchange(stream=False).whole({"content-type": content_type}, body), sample["expected"])


def test_there_is_one_for_each_kind() -> None:
    assert len(SAMPLES) == 22


def rpc(status: str, message: str = "words", code: int = 0, **more: Any) -> dict[str, Any]:
    return {"status": status, "message": message, "code": code, **more}


def info(reason: str, **metadata: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}


def retry(delay: Any) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def quota(quota_id: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota_id}]}


def limited(message: str = "words", *details: dict[str, Any]) -> dict[str, Any]:
    return rpc("RESOURCE_EXHAUSTED", message, 429, details=list(details))


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


# HTTP status, error -> status, code, x-should-retry, lowest and highest retry-after
Variation = tuple[int, Any, int, str, str, tuple[int, int] | None]
VARIATIONS: dict[str, Variation] = {
    "c222-out-of-range": (400, rpc("OUT_OF_RANGE"), 400, "out_of_range", "false", None),
    "c222-precondition": (400, rpc("FAILED_PRECONDITION", "User location is not supported"), 400, "failed_precondition", "false", None),
    "c222-aborted": (409, rpc("ABORTED"), 409, "conflict", "true", None),
    "c222-already-exists": (409, rpc("ALREADY_EXISTS"), 409, "conflict", "true", None),
    "c222-unknown": (500, rpc("UNKNOWN"), 500, "internal", "true", None),
    "c222-data-loss": (500, rpc("DATA_LOSS"), 500, "internal", "true", None),
    "c222-unimplemented": (501, rpc("UNIMPLEMENTED"), 501, "unimplemented", "false", None),
    "c222-deadline": (504, rpc("DEADLINE_EXCEEDED"), 504, "timeout", "true", None),
    "c222-new-word": (418, rpc("A_NEW_WORD"), 418, "internal", "false", None),
    "c222-no-word": (503, {"message": "x"}, 503, "overloaded", "true", None),
    "c223-retry-info": (429, limited("x", retry("12.5s")), 429, "rate_limit_exceeded", "true", (13, 13)),
    "c223-retry-info-ms": (429, limited("x", retry("900ms")), 429, "rate_limit_exceeded", "true", (1, 1)),
    "c223-retry-info-odd": (429, limited("x", retry({"seconds": 5})), 429, "rate_limit_exceeded", "true", None),
    "c223-retry-info-words": (429, limited("x", retry("soon")), 429, "rate_limit_exceeded", "true", None),
    "retry-info-of-400-digits": (429, limited("x", retry("9" * 400 + "s")), 429, "rate_limit_exceeded", "true", None),
    "retry-info-of-11-digits": (429, limited("x", retry("12345678901s")), 429, "rate_limit_exceeded", "true", None),
    "retry-info-of-too-many-pieces": (429, limited("x", retry("1s" * 51)), 429, "rate_limit_exceeded", "true", None),
    "c223-503": (503, rpc("UNAVAILABLE", "x", 503, details=[retry("3s")]), 503, "overloaded", "true", (3, 3)),
    "c224-please-retry-in": (429, limited("Please retry in 900ms"), 429, "rate_limit_exceeded", "true", (1, 1)),
    "c224-please-retry-in-s": (429, limited("Please retry in 7.25s."), 429, "rate_limit_exceeded", "true", (8, 8)),
    "c224-reset-after": (429, limited("Your quota will reset after 4m3s."), 429, "rate_limit_exceeded", "true", (243, 243)),
    "c224-reset-after-hours": (429, limited("Your quota will reset after 2h3m4s."), 429, "insufficient_quota", "false", (7384, 7384)),
    "reset-in": (429, limited("Your quota resets in 1h2m3s."), 429, "insufficient_quota", "false", (3723, 3723)),
    "retry-after": (429, limited("Retry after 1m3s"), 429, "rate_limit_exceeded", "true", (63, 63)),
    "try-again-in": (429, limited("Quota exceeded. Please try again in 1H2M3S"), 429, "insufficient_quota", "false", (3723, 3723)),
    "again-in-no-time": (429, limited("Try again in a while"), 429, "rate_limit_exceeded", "true", None),
    "c224-metadata": (429, limited("x", info("RATE_LIMIT_EXCEEDED", quotaResetDelay="4.5s")), 429, "rate_limit_exceeded", "true", (5, 5)),
    "c224-metadata-hours": (429, limited("x", info("RATE_LIMIT_EXCEEDED", quotaResetDelay="161h39m41.3s")), 429, "insufficient_quota", "false", (581982, 581982)),
    "c224-timestamp": (429, limited("x", info("RATE_LIMIT_EXCEEDED", quotaResetTimeStamp="SOON")), 429, "rate_limit_exceeded", "true", (1, 120)),
    "c224-timestamp-far": (429, limited("x", info("RATE_LIMIT_EXCEEDED", quotaResetTimeStamp=soon(90_000))), 429, "insufficient_quota", "false", (89_000, 90_000)),
    "c224-timestamp-past": (429, limited("x", info("RATE_LIMIT_EXCEEDED", quotaResetTimeStamp="2020-01-01T00:00:00Z")), 429, "rate_limit_exceeded", "true", None),
    "c224-timestamp-none": (429, limited("x", info("RATE_LIMIT_EXCEEDED", quotaResetTimeStamp="tomorrow")), 429, "rate_limit_exceeded", "true", None),
    "c225-per-day": (429, limited("x", quota("GenerateRequestsPerDayPerProject")), 429, "insufficient_quota", "false", None),
    "c225-daily": (429, limited("x", quota("DailyLimit"), retry("5s")), 429, "insufficient_quota", "false", None),
    "c225-daily-and-its-reset": (429, limited("Please retry in 7s.", quota("PerDay"), info("x", quotaResetDelay="9h"), retry("7s")), 429, "insufficient_quota", "false", (32_400, 32_400)),
    "c225-limit-0": (429, limited("Quota exceeded, limit: 0", retry("33740s")), 429, "insufficient_quota", "false", None),
    "c225-limit-0.5-is-none": (429, limited("Quota exceeded, limit: 0.5"), 429, "rate_limit_exceeded", "true", None),
    "c225-credits": (429, limited("x", info("INSUFFICIENT_G1_CREDITS_BALANCE")), 429, "insufficient_quota", "false", None),
    "c225-exhausted": (429, limited("x", info("QUOTA_EXHAUSTED")), 429, "insufficient_quota", "false", None),
    "c225-long": (429, limited("x", retry("301s")), 429, "insufficient_quota", "false", (301, 301)),
    "c225-not-long": (429, limited("x", retry("300s")), 429, "rate_limit_exceeded", "true", (300, 300)),
    "c225-per-minute": (429, limited("x", quota("RequestsPerMinute")), 429, "rate_limit_exceeded", "true", (60, 60)),
    "c226-capacity-503": (503, rpc("UNAVAILABLE", "x", 503, details=[info("MODEL_CAPACITY_EXCEEDED")]), 503, "model_capacity_exhausted", "true", (10, 10)),
    "c226-capacity-short": (429, limited("x", info("MODEL_CAPACITY_EXHAUSTED"), retry("1s")), 429, "model_capacity_exhausted", "true", (10, 10)),
    "c226-capacity-longer": (429, limited("x", info("MODEL_CAPACITY_EXHAUSTED"), retry("40s")), 429, "model_capacity_exhausted", "true", (40, 40)),
    "c228-tokens": (400, rpc("INVALID_ARGUMENT", "The input token count (5) exceeds the maximum number of tokens allowed (4)."), 400, "context_length_exceeded", "false", None),
    "c217-no-details": (403, rpc("PERMISSION_DENIED"), 403, "permission_denied", "false", None),
    "c218-vpc-sc": (403, rpc("PERMISSION_DENIED", "x", 403, details=[info("SECURITY_POLICY_VIOLATED")]), 403, "security_policy_violated", "false", None),
    "details-none": (429, rpc("RESOURCE_EXHAUSTED", details=None), 429, "rate_limit_exceeded", "true", None),
    "details-odd": (429, rpc("RESOURCE_EXHAUSTED", details=[None, 1, "x", {}, {"@type": 5}]), 429, "rate_limit_exceeded", "true", None),
    "details-no-list": (429, rpc("RESOURCE_EXHAUSTED", details={"a": 1}), 429, "rate_limit_exceeded", "true", None),
    "message-odd": (500, rpc("INTERNAL", cast(Any, {"a": 1})), 500, "internal", "true", None),
    "message-empty": (500, rpc("INTERNAL", "  "), 500, "internal", "true", None),
}  # fmt: skip


@pytest.mark.parametrize("row", VARIATIONS.values(), ids=VARIATIONS)
@FORMS
def test_variations(row: Variation, form: str) -> None:
    http, error, status, code, again, delays = row
    answer = refused(http, json.dumps(document(error, form)).replace("SOON", soon(120)).encode())
    found = json.loads(answer.body)["error"]
    assert (answer.status, found["code"], answer.headers["x-should-retry"]) == (status, code, again)
    assert found["message"]
    after = answer.headers.get("retry-after")
    assert (after is None) is (delays is None)
    if delays is not None and after is not None:
        assert delays[0] <= int(after) <= delays[1]
        assert int(answer.headers["retry-after-ms"]) <= delays[1] * 1000


BODIES = [b"", b" ", b"<html><h1>Blocked</h1></html>", b"\xff\0", b"null", b"[]", b"[1]", b'"x"', b"{}", b'{"error":null}',
          b'{"error":[]}', b'{"error":"text"}', b'{"error":{}}', b"data: {", b'[{"error":{"code":"x"}}\n,\n]']  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [301, 400, 403, 407, 429, 500, 502, 503])
def test_bodies_that_are_no_errors(body: bytes, status: int) -> None:
    answer = refused(status, body, "text/html")
    error = json.loads(answer.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert b"<" not in answer.body
    assert answer.status == (status if status >= 400 else 502)


def test_secrets_are_not_repeated() -> None:
    secrets = ["ya29.a0AfB_secret-token", "1//0gSecretRefreshToken", "someone.else@example.com", "900000000007"]
    message = f"Denied: {secrets[0]} {secrets[1]} for {secrets[2]} in project_number:{secrets[3]}"
    body = json.dumps({"error": rpc("PERMISSION_DENIED", message)}).encode()
    streamed = exchange(stream=True)
    heard = refused(403, body).body + b"".join(streamed.transform(sse_bytes([text("0"), body])))
    for secret in secrets:
        assert secret.encode() not in heard
