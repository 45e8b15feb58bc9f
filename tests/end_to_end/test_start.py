"""A start that fails: nothing that a client says is forwarded, nothing listens beyond this machine, the process ends
with one sentence. Each step is broken in turn, in mitmdump and in mitmweb."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gemini_proxy.emulator import Emulator
from tests.end_to_end.proxy import ROOT, environment, free_port, running, sign_in, wait_until
from tests.exchanges import HI

KEY = "client-s3cret"
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer client-s3cret\r\nContent-Length: 2\r\n\r\n{}"
BEYOND = "127.0.0.2"  # of this machine, and answered only by who listens on all interfaces


class Upstream:
    """Notes every byte that it is sent."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(0.5)
                try:
                    if data := client.recv(65536):
                        self.heard.append(data)
                        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nGOOGLE")
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.close()


@contextmanager
def upstream() -> Iterator[Upstream]:
    found = Upstream()
    try:
        yield found
    finally:
        found.close()


class Knocker:
    """Sends chats to a port, on loopback and beyond, from before the first moment to the end."""

    def __init__(self, port: int) -> None:
        self.reached_beyond = False
        self._port, self._stop = port, threading.Event()
        self._threads = [threading.Thread(target=self._knock, args=(host,)) for host in ("127.0.0.1", BEYOND)]
        for thread in self._threads:
            thread.start()

    def _knock(self, host: str) -> None:
        while not self._stop.is_set():
            try:
                with socket.create_connection((host, self._port), timeout=0.2) as client:
                    self.reached_beyond |= host == BEYOND
                    client.sendall(CHAT)
                    client.recv(1000)
            except OSError:
                pass
            time.sleep(0.002)  # so that what it knocks at gets a turn

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


