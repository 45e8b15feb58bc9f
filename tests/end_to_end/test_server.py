"""What the server answers itself, to whom, and where it listens."""

import json
import socket
import threading
from pathlib import Path

import httpx
import pytest

from gemini_proxy.emulator import Answer, Emulator
from tests.end_to_end.proxy import Proxy, free_port, running, sign_in
from tests.exchanges import HI

CHAT = "/v1/chat/completions"


def test_health(http: httpx.Client) -> None:
    answer = http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert http.head("/health").status_code == 200


def test_models(http: httpx.Client) -> None:
    models = http.get("/v1/models").json()
    assert models["object"] == "list"
    assert {"id", "object", "created", "owned_by", "context_length", "max_output_tokens"} == set(models["data"][0])
    assert "gemini-2.5-flash" in [model["id"] for model in models["data"]]
    assert http.get("/v1/models/gemini-2.5-flash").json()["id"] == "gemini-2.5-flash"
    assert http.get("/v1/models/gpt-4").json()["error"]["code"] == "model_not_found"


REFUSED = [
    ("GET", "/", 404),
    ("GET", "/v1/nothing", 404),
    ("POST", "/v1internal:generateContent", 404),
    ("GET", "/v1internal:generateContent", 404),
    ("PUT", CHAT, 405),
    ("GET", CHAT, 405),
    ("DELETE", "/v1/models", 405),
    ("POST", "/health", 405),
    ("GET", "//v1/models", 404),
    ("GET", "/v1/../v1internal:loadCodeAssist", 404),
    ("GET", "/auth/nothing", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), REFUSED)
def test_everything_else_is_refused_here(
    http: httpx.Client, google: Emulator, method: str, path: str, status: int
) -> None:
    before = len(google.requests)
    answer = http.send(httpx.Request(method, http.base_url.copy_with(raw_path=path.encode())))
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert ("allow" in answer.headers) == (status == 405)
    assert len(google.requests) == before


@pytest.mark.parametrize("line", [b"CONNECT evil.test:443 HTTP/1.1", b"GET http://evil.test/v1/models2 HTTP/1.1"])
def test_it_is_no_proxy(proxy: Proxy, google: Emulator, line: bytes) -> None:
    before = len(google.requests)
    host, port = proxy.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(line + b"\r\nHost: evil.test\r\n\r\n")
        assert client.recv(65536).split()[1] in (b"400", b"404", b"405")
    assert len(google.requests) == before


def test_key(tmp_path: Path, google: Emulator) -> None:
    sign_in(google, tmp_path / "tokens.json")
    with (
        running(tmp_path, google, env={"PROXY_API_KEY": "s3cret"}) as proxy,
        httpx.Client(base_url=proxy.url, trust_env=False) as http,
    ):
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "s3cret"},
            {"authorization": "Basic s3cret"},
        ):
            for answer in (
                http.get("/v1/models", headers=headers),
                http.get("/v1/nothing", headers=headers),
                http.post(CHAT, headers=headers),
            ):
                assert answer.status_code == 401
                assert answer.json()["error"]["code"] == "invalid_api_key"
                assert answer.headers["www-authenticate"] == "Bearer"
        right = {"authorization": "Bearer s3cret"}
        assert http.get("/v1/models", headers=right).status_code == 200
        assert http.post(CHAT, headers=right, json={"model": "gemini-2.5-flash", "messages": HI}).status_code == 200
        assert http.get("/health").status_code == 200
        assert "s3cret" not in proxy.log
    assert "PROXY_API_KEY is not set" not in proxy.log


def test_without_a_key_it_says_so(proxy: Proxy) -> None:
    assert "PROXY_API_KEY is not set" in proxy.log
    assert "Google's terms" in proxy.log


def test_it_listens_on_loopback_alone(proxy: Proxy) -> None:
    assert f"listening at 127.0.0.1:{proxy.url.rpartition(':')[2]}" in proxy.log
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", int(proxy.url.rpartition(":")[2]))) != 0


