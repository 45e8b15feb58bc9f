"""Faults of Google, the network, the client and the process, through a real mitmdump with short limits."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemini_proxy.emulator import Answer, Emulator
from gemini_proxy.emulator.messages import Request
from tests.end_to_end.proxy import ROOT, Proxy, running, sign_in
from tests.exchanges import HI, STOP, errors, events, finishes, said, sse_bytes, text

CHAT = "/v1/chat/completions"
LIMIT = 1.0  # seconds, for the first byte and for pauses
SLACK = 3.0  # the clock of a connection ticks once a second
SHORT = {"GEMINI_FIRST_BYTE_LIMIT": str(LIMIT), "GEMINI_IDLE_LIMIT": str(LIMIT)}
SSE = sse_bytes([text("one"), text("two"), STOP])
FIRST = len(sse_bytes([text("one")]))
WHOLE = json.dumps(text("one", finishReason="STOP")).encode()
STREAMS = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "gemini-2.5-flash", "messages": HI, **more}


def method(stream: bool) -> str:
    return "streamGenerateContent" if stream else "generateContent"


@pytest.fixture(scope="module")
def hasty(_google: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy with short limits."""
    folder = tmp_path_factory.mktemp("hasty")
    sign_in(_google, folder / "tokens.json")
    with running(folder, _google, env={**SHORT, "GEMINI_LOG_JSON": "true"}) as proxy:
        yield proxy


@pytest.fixture
def client(hasty: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hasty.url, trust_env=False, timeout=20) as client:
        yield client


# 401 and the repair -----------------------------------------------------------------------------------------------


@STREAMS
def test_a_revoked_token_is_renewed_and_sent_again(client: httpx.Client, google: Emulator, stream: bool) -> None:
    before = len(google.calls("/token"))
    google.expire_tokens()
    answer = client.post(CHAT, json=chat(stream=stream))
    assert answer.status_code == 200, answer.text
    assert "hi" in (said(events(answer.content)) if stream else answer.json()["choices"][0]["message"]["content"])
    assert len(google.calls("/token")) - before == 1
    assert client.post(CHAT, json=chat(stream=stream)).status_code == 200
    assert len(google.calls("/token")) - before == 1


def test_many_revoked_at_once_and_one_refresh(hasty: Proxy, google: Emulator) -> None:
    before = len(google.calls("/token"))
    google.expire_tokens()
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(httpx.post, hasty.url + CHAT, json=chat(), trust_env=False, timeout=30) for _ in range(20)]
    assert {one.result().status_code for one in asked} == {200}
    assert len(google.calls("/token")) - before == 1


@STREAMS
def test_a_second_401_means_sign_in(client: httpx.Client, google: Emulator, stream: bool) -> None:
    google.script(method(stream), *[Answer.error("unauthenticated")] * 2)
    before = len(google.calls(method(stream)))
    answer = client.post(CHAT, json=chat(stream=stream))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "google_login_required")
    assert answer.headers["x-should-retry"] == "false"
    assert len(google.calls(method(stream))) - before == 2


REFUSED_SIGNATURE = Answer.json(
    {"error": {"code": 400, "message": "Thought signature is not valid", "status": "INVALID_ARGUMENT"}}, 400
)


