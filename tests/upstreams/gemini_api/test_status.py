"""What the public API's errors become."""

import json
from typing import Any

import pytest

from gemini_proxy.emulator import GoogleError
from gemini_proxy.emulator import public_errors as google
from gemini_proxy.upstreams.gemini_api.status import STANDING
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi

KEY = "AIza" + "s" * 35


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (google.no_key(), 401, "google_api_key_required"),
        (google.invalid_key(), 401, "invalid_google_api_key"),
        (google.expired_key(), 401, "expired_google_api_key"),
        (google.leaked_key(), 401, "leaked_google_api_key"),
        (google.suspended(KEY), 403, "google_api_key_suspended"),
        (google.key_blocked(), 403, "google_api_key_restricted"),
        (google.service_disabled(), 403, "service_disabled"),
        (google.location(), 403, "unsupported_location"),
        (google.billing(), 403, "billing_required"),
        (google.quota(), 429, "rate_limit_exceeded"),
        (google.quota(per="Day"), 429, "insufficient_quota"),
        (google.quota(limit=0), 429, "insufficient_quota"),
        (google.model_not_found("m", "generateContent"), 404, "model_not_found"),
        (google.overloaded(), 503, "overloaded"),
        (GoogleError("UNAUTHENTICATED", "Request had invalid authentication credentials."), 401, "invalid_google_api_key"),
        (GoogleError("INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."), 400, "context_length_exceeded"),
        (GoogleError("INTERNAL", "Internal error encountered."), 500, "internal"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
@pytest.mark.parametrize("form", ["object", "array"])
def test_errors(error: GoogleError, status: int, code: str, form: str) -> None:
    body: Any = error.body(form)
    found = GeminiApi("https://google.test", KEY).refuse(error.code, {}, json.dumps(body).encode())
    assert (found.status, found.code) == (status, code)
    assert KEY not in found.message
    assert found.retry is (status >= 500 or code == "rate_limit_exceeded")
    assert (code in STANDING) is (status in (401, 403))


def test_when_to_come_back() -> None:
    body = json.dumps(google.quota(seconds=12.5).as_object()).encode()
    assert GeminiApi("https://google.test", KEY).refuse(429, {}, body).retry_after == 12


@pytest.mark.parametrize("key", [KEY, "AQ.Ab8RN6" + "x" * 40])
def test_no_key_is_quoted(key: str) -> None:
    body = json.dumps({"error": {"message": f"Bad key {key}: no."}}).encode()
    message = GeminiApi("https://google.test", "").refuse(400, {}, body).message
    assert message == "Bad key ***: no."
