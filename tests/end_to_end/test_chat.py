"""Chat completions through a real mitmdump, against the emulator."""

import http.client
import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemini_proxy.emulator import Answer, Emulator
from tests.end_to_end.proxy import Proxy, running, sign_in, wait_until
from tests.exchanges import HI, STOP, candidate, errors, events, finishes, said, sse_bytes, text

CHAT = "/v1/chat/completions"
WORDS = "naïve 漢字 😀 👩‍👩‍👧 end"
SSE = sse_bytes([text(WORDS), STOP])


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "gemini-2.5-flash", "messages": HI, **more}


def test_whole(http: httpx.Client, google: Emulator) -> None:
    answer = http.post(CHAT, json=chat())
    assert answer.status_code == 200
    body = answer.json()
    assert "hi" in body["choices"][0]["message"]["content"]
    assert body["usage"]["total_tokens"] > 0
    assert answer.headers["x-gemini-model-version"].startswith("gemini-2.5-flash")


def test_stream(http: httpx.Client, google: Emulator) -> None:
    answer = http.post(CHAT, json=chat(stream=True, stream_options={"include_usage": True}))
    found = events(answer.content)
    assert "hi" in said(found)
    assert finishes(found) == ["stop"]
    assert found[-2]["usage"]["total_tokens"] > 0
    assert found[-1] == "[DONE]"


def test_stream_headers(http: httpx.Client, google: Emulator) -> None:
    with http.stream("POST", CHAT, json=chat(stream=True)) as answer:
        headers = dict(answer.headers)
        answer.read()
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["transfer-encoding"] == "chunked"
    assert set(headers) == {"content-type", "cache-control", "x-accel-buffering", "transfer-encoding", "x-request-id"}


def test_what_google_is_sent(http: httpx.Client, google: Emulator) -> None:
    secret = {
        "authorization": "Bearer client-key",
        "cookie": "a=b",
        "x-stainless-os": "Linux",
        "accept-encoding": "gzip",
    }
    for stream, path in ((True, "/v1internal:streamGenerateContent?alt=sse"), (False, "/v1internal:generateContent")):
        http.post(CHAT, json=chat(stream=stream, temperature=0.5), headers=secret)
        request = google.requests[-1]
        assert request.path + (f"?{request.query}" if request.query else "") == path
        headers = {name.lower(): value for name, value in dict(request.headers).items()}
        assert set(headers) == {
            "host",
            "accept",
            "accept-encoding",
            "authorization",
            "content-type",
            "user-agent",
            "content-length",
        }
        assert headers["accept-encoding"] == "identity"
        assert headers["user-agent"].startswith("gemini-proxy/")
        assert "/gemini-2.5-flash (" in headers["user-agent"]
        assert headers["host"] == google.url.removeprefix("http://")
        envelope = json.loads(request.body)
        assert list(envelope) == ["model", "project", "user_prompt_id", "request"]
        assert envelope["project"] == google.settings.project
        assert envelope["request"]["generationConfig"]["temperature"] == 0.5


def test_chunks_arrive_one_by_one(proxy: Proxy, google: Emulator) -> None:
    google.script("streamGenerateContent", Answer.sse([text("one"), text("two"), text("three"), STOP], pace=0.15))
    arrivals: list[float] = []
    with httpx.stream("POST", proxy.url + CHAT, json=chat(stream=True), trust_env=False) as answer:
        for line in answer.iter_lines():
            if '"content":"' in line and '"content":""' not in line:
                arrivals.append(time.monotonic())
    assert len(arrivals) == 3
    assert arrivals[-1] - arrivals[0] > 0.2  # three chunks 0.15 s apart did not wait for each other


@pytest.mark.parametrize("seed", [1, 7, "every byte"])
def test_google_cuts_its_bytes_anywhere(http: httpx.Client, google: Emulator, seed: Any) -> None:
    cuts = 1 if seed == "every byte" else [random.Random(seed).randint(1, 9) for _ in range(50)]
    google.script("streamGenerateContent", Answer.sse(SSE, pieces=cuts))
    answer = http.post(CHAT, json=chat(stream=True))
    assert said(events(answer.content)) == WORDS


def test_google_cuts_its_bytes_at_every_position(http: httpx.Client, google: Emulator) -> None:
    for place in range(1, len(SSE), 7):
        google.script("streamGenerateContent", Answer.sse(SSE, pieces=[place, len(SSE)]))
        assert said(events(http.post(CHAT, json=chat(stream=True)).content)) == WORDS


def test_fifty_requests_and_one_refresh(google: Emulator, tmp_path: Path) -> None:
    sign_in(google, tmp_path / "tokens.json", expiry_date=1_000)
    before = len(google.calls("/token"))
    with running(tmp_path, google) as proxy, ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda _: httpx.post(proxy.url + CHAT, json=chat(), trust_env=False, timeout=30), range(50))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len(google.calls("/token")) - before == 1


