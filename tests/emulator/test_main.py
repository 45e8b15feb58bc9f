"""The command line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import ClassVar

import pytest

from gemini_proxy.emulator import __main__
from gemini_proxy.emulator.__main__ import emulator_from, parser
from gemini_proxy.emulator.server import Emulator
from tests.emulator.test_server import raw

ROOT = Path(__file__).parents[2]


def made(*arguments: str) -> Emulator:
    return emulator_from(parser().parse_args(["--port", "0", *arguments]))


def test_it_says_where_it_is_and_ends_cleanly() -> None:
    command = [sys.executable, "-m", "gemini_proxy.emulator", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        request = urllib.request.Request(f"{found[0]}/v1internal:listExperiments", b"{}")
        request.add_header("Authorization", "Bearer anything")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        try:
            _, said = process.communicate(timeout=5)
        finally:
            process.kill()
    assert (process.returncode, said) == (0, "")


def test_ctrl_c_is_the_way_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(event: threading.Event) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "wait_for_ever", interrupted)
    assert __main__.main(["--port", "0", "--account", "free"]) == 0
    assert re.fullmatch(r"Emulated Google on http://127\.0\.0\.1:\d+ \(account: free\)\. .*\n", capsys.readouterr().out)


def test_a_wait_that_windows_can_interrupt() -> None:
    class Event(threading.Event):
        waits: ClassVar[list[float | None]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout)
            return len(self.waits) > 1

    __main__.wait_for_ever(Event())
    assert Event.waits
    assert None not in Event.waits


def test_its_help_is_made_of_sentences() -> None:
    actions = [action for action in parser()._actions if action.dest != "help"]
    assert all(action.help and action.help[0].isupper() and action.help.endswith(".") for action in actions)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ((), b"HTTP/1.1 200 OK"),
        (("--account", "shutdown"), b"SUBSCRIPTION_REQUIRED"),
        (("--account", "shutdown", "--error-form", "array"), b'"reason": "forbidden"'),
        (("--check-tokens",), b"UNAUTHENTICATED"),
        (("--error", "capacity"), b"MODEL_CAPACITY_EXHAUSTED"),
        (("--fault", "garbage"), b"this is not HTTP"),
        (("--fault", "end-early", "--at", "4"), b"\r\n4\r\ndata\r\n0\r\n\r\n"),
        (("--chop", "3"), b"\r\n3\r\ndat\r\n3\r\na: \r\n"),
        (("--gzip",), b"Content-Encoding: gzip"),
    ],
)
def test_options(arguments: tuple[str, ...], answer: bytes) -> None:
    with made(*arguments) as google:
        assert answer in raw(google)


def test_delays_are_in_milliseconds() -> None:
    settings = made("--delay", "80", "--first-byte-delay", "500", "--token-lifetime", "60").settings
    assert (settings.pace, settings.first_byte_delay, settings.token_lifetime) == (0.08, 0.5, 60)


def test_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "answer.sse"
    path.write_bytes(b'data: {"n": 1}\r\n\r\n')
    with made("--answer", str(path), "--chop", "9") as google:
        assert b'9\r\ndata: {"n\r\n9\r\n": 1}\r\n\r\n\r\n0\r\n\r\n' in raw(google)
