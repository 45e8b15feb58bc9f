import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from gemini_proxy.google_login.loopback import Loopback


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def get(loopback: Loopback, target: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(loopback.redirect_uri).port or 0, timeout=5)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_browser_hears_how_it_ended(pool: ThreadPoolExecutor) -> None:
    with Loopback("s") as loopback:
        browser: Future[tuple[int, bytes]] = pool.submit(get, loopback, "/oauth2callback?state=s&code=4%2F0a")
        assert loopback.wait(5) == {"state": "s", "code": "4/0a"}
        assert not browser.done()
        loopback.finish(200, b"fine")
        assert browser.result(5) == (200, b"fine")


@pytest.mark.parametrize(
    ("target", "status"), [("/oauth2callback?state=other&code=c", 400), ("/oauth2callback", 400), ("/favicon.ico", 404)]
)
def test_strangers_do_not_disturb(target: str, status: int) -> None:
    with Loopback("s") as loopback:
        assert get(loopback, target)[0] == status
        assert loopback.wait(0.01) is None


def test_the_browser_is_told_when_the_program_ends(pool: ThreadPoolExecutor) -> None:
    with Loopback("s") as loopback:
        browser = pool.submit(get, loopback, "/oauth2callback?state=s&code=c")
        assert loopback.wait(5)
    status, body = browser.result(5)
    assert status == 500
    assert b"stopped" in body


def test_nobody_comes() -> None:
    with Loopback("s") as loopback:
        began = time.monotonic()
        assert loopback.wait(0.02) is None
        assert time.monotonic() - began < 1


def test_a_request_line_never_reaches_the_log(capfd: pytest.CaptureFixture[str], pool: ThreadPoolExecutor) -> None:
    with Loopback("s") as loopback:
        browser = pool.submit(get, loopback, "/oauth2callback?state=s&code=hush")
        loopback.wait(5)
        loopback.finish(200, b"")
        browser.result(5)
    assert "hush" not in "".join(capfd.readouterr())


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    with Loopback("s"):
        pass
    assert threading.active_count() <= before
