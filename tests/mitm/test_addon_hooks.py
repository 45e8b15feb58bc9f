"""The addon behind its gate, as a client meets it: each hook with mitmproxy's own addon manager, without sockets."""

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gemini_proxy.google_login.client import Reply
from tests.mitm.house import API_KEY, KEY, House, Left, Visitor, house

HI = [{"role": "user", "content": "hi"}]
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 100, "totalTokenCount": 108}


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with house(tmp_path, monkeypatch, {"GEMINI_ALLOWED_ORIGINS": "https://chat.example"}) as found:
        yield found


@pytest.fixture
def client(proxy: House) -> Visitor:
    return proxy.connect()


def chat(client: Visitor, *, stream: bool = False, key: str = KEY, **headers: str) -> Visitor:
    body = json.dumps({"model": "gemini-2.5-flash", "messages": HI, "stream": stream}).encode()
    return client.asks("/v1/chat/completions", "POST", body, authorization=f"Bearer {key}", **headers)


def said(text: str, **candidate: Any) -> dict[str, Any]:
    content = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **candidate}
    return {"candidates": [content], "usageMetadata": USAGE}


def whole(document: Any, status: str = "200 OK") -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(),
        len(body),
        body,
    )


def event(document: Any) -> bytes:
    data = b"data: " + json.dumps(document).encode() + b"\r\n\r\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def answered(client: Visitor) -> Any:
    return json.loads(client.body)


def code(client: Visitor) -> str:
    found: str = answered(client)["error"]["code"]
    return found