def with_a_call(**more: Any) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    call["extra_content"] = {"google": {"thought_signature": "AAAA"}}
    messages = [
        *HI,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    return {"model": "gemini-3-pro-preview", "messages": messages, "tools": tools, **more}


@STREAMS
def test_a_refused_signature_is_replaced_once(client: httpx.Client, google: Emulator, stream: bool) -> None:
    google.script(method(stream), REFUSED_SIGNATURE)
    answer = client.post(CHAT, json=with_a_call(stream=stream))
    assert answer.status_code == 200, answer.text
    assert "thought signatures" in answer.headers["x-gemini-proxy-warnings"]
    first, second = google.calls(method(stream))[-2:]
    assert b"AAAA" in first.body
    assert b"AAAA" not in second.body
    assert b"skip_thought_signature_validator" in second.body
    google.script(method(stream), REFUSED_SIGNATURE, REFUSED_SIGNATURE)
    before = len(google.calls(method(stream)))
    assert client.post(CHAT, json=with_a_call(stream=stream)).status_code == 400
    assert len(google.calls(method(stream))) - before == 2


def test_no_other_second_try(client: httpx.Client, google: Emulator) -> None:
    for name in ("rate-limited", "internal", "unavailable", "too-long", "iam"):
        google.script("generateContent", Answer.error(name))
        before = len(google.calls("generateContent"))
        assert client.post(CHAT, json=chat()).status_code >= 400
        assert len(google.calls("generateContent")) - before == 1


# The matrix -------------------------------------------------------------------------------------------------------

HTML = b"<html><body><h1>Blocked by your company</h1></body></html>"
CELLS: dict[str, Callable[[bool], Answer]] = {
    "before headers: reset": lambda _: Answer(fault="reset-before-headers"),
    "before headers: close": lambda _: Answer(fault="close-before-headers"),
    "before headers: stall": lambda _: Answer(fault="stall-before-headers"),
    "headers: garbage": lambda _: Answer(fault="garbage"),
    "headers: html 200": lambda _: Answer.raw(HTML, 200, "text/html"),
    "headers: html 403": lambda _: Answer.raw(HTML, 403, "text/html"),
    "headers: html 502": lambda _: Answer.raw(HTML, 502, "text/html"),
    "headers: html as a stream": lambda _: Answer.raw(HTML, 200, "text/event-stream"),
    "headers: wrong status": lambda _: Answer.raw(b"", 204),
    "headers: redirect": lambda _: Answer(302, {"Location": "https://evil.test/"}, (b"",)),
    "headers: gzip that is none": lambda _: Answer(
        200, {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}, (b"x",)
    ),
    "headers: empty 200": lambda _: Answer.raw(b"", 200),
    "headers: empty stream": lambda _: Answer.raw(b"", 200, "text/event-stream", framing="chunked"),
    "headers: invalid header": lambda _: Answer(200, {"Content Type": "x"}, (b"",)),
}
PLACES = {"first byte": 0, "first event": FIRST, "mid-event": FIRST + 20, "last event": len(SSE) - 30}


def fault_at(fault: str, at: int, gzip: bool) -> Callable[[bool], Answer]:
    def answer(stream: bool) -> Answer:
        body = SSE if stream else WHOLE
        place = at * len(body) // len(SSE) // (4 if gzip else 1)  # compressed, it is shorter
        if stream:
            return Answer.sse(SSE, fault=fault, at=place, gzip=gzip)
        return Answer.raw(WHOLE, fault=fault, at=place, gzip=gzip)

    return answer


def garbage_at(at: int) -> Callable[[bool], Answer]:
    def answer(stream: bool) -> Answer:
        if stream:
            return Answer.sse(SSE[:at] + b"\0\xff<html>")
        return Answer.raw(WHOLE[: at * len(WHOLE) // len(SSE)] + b"\0\xff")

    return answer


def error_at(at: int) -> Callable[[bool], Answer]:
    error = b'data: {"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}\r\n\r\n'
    return lambda stream: Answer.sse(SSE[: min(at, FIRST)] + error) if stream else Answer.error("unavailable", "array")


def add_cells(place: str, at: int) -> None:
    for fault in ("reset", "truncate", "stall", "end-early"):
        CELLS[f"{place}: {fault}"] = fault_at(fault, at, False)
        CELLS[f"{place}: {fault}, gzip"] = fault_at(fault, at, True)
    CELLS[f"{place}: garbage"] = garbage_at(at)
    CELLS[f"{place}: error"] = error_at(at)


for _place, _at in PLACES.items():
    add_cells(_place, _at)


@STREAMS
def test_no_fault_passes_for_an_answer(hasty: Proxy, google: Emulator, stream: bool) -> None:
    """All cells at once, each on a connection of its own: a stall costs its limit once and not per cell."""

    def answer(request: Request) -> Answer:
        name = json.loads(request.body)["request"]["contents"][-1]["parts"][0]["text"]
        return CELLS[name](stream)

    def ask(name: str) -> tuple[str, float, httpx.Response]:
        began = time.monotonic()
        body = chat(stream=stream, messages=[{"role": "user", "content": name}])
        heard = httpx.post(hasty.url + CHAT, json=body, trust_env=False, timeout=20)
        return name, time.monotonic() - began, heard

    google.always(method(stream), answer)
    with ThreadPoolExecutor(16) as pool:
        for name, took, heard in pool.map(ask, CELLS):
            check_cell(name, took, heard)
    google.clear()
    assert "Traceback" not in hasty.log
    assert "has crashed" not in hasty.log
    assert httpx.post(hasty.url + CHAT, json=chat(stream=stream), trust_env=False).status_code == 200


def check_cell(name: str, took: float, heard: httpx.Response) -> None:
    shown = f"{name}: {heard.status_code} {heard.content!r} after {took:.1f} s"
    assert took < 2 * LIMIT + SLACK, shown
    assert b"<html" not in heard.content.lower(), shown
    assert heard.content, shown
    if heard.status_code != 200:
        error = heard.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}, shown
        assert heard.status_code >= 400, shown
        if "stall" in name:
            assert heard.status_code in (502, 504), shown
        return
    assert heard.headers["content-type"].startswith("text/event-stream"), shown
    found = events(heard.content)
    assert len(errors(found)) == 1, shown
    assert found[-1] == "[DONE]", shown
    assert finishes(found) == [], shown


@pytest.mark.parametrize("fault", ["refused", "dns", "tls", "tls stall", "stall"])
def test_no_connection(tmp_path: Path, google: Emulator, fault: str) -> None:
    sign_in(google, tmp_path / "tokens.json")
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        deaf_port = deaf.getsockname()[1]
        place = {
            "refused": "http://127.0.0.1:9",
            "dns": "https://nowhere.invalid",
            "tls": google.url.replace("http:", "https:"),
            "tls stall": f"https://127.0.0.1:{deaf_port}",
            "stall": f"http://127.0.0.1:{deaf_port}",
        }[fault]
        env = {**SHORT, "CODE_ASSIST_ENDPOINT": place, "GEMINI_GOOGLE_URL": google.url}
        with running(tmp_path, None, env=env) as proxy:
            began = time.monotonic()
            answers = [
                httpx.post(proxy.url + CHAT, json=chat(stream=stream), trust_env=False, timeout=30)
                for stream in (True, False)
            ]
            assert time.monotonic() - began < 2 * (LIMIT + SLACK)
    for answer in answers:
        check_no_connection(fault, answer)


def check_no_connection(fault: str, answer: httpx.Response) -> None:
    assert answer.status_code == (504 if "stall" in fault else 502), answer.text
    assert answer.json()["error"]["code"] == {
        "refused": "upstream_unreachable",
        "dns": "upstream_unreachable",
        "tls": "upstream_tls_error",
    }.get(fault, "timeout")


def test_a_stall_is_a_504_before_the_answer_and_an_error_event_in_it(client: httpx.Client, google: Emulator) -> None:
    google.script("streamGenerateContent", Answer(fault="stall-before-headers"))
    answer = client.post(CHAT, json=chat(stream=True))
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    google.script("streamGenerateContent", Answer.sse(SSE, fault="stall", at=FIRST))
    found = events(client.post(CHAT, json=chat(stream=True)).content)
    assert said(found) == "one"
    assert [error["code"] for error in errors(found)] == ["timeout"]


def test_an_error_before_the_first_word_has_its_own_status(client: httpx.Client, google: Emulator) -> None:
    error = b'data: {"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}\r\n\r\n'
    google.script("streamGenerateContent", Answer.sse(error), Answer.sse(sse_bytes([text("one")]) + error))
    answer = client.post(CHAT, json=chat(stream=True))
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert "transfer-encoding" not in answer.headers
    answer = client.post(CHAT, json=chat(stream=True))
    assert answer.status_code == 200
    assert said(events(answer.content)) == "one"
    assert [error["code"] for error in errors(events(answer.content))] == ["rate_limit_exceeded"]


# The client ---------------------------------------------------------------------------------------------------------


@STREAMS
@pytest.mark.parametrize("phase", ["before headers", "in the body", "second try"])
def test_a_client_that_goes_away_ends_the_call_within_a_second(
    proxy: Proxy, google: Emulator, stream: bool, phase: str
) -> None:
    late = {
        "before headers": [Answer(fault="stall-before-headers")],
        "in the body": [Answer.sse(SSE, fault="stall", at=FIRST) if stream else Answer.raw(WHOLE, fault="stall", at=9)],
        "second try": [Answer.error("unauthenticated"), Answer(fault="stall-before-headers")],
    }[phase]
    google.script(method(stream), *late)
    before = len(google.calls(method(stream)))
    host, port = proxy.url.removeprefix("http://").split(":")
    body = json.dumps(chat(stream=stream)).encode()
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (CHAT.encode(), len(body), body)
        )
        assert google.wait_for(lambda: len(google.calls(method(stream))) - before == len(late), 5)
    request = google.calls(method(stream))[-1]
    assert google.wait_for(lambda: request.disconnected, 1.5)
    assert "Traceback" not in proxy.log


def test_pipelined_and_kept_alive_requests(proxy: Proxy, google: Emulator) -> None:
    host, port = proxy.url.removeprefix("http://").split(":")
    one = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(one * 3 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        heard = b"".join(iter(lambda: client.recv(65536), b""))
    assert heard.count(b'{"status":"ok"}') == 4


# The process --------------------------------------------------------------------------------------------------------


def test_one_line_for_each_request(hasty: Proxy, client: httpx.Client, google: Emulator) -> None:
    before = len(hasty.log)
    client.post(CHAT, json=chat())
    client.post(CHAT, json=chat(stream=True))
    client.get("/v1/nothing?key=abc")
    client.get("/health")
    lines = [json.loads(line[line.index("{") :]) for line in hasty.log[before:].splitlines() if '"total_ms"' in line]
    assert [(line["status"], line.get("stream"), line.get("model"), line.get("code")) for line in lines] == [
        (200, False, "gemini-2.5-flash", None),
        (200, True, "gemini-2.5-flash", None),
        (404, None, None, "not_found"),
    ]
    assert all(line["input_tokens"] > 0 and line["output_tokens"] > 0 for line in lines[:2])
    assert lines[1]["first_byte_ms"] <= lines[1]["total_ms"]
    assert [line["path"] for line in lines] == [CHAT, CHAT, "/v1/nothing"]
    assert {line["client"] for line in lines} == {"127.0.0.1"}


@contextmanager
def slow_stream(google: Emulator, proxy: Proxy) -> Iterator[Iterator[str]]:
    """A stream that has begun."""
    google.script("streamGenerateContent", Answer.sse([text("one"), text("two"), STOP], pace=0.7))
    with httpx.stream("POST", proxy.url + CHAT, json=chat(stream=True), trust_env=False, timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data:")
        yield lines


def test_sigterm_has_an_end(google: Emulator, tmp_path: Path) -> None:
    sign_in(google, tmp_path / "tokens.json")
    google.script("streamGenerateContent", Answer.sse(SSE, fault="stall", at=FIRST))
    body = chat(stream=True)
    with (
        running(tmp_path, google, env={"GEMINI_SHUTDOWN_GRACE": "0.5"}) as proxy,
        httpx.stream("POST", proxy.url + CHAT, json=body, trust_env=False) as answer,
    ):
        next(answer.iter_lines())
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(5) == 0


def test_a_reload_of_the_script_is_survived(google: Emulator, tmp_path: Path) -> None:
    sign_in(google, tmp_path / "tokens.json")
    script = tmp_path / "addon.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n" + (ROOT / "addon.py").read_text())
    with running(tmp_path, google, script=script) as proxy, slow_stream(google, proxy) as lines:
        google.script("generateContent", Answer(first_byte_delay=2.5))
        with ThreadPoolExecutor(1) as pool:
            whole = pool.submit(httpx.post, proxy.url + CHAT, json=chat(), trust_env=False, timeout=20)
            assert google.wait_for(lambda: google.calls("generateContent"), 5)
            os.utime(script, (time.time() + 5, time.time() + 5))
            assert [line for line in lines if line][-1] == "data: [DONE]"
            assert whole.result().json()["object"] == "chat.completion"
        assert proxy.log.count("Loading script") == 2
        assert httpx.post(proxy.url + CHAT, json=chat(), trust_env=False).status_code == 200
    assert "Traceback" not in proxy.log
