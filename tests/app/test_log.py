"""One line for each request."""

import json
import logging

import pytest

from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.app.log import Finished, write
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import HttpRequest
from tests.exchanges import STOP, exchange, sse_bytes

CHAT = "/v1/chat/completions"
NO_KEY = ProxyError(401, "invalid_api_key", "No API key provided.\nSend it.")


def call() -> UpstreamCall:
    running = exchange(stream=True)
    running.transform(sse_bytes([STOP]))
    running.transform(b"")
    return UpstreamCall(running, running._upstream, HttpRequest("POST", "https://google.test/", {}, b""), 1)


@pytest.mark.parametrize(
    ("request_", "level"),
    [
        (Finished("i", "GET", "/health", 200), logging.DEBUG),
        (Finished("i", "GET", "/health/ready", 200), logging.DEBUG),
        (Finished("i", "GET", "/health/ready", 503), logging.DEBUG),
        (Finished("i", "POST", CHAT, 200), logging.INFO),
        (Finished("i", "POST", CHAT, 401, error=NO_KEY), logging.WARNING),
        (Finished("i", "POST", CHAT, 500), logging.ERROR),
    ],
)
def test_levels(caplog: pytest.LogCaptureFixture, request_: Finished, level: int) -> None:
    with caplog.at_level(logging.DEBUG):
        write(request_, as_json=False)
    (record,) = caplog.records
    assert record.levelno == level


def test_why_a_request_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever form the client's protocol gave it, and in one line."""
    write(Finished("id", "POST", CHAT, 401, "127.0.0.1", 0.5, error=NO_KEY), as_json=False)
    assert caplog.messages == [
        f"POST {CHAT} 401 invalid_api_key total_ms=500 request_id=id: No API key provided. Send it."
    ]


def test_a_call(capsys: pytest.CaptureFixture[str]) -> None:
    write(Finished("id", "POST", CHAT, 200, "127.0.0.1", 0.5, call(), "code-assist"), as_json=True)
    record = json.loads(capsys.readouterr().err)
    assert record.pop("time")
    assert record == {
        "request_id": "id",
        "method": "POST",
        "path": CHAT,
        "status": 200,
        "client": "127.0.0.1",
        "total_ms": 500,
        "upstream": "code-assist",
        "model": "gemini-2.5-flash",
        "stream": True,
        "input_tokens": 1,
        "output_tokens": 2,
        "finish_reason": "STOP",
    }


def test_a_stream_that_failed_has_a_reason_though_its_status_is_good(caplog: pytest.LogCaptureFixture) -> None:
    failed = call()
    failed.exchange.refuse(ProxyError(502, "upstream_incomplete", "It broke off."))
    write(Finished("id", "POST", CHAT, 200, call=failed), as_json=False)
    assert "upstream_incomplete" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