PROGRAMS = {
    "mitmdump": ["from mitmproxy.tools.main import mitmdump; mitmdump()"],
    "mitmweb": ["from mitmproxy.tools.main import mitmweb; mitmweb()", "--no-web-open-browser", "--web-port", "0"],
}
OLD_PYTHON = "import sys; from mitmproxy import master; sys.version_info = (3, 10, 1); "
BROKEN_PACKAGE = "raise RuntimeError('the package is broken')\n"
OTHER_OPTION = "def load(loader): loader.add_option('gemini_port', int, 1, 'mine')\n"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder with another addon.py beside a package of our name that cannot be imported."""
    folder = tmp_path / "broken"
    (folder / "gemini_proxy" / "mitm").mkdir(parents=True)
    (folder / "addon.py").write_text((ROOT / "addon.py").read_text())
    (folder / "gemini_proxy" / "__init__.py").write_text(BROKEN_PACKAGE)
    return folder


# What is broken -> arguments, environment, files in the working directory, words of the sentence.
Case = tuple[list[str], dict[str, str], dict[str, str | bytes], str]
CASES: dict[str, Case] = {
    "a package is missing": ([], {}, {"filelock.py": "raise ModuleNotFoundError('No module named filelock')"}, "filelock"),
    "a boolean option of another word": (["--set", "gemini_log_json=maybe"], {}, {}, "gemini_log_json must be true or"),
    "an option of another kind": (["--set", "gemini_port=abc"], {}, {}, "gemini_port must be a number"),
    "an option that another script has": (["-s", "other.py"], {}, {"other.py": OTHER_OPTION}, "gemini_port"),
    "a variable out of its words": ([], {"GEMINI_UPSTREAM": "gemini"}, {}, "GEMINI_UPSTREAM must be"),
    "a variable out of bounds": ([], {"GEMINI_IDLE_LIMIT": "-1"}, {}, "GEMINI_IDLE_LIMIT must be"),
    "half an address": ([], {"GEMINI_PUBLIC_URL": "https://[::1"}, {}, "GEMINI_PUBLIC_URL must be"),
    "an option that nobody knows": (["--set", "gemini_dmo=true"], {}, {}, "gemini_demo"),
    "a variable that nobody knows": ([], {"GEMINI_API_KYE": "x"}, {}, "GEMINI_API_KEY"),
    "a .env in UTF-16 without a mark": ([], {}, {".env": "PROXY_API_KEY=x".encode("utf-16-le")}, ".env"),
    "a .env with an open quote": ([], {}, {".env": 'PROXY_API_KEY="secret\n'}, ".env"),
    "config.yaml with a list": ([], {}, {"conf/config.yaml": "gemini_port: [1]\n"}, "gemini_port"),
    "an option that would stream requests": (["--set", "stream_large_bodies=1k"], {}, {}, "stream_large_bodies"),
    "plain http to another machine": (["--mode", "reverse:http://google.test"], {}, {}, "reverse:https://"),
    "a scheme that is no HTTP": (["--mode", "reverse:tcp://google.test:1"], {}, {}, "reverse:https://"),
    "two targets": (["--mode", "reverse:https://cloudcode-pa.googleapis.com@9", "--mode", "reverse:http://127.0.0.1:1"], {}, {}, "reverse"),
    "the script twice": (["-s", f"{ROOT}/tests/../addon.py"], {}, {}, "twice"),
}  # fmt: skip


def start(
    program: str, folder: Path, target: Upstream, port: int, arguments: list[str], env: dict[str, str], script: Path
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a start that is expected to end."""
    code, *more = PROGRAMS[program]
    mode = [] if "--mode" in arguments else ["--mode", f"reverse:{target.url}@{port}"]
    command = [sys.executable, "-c", code, *more, "-s", str(script), *mode, *arguments]
    command += ["--set", f"confdir={folder / 'conf'}"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(folder, None, **env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"it did not end:\n{out}\n{err}")
    return process.returncode, out, err


def assert_fails_closed(
    program: str, folder: Path, arguments: list[str], env: dict[str, str], words: str, script: Path = ROOT / "addon.py"
) -> None:
    port = free_port()
    with upstream() as target:
        knocker = Knocker(port)
        try:
            status, out, err = start(program, folder, target, port, arguments, env, script)
        finally:
            knocker.stop()
        assert status not in (0, None)
        (sentence,) = [line for line in err.splitlines() if line.strip()]
        assert sentence.startswith("gemini-proxy cannot start: ")
        assert words in sentence
        assert "Traceback" not in out
        assert target.heard == []
        assert not knocker.reached_beyond


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("case", CASES)
def test_a_start_that_fails(tmp_path: Path, program: str, case: str) -> None:
    arguments, env, files, words = CASES[case]
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_fails_closed(program, tmp_path, arguments, env, words)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_package_that_cannot_be_imported(tmp_path: Path, broken: Path, program: str) -> None:
    assert_fails_closed(program, tmp_path, [], {}, "the package is broken", broken / "addon.py")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_python_that_is_too_old(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, *more = PROGRAMS[program]
    monkeypatch.setitem(PROGRAMS, program, [OLD_PYTHON + code, *more])
    assert_fails_closed(program, tmp_path, [], {}, "Python 3.11 or newer; this is 3.10")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_port_that_is_taken(tmp_path: Path, program: str) -> None:
    with upstream() as target, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = start(program, tmp_path, target, port, [], {}, ROOT / "addon.py")
    assert status == 1
    assert f"gemini-proxy cannot start: port {port} could not be opened" in err
    assert "PROXY_PORT" in err


def test_a_start_that_works_listens_on_loopback_alone(tmp_path: Path, google: Emulator) -> None:
    port = free_port()
    knocker = Knocker(port)
    try:
        with upstream() as target, running(tmp_path, google, mode=f"reverse:{target.url}@{port}", port=port):
            assert httpx.get(f"http://[::1]:{port}/health", trust_env=False).status_code == 200
        assert target.heard == []
        assert not knocker.reached_beyond
    finally:
        knocker.stop()


RELOADS = {
    "a syntax error": "def (",
    "an exception": "raise RuntimeError('broken by hand')",
    "a module that is not there": "import no_such_module",
    "no addon at all": "addons = []",
}


@pytest.mark.parametrize("case", RELOADS)
def test_a_reload_that_fails_answers_with_503(tmp_path: Path, google: Emulator, case: str) -> None:
    """And the next one that works serves again."""
    script = tmp_path / "addon.py"
    good = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{(ROOT / 'addon.py').read_text()}"
    script.write_text(good)
    sign_in(google, tmp_path / "tokens.json")
    with running(tmp_path, google, script=script) as proxy:
        body = {"model": "gemini-2.5-flash", "messages": HI}
        with httpx.Client(base_url=proxy.url, trust_env=False, headers={"authorization": f"Bearer {KEY}"}) as client:

            def status() -> int:
                return client.post("/v1/chat/completions", json=body).status_code

            assert status() == 200
            change(script, RELOADS[case])
            assert wait_until(lambda: status() == 503, 10)
            before = len(google.requests)
            answer = client.post("/v1/chat/completions", json=body)
            assert answer.json()["error"]["code"] == "not_loaded"
            assert client.get("/v1internal:probe").status_code == 503
            assert len(google.requests) == before
            change(script, good)
            assert wait_until(lambda: status() == 200, 10)
    assert KEY not in proxy.log


def test_a_reload_with_a_setting_that_cannot_work(tmp_path: Path, google: Emulator) -> None:
    script = tmp_path / "addon.py"
    good = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{(ROOT / 'addon.py').read_text()}"
    script.write_text(good)
    with running(tmp_path, google, script=script) as proxy:
        (tmp_path / ".env").write_text("GEMINI_IDLE_LIMIT=never\n")
        change(script, good + "\n")

        def answer() -> httpx.Response:
            return httpx.get(f"{proxy.url}/health", trust_env=False)

        assert wait_until(lambda: answer().status_code == 503, 10)
        assert "GEMINI_IDLE_LIMIT" in answer().json()["error"]["message"]
        assert proxy.process.poll() is None


def change(script: Path, text: str) -> None:
    """mitmproxy looks at the time of a script's last change, in whole seconds on some file systems."""
    later = script.stat().st_mtime + 2
    script.write_text(text)
    os.utime(script, (later, later))
