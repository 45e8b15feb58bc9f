"""Errors as OpenAI's SDKs read them."""

import json

import pytest

from gemini_proxy.dialects.openai_errors import refusal
from gemini_proxy.errors import ProxyError
from tests.exchanges import errors, streamed, text

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "server_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    499: "server_error",
    500: "server_error",
    502: "server_error",
    503: "server_error",
    504: "server_error",
}


@pytest.mark.parametrize(("status", "kind"), TYPES.items())
def test_the_status_implies_the_type(status: int, kind: str) -> None:
    answer = refusal(ProxyError(status, "code", "Words.", param="messages[0]"))
    assert answer.status == status
    assert answer.headers == {"content-type": "application/json"}
    assert json.loads(answer.body) == {
        "error": {"message": "Words.", "type": kind, "param": "messages[0]", "code": "code"}
    }


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(401, "invalid_api_key", "invalid_request_error"), (429, "insufficient_quota", "insufficient_quota")],
)
def test_two_codes_have_types_of_their_own(status: int, code: str, kind: str) -> None:
    assert json.loads(refusal(ProxyError(status, code, "Words.")).body)["error"]["type"] == kind


def test_when_to_try_again() -> None:
    answer = refusal(ProxyError(429, "x", "y", retry=False, retry_after=12.0001, headers={"allow": "GET"}))
    assert answer.headers["allow"] == "GET"
    assert answer.headers["x-should-retry"] == "false"
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("13", "12001")
    assert refusal(ProxyError(503, "x", "y", retry=True)).headers["x-should-retry"] == "true"


def test_an_error_in_a_stream_has_the_same_form() -> None:
    (error,) = errors(streamed([text("half")]))
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] is None