def test_a_chat(proxy: House, client: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    chat(client, origin="https://chat.example")
    assert client.opened[0].address == ("127.0.0.1", 9)
    assert b"POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1\r\n" in client.to_google
    assert API_KEY.encode() in client.to_google
    assert KEY.encode() not in client.to_google
    client.google_says(whole(said("hello", finishReason="STOP")))
    assert client.status == 200
    assert answered(client)["choices"][0]["message"]["content"] == "hello"
    assert client.headers["access-control-allow-origin"] == "https://chat.example"
    assert client.headers["x-request-id"]
    (line,) = [record for record in caplog.records if record.name == "gemini_proxy.requests"]
    assert line.levelno == logging.INFO
    assert line.getMessage().startswith(
        "POST /v1/chat/completions 200 gemini-2.5-flash STOP input_tokens=3 output_tokens=105 reasoning_tokens=100 "
    )
    assert "first_byte_ms" not in line.getMessage()  # of a whole answer it says nothing that total_ms does not
    assert "s3cret" not in caplog.text


def test_a_stream(proxy: House, client: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    chat(client, stream=True).google_says(SSE + event(said("hel")))
    assert client.status == 200
    assert client.headers["content-type"].startswith("text/event-stream")
    assert client.headers["transfer-encoding"] == "chunked"
    assert client.headers["x-request-id"]
    assert b'"hel"' in client.to_client
    client.google_says(event(said("lo", finishReason="STOP")) + b"0\r\n\r\n")
    assert client.to_client.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert "first_byte_ms=" in caplog.text
    chat(client).google_says(whole(said("again", finishReason="STOP")))  # the connection goes on
    assert answered(client)["choices"][0]["message"]["content"] == "again"


def test_a_stream_of_nothing_is_an_error(client: Visitor) -> None:
    chat(client, stream=True).google_says(SSE + b"0\r\n\r\n")
    assert client.status == 502
    assert code(client)


def test_a_stream_to_a_client_that_asked_for_a_whole_answer_is_read_to_its_end(client: Visitor) -> None:
    chat(client).google_says(SSE + event(said("hel")))
    assert client.to_client == b""
    client.google_says(event(said("lo", finishReason="STOP")) + b"0\r\n\r\n")
    assert answered(client)["choices"][0]["message"]["content"] == "hello"


def test_a_compressed_stream_is_read_as_a_whole(client: Visitor) -> None:
    import gzip

    body = gzip.compress(b"data: " + json.dumps(said("hello", finishReason="STOP")).encode() + b"\n\n")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    chat(client, stream=True).google_says(head % len(body) + body)
    assert b'"hello"' in client.body
    assert client.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("path", "method", "key", "status", "expected"),
    [
        ("/v1/models", "GET", "", 401, "invalid_api_key"),
        ("/v1/models", "GET", "wrong", 401, "invalid_api_key"),
        ("/elsewhere", "GET", "wrong", 401, "invalid_api_key"),
        ("/elsewhere", "GET", KEY, 404, "not_found"),
        ("/v1/nothing", "GET", KEY, 404, "not_found"),
        ("/health", "POST", "", 405, "method_not_allowed"),
    ],
)
def test_refusals(client: Visitor, path: str, method: str, key: str, status: int, expected: str) -> None:
    client.asks(path, method, authorization=f"Bearer {key}")
    assert (client.status, code(client)) == (status, expected)
    assert client.opened == []
    assert client.headers["content-length"] == str(len(client.body))


def test_a_refusal_does_not_wait_for_the_body(client: Visitor) -> None:
    client.client_says(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
    assert client.status == 401
    assert client.headers["connection"] == "close"


def test_the_guard_s_refusal_is_one_for_the_page_that_asked(client: Visitor) -> None:
    client.asks("/v1/models", origin="https://evil.example", authorization=f"Bearer {KEY}")
    assert client.status == 403
    assert "access-control-allow-origin" not in client.headers


def test_a_preflight(client: Visitor) -> None:
    client.asks("/v1/models", "OPTIONS", origin="https://chat.example", access_control_request_method="POST")
    assert client.status == 204
    assert client.headers["access-control-allow-origin"] == "https://chat.example"
    assert "content-length" not in client.headers


def test_head_gets_the_headers_alone(client: Visitor) -> None:
    client.asks("/health", "HEAD")
    assert (client.status, client.body) == (200, b"")
    assert int(client.headers["content-length"]) > 0


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_health_is_not_in_the_log(client: Visitor, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """It would be most of the log where something asks every few seconds."""
    caplog.set_level(logging.DEBUG)
    client.asks(path)
    assert client.status == 200
    levels = {record.levelno for record in caplog.records if record.name == "gemini_proxy.requests"}
    assert levels == {logging.DEBUG}


def test_as_json_the_log_goes_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with house(tmp_path, monkeypatch, {"GEMINI_LOG_JSON": "true"}) as proxy:
        client = proxy.connect()
        client.asks("/health")
        chat(client).google_says(whole(said("hello", finishReason="STOP")))
        capture = capsys.readouterr().err
    (line,) = capture.strip().splitlines()
    record = json.loads(line)
    assert (record["path"], record["status"], record["upstream"]) == ("/v1/chat/completions", 200, "gemini-api")
    assert (record["client"], record["stream"], record["finish_reason"]) == ("127.0.0.1", False, "STOP")
    assert (record["input_tokens"], record["output_tokens"]) == (3, 105)
    assert record["total_ms"] >= 0
    assert record["request_id"] == client.headers["x-request-id"]


def test_what_was_ignored_is_said_beside_the_flow_and_in_the_log(
    client: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({"model": "gemini-2.5-flash", "messages": HI, "logit_bias": {"1": 1}}).encode()
    client.asks("/v1/chat/completions", "POST", body, authorization=f"Bearer {KEY}")
    client.google_says(whole(said("hello", finishReason="STOP")))
    assert "logit_bias" in client.headers["x-gemini-proxy-warnings"]
    assert "/v1/chat/completions: " in caplog.text
    assert "logit_bias" in caplog.text


BUSY = {"error": {"code": 429, "message": "Resource has been exhausted", "status": "RESOURCE_EXHAUSTED"}}


@pytest.mark.parametrize("stream", [False, True])
def test_google_s_refusal(client: Visitor, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    chat(client, stream=stream).google_says(whole(BUSY, "429 Too Many Requests"))
    assert client.status == 429
    assert code(client)
    (line,) = [record for record in caplog.records if record.name == "gemini_proxy.requests"]
    assert "POST /v1/chat/completions 429 " in line.getMessage()
    assert f"request_id={client.headers['x-request-id']}: " in line.getMessage()


REPAIRABLE = {"error": {"code": 400, "message": "Corrupted thought signature.", "status": "INVALID_ARGUMENT"}}
SIGNED = [
    *HI,
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "CiQBjz1rXw+/8v0="}},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "1"},
]


class SecondTry:
    """What the proxy's own calls send, and what comes back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, bytes, float]] = []
        self.trust: list[object] = []
        self.reply: Reply | Exception = Reply(200, json.dumps(said("second", finishReason="STOP")).encode())
        self.closed = 0
        second = self

        class Client:
            def __init__(self, transport: object = None, outbound: object = None) -> None:
                second.trust.append(outbound)

            async def send(self, method: str, url: str, headers: Any, body: bytes = b"", limit: float = 0) -> Reply:
                second.sent.append((url, body, limit))
                if isinstance(second.reply, Exception):
                    raise second.reply
                return second.reply

            async def aclose(self) -> None:
                second.closed += 1

        monkeypatch.setattr("gemini_proxy.app.call.HttpClient", Client)


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> SecondTry:
    return SecondTry(monkeypatch)


def repairable(client: Visitor, *, stream: bool = False) -> Visitor:
    body = json.dumps({"model": "gemini-3-pro-preview", "messages": SIGNED, "stream": stream}).encode()
    client.asks("/v1/chat/completions", "POST", body, authorization=f"Bearer {KEY}")
    client.google_says(whole(REPAIRABLE, "400 Bad Request"))
    return client


def test_a_second_try(proxy: House, client: Visitor, second: SecondTry) -> None:
    repairable(client)
    assert answered(client)["choices"][0]["message"]["content"] == "second"
    ((url, body, limit),) = second.sent
    assert url.startswith("http://127.0.0.1:9/v1beta/models/gemini-3-pro-preview:")
    assert b"CiQBjz1rXw" not in body
    assert limit == 600
    assert second.closed == 1
    assert second.trust[0] is not None
    assert proxy.addon._trying == {}


def test_a_second_try_that_fails_too(client: Visitor, second: SecondTry) -> None:
    second.reply = Reply(429, json.dumps(BUSY).encode(), {"retry-after": "7"})
    repairable(client, stream=True)
    assert client.status == 429
    assert client.headers["retry-after"] == "7"


@pytest.mark.parametrize(("raised", "status"), [("here", 503), ("bug", 400)])
def test_a_second_try_that_cannot_be_made(client: Visitor, second: SecondTry, raised: str, status: int) -> None:
    from gemini_proxy.errors import ProxyError

    second.reply = ProxyError(503, "google_unreachable", "No way.") if raised == "here" else RuntimeError("a bug")
    repairable(client)
    assert client.status == status


def test_mitmproxy_s_errors_in_our_words(client: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    client.unreachable = "[Errno 111] Connect call failed"
    chat(client)
    assert (client.status, code(client)) == (502, "upstream_unreachable")
    assert client.headers["connection"] == "close"
    assert "502 upstream_unreachable" in caplog.text


def test_google_closes_before_it_answers(client: Visitor) -> None:
    chat(client).google_closes()
    assert client.status in (502, 503)
    assert "127.0.0.1" in answered(client)["error"]["message"]


def test_a_client_that_leaves_is_logged_as_499(client: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    chat(client, stream=True).google_says(SSE + event(said("hel"))).client_leaves()
    assert "POST /v1/chat/completions 499 " in caplog.text


def test_a_client_that_leaves_before_google_answers(client: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    chat(client).client_leaves()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "gemini_proxy.requests"]
    assert line.startswith("POST /v1/chat/completions 499 gemini-2.5-flash ")
    assert client.to_client == b""
    assert client.opened[0] in client.closed


def test_a_malformed_request_gets_our_words_and_a_line(client: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    client.client_says(b"NONSENSE\r\n\r\n")
    assert client.status == 400
    assert code(client)
    assert "400" in caplog.text


def test_no_tunnels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with house(tmp_path, monkeypatch, {}, mode=["regular"]) as proxy:
        client = proxy.connect().client_says(b"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n")
        assert client.opened == []
        assert client.status == 405
        assert b"opens no tunnels" in client.to_client


def test_a_body_that_is_too_large(client: Visitor, proxy: House) -> None:
    client.client_says(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
        b"Content-Length: 999999999\r\n\r\n" % KEY.encode()
    )
    assert client.status == 413
    assert "body_size_limit" in client.to_client.decode()


@pytest.mark.parametrize("where", ["admit", "answer"])
def test_a_bug_is_a_500_and_in_the_log(
    proxy: House, client: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(proxy.addon.app, where, bug)
    chat(client)
    assert client.status == 500
    assert code(client) == "internal_error"
    assert "a bug" not in client.to_client.decode()
    assert "a bug" in caplog.text
    assert client.opened == []


def test_what_a_client_compressed(client: Visitor) -> None:
    import gzip

    body = gzip.compress(json.dumps({"model": "gemini-2.5-flash", "messages": HI}).encode())
    client.asks("/v1/chat/completions", "POST", body, authorization=f"Bearer {KEY}", content_encoding="gzip")
    assert b'"hi"' in client.to_google


def test_a_stop_refuses_what_is_new(proxy: House, client: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(proxy.addon.shutdown), "begun", property(lambda _: True))
    chat(client)
    assert (client.status, code(client)) == (503, "shutting_down")


def test_an_edited_path_needs_its_own_key(proxy: House, client: Visitor) -> None:
    """/health is for everybody: an interception that turns it into a chat is not."""

    class Editor:
        def request(self, flow: Any) -> None:
            flow.request.path = "/v1/models"

    proxy.context.master.addons.add(Editor())
    client.asks("/health")
    assert (client.status, code(client)) == (401, "invalid_api_key")


def test_a_company_s_proxy_gets_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env, google = {"HTTPS_PROXY": "http://me:pass@proxy.corp:8080"}, "reverse:https://generativelanguage.googleapis.com"
    with house(tmp_path, monkeypatch, env, mode=[google]) as proxy:
        client = proxy.connect()
        chat(client)
        assert client.opened[0].address == ("proxy.corp", 8080)
        assert b"CONNECT generativelanguage.googleapis.com:443 HTTP/1.1\r\n" in client.to_google
        assert b"proxy-authorization: Basic bWU6cGFzcw==" in client.to_google


CALL = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "CiQBjz1rXw+/8v0="}


def test_signatures_outlive_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client keeps the ids of calls alone; the file is there from the start."""
    model = "gemini-3-pro-preview"

    def ask(client: Visitor, messages: list[Any]) -> None:
        body = json.dumps({"model": model, "messages": messages}).encode()
        client.asks("/v1/chat/completions", "POST", body, authorization=f"Bearer {KEY}")

    with house(tmp_path, monkeypatch, {}) as proxy:
        client = proxy.connect()
        ask(client, HI)
        candidate = {"content": {"role": "model", "parts": [CALL]}, "index": 0, "finishReason": "STOP"}
        client.google_says(whole({"candidates": [candidate]}))
        (call,) = answered(client)["choices"][0]["message"]["tool_calls"]
    del call["extra_content"]
    made = {"role": "assistant", "tool_calls": [call]}
    with house(tmp_path, monkeypatch, {}) as proxy:
        client = proxy.connect()
        ask(client, [*HI, made, {"role": "tool", "tool_call_id": call["id"], "content": "1"}])
        assert CALL["thoughtSignature"].encode() in client.to_google  # type: ignore[attr-defined]


def test_the_state_s_file_is_there_before_anything_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    with house(tmp_path, monkeypatch, {}):
        assert [thread.name for thread in set(threading.enumerate()) - before] == ["state"]
    assert (tmp_path / "state" / "state.sqlite").stat().st_mode & 0o777 == 0o600
    assert set(threading.enumerate()) <= before  # the end has waited for it


def test_settings_that_change_make_a_new_app(proxy: House) -> None:
    """Requests that run keep the one they began with."""
    old = proxy.addon.app

    async def change() -> None:
        proxy.context.options.update(gemini_api_key="another-key")

    client = chat(proxy.connect())
    proxy.runner.run(change())
    assert proxy.addon.app is not old
    client.google_says(whole(said("hello", finishReason="STOP")))
    assert client.status == 200
    assert chat(proxy.connect()).status == 401
    assert chat(proxy.connect(), key="another-key").opened


def test_a_setting_that_cannot_work_is_taken_back(proxy: House) -> None:
    from mitmproxy.exceptions import OptionsError

    async def change() -> None:
        proxy.context.options.update(gemini_idle_limit="soon")

    with pytest.raises(OptionsError):
        proxy.runner.run(change())
    assert proxy.context.options.gemini_idle_limit is None
    assert proxy.gate.idle_limit == 300
    assert proxy.gate.addon is proxy.addon


@pytest.mark.parametrize(("env", "block"), [({}, False), ({"PROXY_API_KEY": ""}, True)])
def test_what_the_addon_sets_of_mitmproxy_s_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str], block: bool
) -> None:
    with house(tmp_path, monkeypatch, {**env, "PROXY_PORT": "3456"}) as proxy:
        options = proxy.context.options
        assert (options.connection_strategy, options.keep_host_header) == ("lazy", True)
        assert options.body_size_limit == "150m"
        assert options.block_global is block  # with a key, clients from anywhere are asked for it
        assert (options.listen_host, options.listen_port) == ("127.0.0.1", 3456)
        assert options.ssl_verify_upstream_trusted_ca is None