def test_no_request_reaches_google_while_it_starts(tmp_path: Path, google: Emulator) -> None:
    """From the first moment a port is open, the addon is there: nobody's request is forwarded as it came."""
    before = len(google.requests)
    stop = threading.Event()

    def knock(port: int) -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                    client.sendall(b"GET /v1internal:probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    client.recv(1000)
            except OSError:
                continue

    mode = f"reverse:{google.url}"
    port = free_port()
    knocker = threading.Thread(target=knock, args=(port,))
    knocker.start()
    try:
        with running(tmp_path, None, "--listen-host", "127.0.0.1", "--listen-port", str(port), mode=mode, port=port):
            pass
    finally:
        stop.set()
        knocker.join()
    assert [request.path for request in google.requests[before:]] == []


def test_demo(tmp_path: Path) -> None:
    with (
        running(tmp_path, None, "--set", "gemini_demo=true") as proxy,
        httpx.Client(base_url=proxy.url, trust_env=False, timeout=30) as http,
    ):
        answer = http.post(CHAT, json={"model": "gemini-2.5-flash", "messages": HI})
        assert "emulator" in answer.json()["choices"][0]["message"]["content"]
        assert http.get("/auth/status").json()["authenticated"] is True
        assert "DEMO" in proxy.log
    assert not (tmp_path / "tokens.json").exists()


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["--set", "gemini_port=abc"], {}, "gemini_port must be a number"),
        (["--set", "gemini_dmo=true"], {}, "Did you mean gemini_demo"),
        ([], {"GEMINI_API_KYE": "k"}, "Did you mean GEMINI_API_KEY"),
        ([], {"GOOGLE_CLOUD_PROJECT": "12345"}, "not its number"),
        ([], {"CODE_ASSIST_ENDPOINT": "http://example.com"}, "plain http"),
        (["--set", "stream_large_bodies=1k"], {}, "stream_large_bodies"),
    ],
)
def test_a_setting_that_cannot_work_stops_it(
    tmp_path: Path, arguments: list[str], env: dict[str, str], words: str
) -> None:
    with pytest.raises(RuntimeError, match=words), running(tmp_path, None, *arguments, env=env):
        pass


def test_settings_from_env_file_and_options(tmp_path: Path, google: Emulator) -> None:
    (tmp_path / ".env").write_text("PROXY_API_KEY=from-file\nGEMINI_USER_AGENT=from-file/1\n")
    sign_in(google, tmp_path / "tokens.json")
    with running(tmp_path, google, "--set", "gemini_user_agent=from-option/1") as proxy:
        headers = {"authorization": "Bearer from-file"}
        answer = httpx.post(
            proxy.url + CHAT, headers=headers, json={"model": "gemini-2.5-flash", "messages": HI}, trust_env=False
        )
        assert answer.status_code == 200
    sent = {name.lower(): value for name, value in dict(google.requests[-1].headers).items()}
    assert sent["user-agent"] == "from-option/1"
    assert json.loads(google.requests[-1].body)["model"] == "gemini-2.5-flash"


def test_no_secret_is_logged_or_saved(tmp_path: Path, google: Emulator) -> None:
    sign_in(google, tmp_path / "tokens.json", expiry_date=1_000)
    saved, archive = tmp_path / "saved.flow", tmp_path / "saved.har"
    arguments = ["-w", str(saved), "--set", f"hardump={archive}", "--set", "termlog_verbosity=debug"]
    arguments += ["--set", "flow_detail=4"]
    key = {"authorization": "Bearer client-s3cret"}
    asked = {"model": "gemini-2.5-flash", "messages": HI}
    with (
        running(tmp_path, google, *arguments, env={"PROXY_API_KEY": "client-s3cret"}) as proxy,
        httpx.Client(base_url=proxy.url, trust_env=False, timeout=20, headers=key) as http,
    ):
        assert http.post(CHAT, json={**asked, "stream": True}).status_code == 200
        assert http.post(CHAT, json=asked).status_code == 200
        http.get("/v1/models")
        http.get("/auth/callback?code=auth-s3cret&state=state-s3cret")
        google.script("generateContent", Answer(fault="reset-before-headers"))
        assert http.post(CHAT, json=asked).status_code == 502
        processes = b"".join(path.read_bytes() for path in Path("/proc").glob(f"{proxy.process.pid}/cmdline"))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("tokens.json*")} == {0o600}
    assert b'"entries"' in archive.read_bytes()
    shown = saved.read_bytes() + archive.read_bytes() + proxy.log.encode() + processes
    for secret in {*google.secrets, "client-s3cret", "auth-s3cret", "state-s3cret"}:
        assert secret.encode() not in shown
