"""What mitmproxy shows and saves while a call is under way, and after it was ended in any way: no secret."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gemini_proxy.emulator import Answer, Emulator
from tests.end_to_end.proxy import ROOT, TARGET, environment, free_port, running, sign_in, wait_until
from tests.exchanges import HI, STOP, text

CHAT = "/v1/chat/completions"
KEY = "client-s3cret"
BODY = {"model": "gemini-2.5-flash", "messages": HI}
MITMWEB = "from mitmproxy.tools.main import mitmweb; mitmweb()"


@dataclass
class Web:
    proxy: str
    ui: httpx.Client
    process: subprocess.Popen[bytes]


@contextmanager
def mitmweb(folder: Path, google: Emulator, *arguments: str, password: str = "web-s3cret") -> Iterator[Web]:
    port, web_port = free_port(), free_port()
    command = [sys.executable, "-c", MITMWEB, "-s", str(ROOT / "addon.py"), "--mode", TARGET, *arguments]
    command += ["--no-web-open-browser", "--web-port", str(web_port), "--set", f"web_password={password}"]
    env = environment(folder, google, PROXY_PORT=str(port), PROXY_API_KEY=KEY)
    with (folder / "mitmweb.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    headers = {"authorization": "Bearer web-s3cret", "cookie": "_xsrf=aa; _mitmproxy_xsrf=aa", "x-xsrftoken": "aa"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{web_port}", trust_env=False, headers=headers) as ui:

            def up() -> bool:
                try:
                    return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
                except httpx.TransportError:
                    return False

            assert wait_until(up, 30), (folder / "mitmweb.log").read_text()
            yield Web(f"http://127.0.0.1:{port}", ui, process)
    finally:
        process.kill()
        process.wait()


def ask(url: str, **more: object) -> threading.Thread:
    """A chat in the background: its answer is not waited for."""

    def post() -> None:
        try:
            httpx.post(
                url + CHAT,
                json={**BODY, **more},
                headers={"authorization": f"Bearer {KEY}"},
                trust_env=False,
                timeout=20,
            )
        except httpx.HTTPError:
            return

    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    return thread


def secrets_in(google: Emulator, shown: bytes) -> list[str]:
    return [secret for secret in {*google.secrets, KEY, "auth-s3cret", "state-s3cret"} if secret.encode() in shown]


@pytest.mark.parametrize("stream", [False, True])
def test_mitmweb_while_google_thinks(tmp_path: Path, google: Emulator, stream: bool) -> None:
    sign_in(google, tmp_path / "tokens.json")
    google.script("generateContent", Answer.sse([text("hi"), STOP], first_byte_delay=3))
    google.script("streamGenerateContent", Answer.sse([text("hi"), STOP], first_byte_delay=3))
    with mitmweb(tmp_path, google) as web:
        thread = ask(web.proxy, stream=stream)
        asked = len(google.requests)
        assert wait_until(
            lambda: len(google.requests) > asked - 1 and CHAT.encode() in web.ui.get("/flows").content, 10
        )
        for path in ("/flows", "/flows/dump", "/events", "/options", "/state"):
            assert secrets_in(google, web.ui.get(path).content) == [], path
        (flow,) = [flow for flow in web.ui.get("/flows").json() if flow["request"]["path"] == CHAT]
        shown = web.ui.get(f"/flows/{flow['id']}/request/content.data")
        assert shown.json()["messages"] == HI  # the client's own words
        assert flow["request"]["port"] == int(web.proxy.rpartition(":")[2])
        thread.join()


def test_mitmweb_at_intercept_and_what_is_edited_there(tmp_path: Path, google: Emulator) -> None:
    sign_in(google, tmp_path / "tokens.json")
    with mitmweb(tmp_path, google, "--set", "intercept=~q & ~u chat") as web:
        before = len(google.requests)
        thread = ask(web.proxy)

        def held() -> list[dict[str, object]]:
            return [flow for flow in web.ui.get("/flows").json() if flow["intercepted"]]

        assert wait_until(lambda: bool(held()), 10)
        (flow,) = held()
        assert secrets_in(google, web.ui.get("/flows").content + web.ui.get("/flows/dump").content) == []
        edited = '{"model":"gemini-2.5-flash","messages":[{"role":"user","content":"edited by hand"}]}'
        assert web.ui.put(f"/flows/{flow['id']}", json={"request": {"content": edited}}).status_code == 200
        assert web.ui.post(f"/flows/{flow['id']}/resume").status_code == 200
        thread.join()
    asked = [request.body for request in google.requests[before:]]
    assert any(b"edited by hand" in body for body in asked)


def test_mitmweb_while_a_body_and_a_sign_in_are_under_way(tmp_path: Path, google: Emulator) -> None:
    import socket

    sign_in(google, tmp_path / "tokens.json")
    with mitmweb(tmp_path, google) as web:
        host, port = web.proxy.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            head = (
                f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 50\r\n\r\n"
            )
            client.sendall(head.encode() + b"{")
            assert wait_until(lambda: CHAT.encode() in web.ui.get("/flows").content)
            httpx.get(f"{web.proxy}/auth/callback?code=auth-s3cret&state=state-s3cret", trust_env=False)
            assert secrets_in(google, web.ui.get("/flows").content + web.ui.get("/flows/dump").content) == []
    assert secrets_in(google, (tmp_path / "mitmweb.log").read_bytes()) == []


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_file_that_was_being_written(tmp_path: Path, google: Emulator, end: signal.Signals) -> None:
    sign_in(google, tmp_path / "tokens.json")
    saved = tmp_path / "saved.flow"
    env = {"PROXY_API_KEY": KEY, "GEMINI_SHUTDOWN_GRACE": "0.2"}
    with running(tmp_path, google, "-w", str(saved), env=env) as proxy:
        right = {"authorization": f"Bearer {KEY}"}
        assert httpx.post(proxy.url + CHAT, json=BODY, headers=right, trust_env=False).status_code == 200
        google.script("generateContent", Answer.sse([text("hi"), STOP], first_byte_delay=5))
        before = len(google.requests)
        thread = ask(proxy.url)
        assert wait_until(lambda: len(google.requests) > before, 10)
        proxy.process.send_signal(end)
        proxy.process.wait(10)
        thread.join()
    if end != signal.SIGKILL:  # which leaves what was in a buffer
        assert saved.read_bytes().count(CHAT.encode()) >= 2
    assert secrets_in(google, saved.read_bytes() + proxy.log.encode()) == []


def test_the_web_interface_wants_its_password(tmp_path: Path, google: Emulator) -> None:
    """mitmproxy 12 has one of its own."""
    with mitmweb(tmp_path, google) as web, httpx.Client(base_url=web.ui.base_url, trust_env=False) as stranger:
        for path in ("/flows", "/", "/options", "/flows/dump"):
            assert stranger.get(path).status_code == 403
        assert stranger.get("/flows", headers={"authorization": "Bearer wrong"}).status_code == 403
        assert stranger.post("/commands/quit").status_code == 403
        assert stranger.get("/?token=wrong").status_code == 403
        assert stranger.get("/?token=web-s3cret", follow_redirects=True).status_code == 200
        assert stranger.get("/flows").status_code == 200  # by the cookie


def test_a_token_is_printed_where_no_password_is_set(tmp_path: Path, google: Emulator) -> None:
    with mitmweb(tmp_path, google, password=""):
        assert wait_until(
            lambda: re.search(r"\?token=[0-9a-f]{32}", (tmp_path / "mitmweb.log").read_text()) is not None
        )


@pytest.mark.parametrize("stream", [False, True])
def test_a_replay_is_a_new_answer_without_the_client_s_key(tmp_path: Path, google: Emulator, stream: bool) -> None:
    sign_in(google, tmp_path / "tokens.json")
    with mitmweb(tmp_path, google) as web:
        ask(web.proxy, stream=stream).join()
        (flow,) = [flow for flow in web.ui.get("/flows").json() if flow["request"]["path"] == CHAT]
        edited = BODY | {"stream": stream, "messages": [{"role": "user", "content": "asked again"}]}
        web.ui.put(f"/flows/{flow['id']}", json={"request": {"content": json.dumps(edited)}})
        before = len(google.requests)
        assert web.ui.post(f"/flows/{flow['id']}/replay").status_code == 200
        assert wait_until(
            lambda: b"asked again" in web.ui.get(f"/flows/{flow['id']}/response/content.data").content, 10
        )
        (again,) = [flow for flow in web.ui.get("/flows").json() if flow["request"]["path"] == CHAT]
        assert again["response"]["status_code"] == 200
        assert any(b"asked again" in request.body for request in google.requests[before:])
        assert secrets_in(google, web.ui.get("/flows").content + web.ui.get("/flows/dump").content) == []


def test_a_saved_file_is_opened_as_it_is(tmp_path: Path, google: Emulator) -> None:
    sign_in(google, tmp_path / "tokens.json")
    saved = tmp_path / "saved.flow"
    with running(tmp_path, google, "-w", str(saved)) as proxy:
        assert httpx.post(proxy.url + CHAT, json=BODY, trust_env=False).status_code == 200
        assert httpx.post(proxy.url + CHAT, content=b"{", trust_env=False).status_code == 400
    with mitmweb(tmp_path, google) as web:
        web.ui.post("/flows/dump", content=saved.read_bytes())
        loaded = [f for f in web.ui.get("/flows").json() if f["request"]["path"] == CHAT]
        assert [flow["response"]["status_code"] for flow in loaded] == [200, 400]