def test_a_file_of_certificates_counts_for_mitmproxy_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import certifi

    with house(tmp_path, monkeypatch, {"SSL_CERT_FILE": certifi.where()}) as proxy:
        assert proxy.context.options.ssl_verify_upstream_trusted_ca == certifi.where()


@pytest.mark.parametrize(
    ("env", "options", "words"),
    [
        ({"SSL_CERT_FILE": "/nowhere.pem", "SSL_CERT_DIR": "/certs"}, {}, "SSL_CERT_FILE names /nowhere.pem"),
        ({"GEMINI_IDLE_LIMIT": "soon"}, {}, "GEMINI_IDLE_LIMIT"),
        ({}, {"stream_large_bodies": "1m"}, "stream_large_bodies"),
    ],
)
def test_a_start_that_fails_ends_the_process(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    env: dict[str, str],
    options: dict[str, str],
    words: str,
) -> None:
    with pytest.raises(Left), house(tmp_path, monkeypatch, env, started=False, **options):
        pass
    assert words in capsys.readouterr().err


def test_a_bug_in_the_start_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("gemini_proxy.mitm.addon.App", bug)
    with pytest.raises(Left), house(tmp_path, monkeypatch, {}, started=False):
        pass
    assert "cannot start: RuntimeError: a bug" in capsys.readouterr().err


