"""The end of the process, by the signals that a person and a service manager send."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gemini_proxy.emulator import Answer, Emulator
from tests.end_to_end.proxy import Proxy, running, sign_in, wait_until
from tests.exchanges import HI, STOP, text

CHAT = "/v1/chat/completions"
BODY = {"model": "gemini-2.5-flash", "messages": HI, "stream": True}


@contextmanager
def stream(google: Emulator, proxy: Proxy, pace: float) -> Iterator[Iterator[str]]:
    """A stream that has begun."""
    google.script("streamGenerateContent", Answer.sse([text("one"), text("two"), STOP], pace=pace))
    with httpx.stream("POST", proxy.url + CHAT, json=BODY, trust_env=False, timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data:")
        yield lines


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_answers_finish(google: Emulator, tmp_path: Path, first: signal.Signals) -> None:
    sign_in(google, tmp_path / "tokens.json")
    with running(tmp_path, google) as proxy, stream(google, proxy, 0.5) as lines:
        proxy.process.send_signal(first)
        assert wait_until(lambda: "Waiting up to 20 s for 1 answer to finish" in proxy.log)
        late = httpx.get(f"{proxy.url}/v1/models", trust_env=False)
        assert (late.status_code, late.json()["error"]["code"]) == (503, "shutting_down")
        assert [line for line in lines if line][-1] == "data: [DONE]"
        assert proxy.process.wait(5) == 0
    assert "Traceback" not in proxy.log


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_one_cuts_them_and_says_so(google: Emulator, tmp_path: Path, second: signal.Signals) -> None:
    sign_in(google, tmp_path / "tokens.json")
    with running(tmp_path, google) as proxy, stream(google, proxy, 10) as lines:
        proxy.process.send_signal(signal.SIGINT)
        assert wait_until(lambda: "Waiting up to" in proxy.log)
        proxy.process.send_signal(second)
        heard = [line for line in lines if line]
        assert '"code":"shutting_down"' in heard[-2]
        assert "Google" not in heard[-2]
        assert heard[-1] == "data: [DONE]"
        assert proxy.process.wait(5) == 0
    assert "Stopping now: 1 answer cut." in proxy.log
    assert "Traceback" not in proxy.log


def test_a_listener_that_the_system_closed_is_opened_again(google: Emulator, tmp_path: Path) -> None:
    """As Windows does after a sleep."""
    saboteur = tmp_path / "saboteur.py"
    saboteur.write_text(
        "from mitmproxy import ctx\n"
        "class Saboteur:\n"
        "    def request(self, flow):\n"
        "        if flow.request.path == '/health?close':\n"
        "            for instance in ctx.master.addons.get('proxyserver').servers:\n"
        "                for server in instance._servers:\n"
        "                    for socket in getattr(server, 'sockets', ()):\n"
        "                        server._loop.remove_reader(socket.fileno())\n"
        "                        socket._sock.close()\n"
        "addons = [Saboteur()]\n"
    )

    def health() -> int:
        try:
            return httpx.get(f"{proxy.url}/health", trust_env=False).status_code
        except httpx.TransportError:
            return 0

    with running(tmp_path, google, "-s", str(saboteur)) as proxy:
        httpx.get(f"{proxy.url}/health?close", trust_env=False)
        assert health() == 0
        assert wait_until(lambda: health() == 200, 5)
        assert "listening again" in proxy.log


def test_a_letter_outside_the_code_page_costs_no_line(google: Emulator, tmp_path: Path) -> None:
    sign_in(google, tmp_path / "tokens.json")
    env = {"PYTHONIOENCODING": "cp1252"}
    with running(tmp_path, google, "--set", "flow_detail=3", env=env) as proxy:
        body = {**BODY, "model": "gemini-2.5-flash-漢🚀", "stream": False}
        httpx.post(proxy.url + CHAT, json=body, trust_env=False)
        log = proxy.log_file.read_text("cp1252")
    assert r"\u6f22" in log
    assert "Addon error" not in log
    assert "POST /v1/chat/completions" in log