def test_nobody_is_signed_in(google: Emulator, tmp_path: Path) -> None:
    with running(tmp_path, google) as proxy:
        answer = httpx.post(proxy.url + CHAT, json=chat(stream=True), trust_env=False)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (401, "google_login_required")
        assert f"127.0.0.1:{proxy.url.rpartition(':')[2]}/auth/login" in error["message"]
        assert answer.headers["x-should-retry"] == "false"
        sign_in(google, tmp_path / "tokens.json")  # by another process: it takes effect at once
        assert httpx.post(proxy.url + CHAT, json=chat(), trust_env=False).status_code == 200


def test_without_a_network(tmp_path: Path, google: Emulator) -> None:
    sign_in(google, tmp_path / "tokens.json")
    env = {"CODE_ASSIST_ENDPOINT": "http://127.0.0.1:9", "GEMINI_GOOGLE_URL": "http://127.0.0.1:9"}
    with running(tmp_path, None, env=env) as proxy, httpx.Client(base_url=proxy.url, trust_env=False) as http:
        assert http.get("/health").json() == {"status": "ok"}
        assert http.get("/v1/models").status_code == 200
        assert http.get("/auth/status").json()["authenticated"] is True
        for stream in (True, False):
            answer = http.post(CHAT, json=chat(stream=stream))
            assert answer.status_code == 502
            assert answer.headers["content-type"] == "application/json"
            assert answer.json()["error"]["code"] == "upstream_unreachable"


@pytest.mark.parametrize("fault", ["truncate", "reset", "end-early"])
def test_a_stream_that_breaks_off_says_so(http: httpx.Client, google: Emulator, fault: str) -> None:
    google.script("streamGenerateContent", Answer.sse(SSE, fault=fault, at=len(SSE) // 2))
    found = events(http.post(CHAT, json=chat(stream=True)).content)
    assert [error["code"] for error in errors(found)] == ["upstream_incomplete"]
    assert found[-1] == "[DONE]"
    assert finishes(found) == []


@pytest.mark.parametrize("fault", ["reset-before-headers", "close-before-headers", "garbage"])
@pytest.mark.parametrize("stream", [True, False])
def test_google_hangs_up_before_it_answers(http: httpx.Client, google: Emulator, fault: str, stream: bool) -> None:
    google.script("streamGenerateContent" if stream else "generateContent", Answer(fault=fault))
    answer = http.post(CHAT, json=chat(stream=stream))
    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "server_error"
    assert http.post(CHAT, json=chat()).status_code == 200


@pytest.mark.parametrize("stream", [True, False])
def test_gzip_though_not_asked_for(http: httpx.Client, google: Emulator, stream: bool) -> None:
    google.script("streamGenerateContent" if stream else "generateContent", Answer(gzip=True))
    answer = http.post(CHAT, json=chat(stream=stream))
    assert answer.status_code == 200
    assert "hi" in (said(events(answer.content)) if stream else answer.json()["choices"][0]["message"]["content"])


def test_a_client_that_goes_away_ends_the_call(proxy: Proxy, google: Emulator) -> None:
    google.script("streamGenerateContent", Answer.sse([text("x")] * 1000, pace=0.05))
    with httpx.stream("POST", proxy.url + CHAT, json=chat(stream=True), trust_env=False) as answer:
        next(answer.iter_lines())
    request = google.calls("streamGenerateContent")[-1]
    assert google.wait_for(lambda: request.disconnected, 5)
    assert "Traceback" not in proxy.log


@pytest.mark.parametrize("form", ["object", "array"])
def test_google_s_errors_keep_their_status(http: httpx.Client, google: Emulator, form: str) -> None:
    body: Any = {
        "error": {
            "code": 429,
            "message": "Slow down.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}],
        }
    }
    wire = json.dumps([body] if form == "array" else body).encode()
    google.script("streamGenerateContent", Answer.raw(wire, 429, "text/event-stream"))
    answer = http.post(CHAT, json=chat(stream=True))
    assert (answer.status_code, answer.headers["retry-after"], answer.headers["retry-after-ms"]) == (429, "13", "12500")
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"


def test_http_1_0(proxy: Proxy, google: Emulator) -> None:
    host, port = proxy.url.removeprefix("http://").split(":")
    body = json.dumps(chat(stream=True)).encode()
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (CHAT.encode(), len(body), body))
        heard = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, stream = heard.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert events(stream)[-1] == "[DONE]"


def test_one_connection_serves_many_requests(proxy: Proxy, google: Emulator) -> None:
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"))
    for stream in (False, True, False, True):
        connection.request("POST", CHAT, json.dumps(chat(stream=stream)))
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read()
    connection.close()


def test_what_only_the_end_of_a_stream_tells_is_logged(proxy: Proxy, http: httpx.Client, google: Emulator) -> None:
    google.script("streamGenerateContent", Answer.sse([text("x"), candidate(finishReason="SOMETHING_NEW")]))
    assert http.post(CHAT, json=chat(stream=True, frobnicate=1)).status_code == 200
    assert wait_until(lambda: "SOMETHING_NEW" in proxy.log)
    assert "frobnicate" in proxy.log