def test_a_start_says_what_it_is_and_listens(
    proxy: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    listened: list[str] = []

    async def opened() -> str:
        listened.append("open")
        return ""

    monkeypatch.setattr(proxy.gate.listeners, "open", opened)
    monkeypatch.setattr(proxy.addon.shutdown, "listen", lambda: listened.append("signals"))

    async def run() -> None:
        proxy.gate.started = False
        running = proxy.addon.running()
        assert running is not None
        await running
        assert proxy.addon.running() is None  # the script was loaded again: everything listens already

    proxy.runner.run(run())
    assert listened == ["signals", "open", "signals"]
    assert "http://127.0.0.1:3000/v1" in caplog.text


def test_libraries_do_not_log_each_call(proxy: House) -> None:
    assert logging.getLogger("httpx").level == logging.getLogger("httpcore").level == logging.WARNING


def replayed(proxy: House, path: str = "/v1/chat/completions", body: bytes = b"") -> Any:
    """A flow of a client's that mitmproxy is asked to send again; its flow has no key."""
    from mitmproxy.hooks import all_hooks
    from mitmproxy.test import tflow, tutils

    flow = tflow.tflow(req=tutils.treq(method=b"POST" if body else b"GET", path=path.encode(), content=body))
    flow.request.headers["host"] = "localhost:3000"
    flow.request.headers["authorization"] = "***"
    flow.live, flow.is_replay = True, "request"
    proxy.trigger(all_hooks["request"](flow))
    return flow


def test_a_replay_is_a_call_of_our_own(proxy: House, second: SecondTry) -> None:
    flow = replayed(proxy, body=json.dumps({"model": "gemini-2.5-flash", "messages": HI}).encode())
    assert flow.response.status_code == 200
    assert json.loads(flow.response.content)["choices"][0]["message"]["content"] == "second"
    assert second.sent[0][0].startswith("http://127.0.0.1:9/v1beta/models/gemini-2.5-flash:generateContent")
    second.reply = Reply(429, json.dumps(BUSY).encode())
    flow = replayed(proxy, body=json.dumps({"model": "gemini-2.5-flash", "messages": HI}).encode())
    assert flow.response.status_code == 429


def test_a_replay_of_what_is_answered_here(proxy: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert replayed(proxy, "/health").response.status_code == 200
    assert replayed(proxy, "/v1/nothing").response.status_code == 404

    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(proxy.addon.app, "answer", bug)
    assert replayed(proxy, "/health").response.status_code == 500


def test_flows_that_are_nobody_s_pass(proxy: House) -> None:
    """From a file, say: mitmproxy shows them to every addon."""
    from mitmproxy.test import tflow

    flow = tflow.tflow(resp=True)
    before = repr(flow.get_state())
    proxy.runner.run(proxy.context.cycle(proxy.addon, flow))
    flow.error = tflow.terr()
    proxy.addon.error(flow)
    flow.error = None
    assert repr(flow.get_state()) == before


def test_a_client_that_leaves_ends_its_second_try(proxy: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    client = proxy.connect()
    leave = proxy.addon.client_disconnected

    async def waits(*_: object) -> None:
        asyncio.get_running_loop().call_soon(leave, client.context.client)
        await asyncio.sleep(60)

    monkeypatch.setattr("gemini_proxy.google_login.client.HttpClient.send", waits)
    repairable(client)
    assert client.status == 499
    assert proxy.addon._trying == {}


def test_a_flow_has_the_address_that_the_client_used(proxy: House, client: Visitor) -> None:
    """It is what is shown, exported and saved; mitmproxy has put the upstream's there."""
    seen: list[tuple[str, str, int]] = []

    class Viewer:
        def request(self, flow: Any) -> None:
            seen.append((flow.request.scheme, flow.request.host, flow.request.port))

    proxy.context.master.addons.add(Viewer())
    client.asks("/health")
    assert seen == [("http", "localhost", 3000)]


def test_another_addon_cannot_have_the_request_streamed(proxy: House, client: Visitor) -> None:
    """It is translated as a whole."""

    class Streamer:
        def requestheaders(self, flow: Any) -> None:
            flow.request.stream = True

    proxy.context.master.addons.add(Streamer())
    chat(client).google_says(whole(said("hello", finishReason="STOP")))
    assert answered(client)["choices"][0]["message"]["content"] == "hello"


def test_a_flow_that_was_refused_is_over(proxy: House, client: Visitor) -> None:
    """Although its body may still come."""
    flows: list[Any] = []

    class Viewer:
        def response(self, flow: Any) -> None:
            flows.append(flow)

    proxy.context.master.addons.add(Viewer())
    client.client_says(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
    assert [flow.live for flow in flows] == [False]


def test_http_1_0_ends_with_the_connection(client: Visitor) -> None:
    client.client_says(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert (client.status, client.headers["connection"]) == (200, "close")
