"""login.py as a person meets it: in a terminal, with keys typed."""

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gemini_proxy.emulator.server import Emulator
from tests.test_login import ROOT, Terminal, code_for

# Makes the terminal its own, so that Ctrl-C reaches it, and becomes login.py.
IN_ITS_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
)
CTRL_C, CTRL_D = "\x03", "\x04"
PATIENCE = 20.0
IMPATIENCE = 0.05  # seconds from one Ctrl-C to the next


class Screen:
    def __init__(self, descriptor: int, process: "subprocess.Popen[bytes]") -> None:
        self._descriptor = descriptor
        self._process = process
        self.text = ""

    def wait_for(self, pattern: str) -> str:
        """What matches the first group of the pattern, once it is on the screen."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end, self.text
            assert self._read(), self.text
        return found.group(1)

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def interrupt(self) -> int:
        """Ctrl-C, again and again until it ends: Python misses one that comes between its prompt and its read, and people
        press it twice."""
        for _ in range(int(PATIENCE / IMPATIENCE)):
            self.type(CTRL_C)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(IMPATIENCE)
                break
        return self.end()

    def end(self) -> int:
        while self._read():
            pass
        return self._process.wait(PATIENCE)

    def _read(self) -> bool:
        with contextlib.suppress(OSError):  # Linux says so when the other side is gone
            if select.select([self._descriptor], [], [], PATIENCE)[0]:
                data = os.read(self._descriptor, 65536)
                self.text += data.decode().replace("\r\n", "\n")
                return bool(data)
        return False


@contextmanager
def screen(terminal: Terminal, *arguments: str) -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    python = [sys.executable, "-W", "error", str(ROOT / "login.py"), *arguments]
    command = [sys.executable, "-c", IN_ITS_TERMINAL, *python]
    with subprocess.Popen(
        command,
        cwd=terminal.directory,
        env={**terminal.env, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield Screen(ours, process)
        finally:
            process.kill()
            os.close(ours)


@pytest.fixture(scope="module")
def running_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def terminal(tmp_path: Path, running_emulator: Emulator) -> Terminal:
    return Terminal(tmp_path, running_emulator)


def test_browser(terminal: Terminal, running_emulator: Emulator) -> None:
    terminal.use_browser()
    with screen(terminal) as shown:
        assert shown.end() == 0
    assert f"Signed in as {running_emulator.settings.email}" in shown.text
    assert "You are signed in" in terminal.page.read_text()


@pytest.mark.parametrize("whole", [False, True])
def test_a_pasted_code_or_address(terminal: Terminal, whole: bool) -> None:
    with screen(terminal, "--no-browser") as shown:
        address = shown.wait_for(r"\n  (http\S+)\n")
        shown.wait_for(r"(Paste the code)")
        state = parse_qs(urlsplit(address).query)["state"][0]
        code = code_for(address)
        url = httpx.URL("https://codeassist.google.com/authcode", params={"state": state, "code": code})
        shown.type(f"{url if whole else code}\n")
        assert shown.end() == 0
    assert shown.text.rstrip().endswith(f"Stored in {terminal.store.path}.")
    assert terminal.store.load() is not None


@pytest.mark.parametrize("arguments", [(), ("--no-browser",)])
def test_ctrl_c(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    with screen(terminal, *arguments) as shown:
        shown.wait_for(r"(Waiting for the sign-in|Paste the code)")
        assert shown.interrupt() == 130, shown.text
    assert shown.text.replace("^C", "").rstrip().endswith("Stopped. Nothing was stored.")
    assert "Traceback" not in shown.text
    assert terminal.store.load() is None


def test_ctrl_d(terminal: Terminal) -> None:
    with screen(terminal, "--no-browser") as shown:
        shown.wait_for(r"(Paste the code)")
        shown.type(CTRL_D)
        assert shown.end() == 1
    assert "Nothing was stored." in shown.text


def test_no_terminal(terminal: Terminal) -> None:
    code, _, err = terminal.run("--no-browser", typed="")
    assert code == 1
    assert "no terminal" in err
