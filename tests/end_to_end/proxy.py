"""A real mitmdump in a process of its own, started as a user would."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from gemini_proxy.emulator import Emulator
from gemini_proxy.settings import CLIENT_ID

ROOT = Path(__file__).parents[2]
TARGET = "reverse:https://cloudcode-pa.googleapis.com"
START = 30.0  # seconds: a slow machine imports mitmproxy for a while


@dataclass
class Proxy:
    url: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def sign_in(google: Emulator, path: Path, **changes: object) -> None:
    """Writes a token file in the Gemini CLI's layout, as a finished sign-in would."""
    grant = google.grant(CLIENT_ID)
    expires_in = grant.pop("expires_in")
    assert isinstance(expires_in, int | float)
    end = {"expiry_date": int((time.time() + expires_in) * 1000)}
    account = {"email": google.settings.email, "project_id": google.settings.project}
    path.write_text(json.dumps({**grant, **end, **account, **changes}))
    path.chmod(0o600)


def environment(folder: Path, google: Emulator | None, **more: str) -> dict[str, str]:
    """Nothing of the user's own: no sign-in, no key, no .env, no mitmproxy configuration."""
    ours = ("PROXY_", "GEMINI_", "GOOGLE_", "CODE_ASSIST_", "TOKEN_STORE_", "PYTEST_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    doors = {"CODE_ASSIST_ENDPOINT": google.url, "GEMINI_GOOGLE_URL": google.url} if google else {}
    return {**env, "HOME": str(folder), "TOKEN_STORE_PATH": str(folder / "tokens.json"), **doors, **more}


@contextmanager
def running(
    folder: Path,
    google: Emulator | None,
    *arguments: str,
    mode: str = TARGET,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
    script: Path = ROOT / "addon.py",
) -> Iterator[Proxy]:
    """`python -m mitmproxy` as the `mitmdump` command runs it, in `folder`; ends when the block does."""
    port = port or free_port()
    command = [sys.executable, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()"]
    command += ["-s", str(script), "--mode", mode, *arguments]
    log_file = folder / f"mitmdump-{port}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(folder, google, PROXY_PORT=str(port), **(env or {})),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    proxy = Proxy(f"http://127.0.0.1:{port}", process, log_file)
    try:
        _wait_until_ready(proxy)
        yield proxy
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(holds: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether it comes to hold in time; for what another process does and tells nobody."""
    end = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.01)
    return held


def _wait_until_ready(proxy: Proxy) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and proxy.process.poll() is None:
        try:
            httpx.get(f"{proxy.url}/health", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"mitmdump did not start:\n{proxy.log}")
