"""The listener to which Google sends the browser back when login.py signs in (docs/protocol.md, P-104)."""

import queue
import threading
import time
from concurrent.futures import CancelledError, Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from gemini_proxy.google_login import pages

PATH = "/oauth2callback"
WAIT = 90.0  # seconds that the browser waits for the outcome of the sign-in
PATIENCE = 3.0  # seconds for the page to reach the browser
TICK = 0.5  # seconds between looks, so that Ctrl-C is heard on systems where a wait cannot be interrupted
OTHER_STATE = "This address does not belong to the sign-in in progress. Nothing was stored."


class Loopback:
    """A context manager: listens on an ephemeral port of 127.0.0.1 for the callback with our state.

    The browser is kept waiting until `finish`, so that its page says how it ended.
    """

    def __init__(self, state: str) -> None:
        self.state = state
        self.callbacks: queue.Queue[dict[str, str]] = queue.Queue()
        self.outcome: Future[tuple[int, bytes]] = Future()
        self.shown = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def redirect_uri(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    def wait(self, seconds: float) -> dict[str, str] | None:
        """The query of the callback, None when it does not come in time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                return self.callbacks.get(timeout=min(left, TICK))
            except queue.Empty:
                continue
        return None

    def finish(self, status: int, page: bytes) -> None:
        """Lets the waiting browser show how it ended; returns when it has the page."""
        self.outcome.set_result((status, page))
        self.shown.wait(PATIENCE)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.outcome.cancel()  # a browser still waiting is sent away
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # browsers open connections that they may never use: nobody waits for those

    def __init__(self, loopback: Loopback) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.loopback = loopback


class _Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds for a browser to say what it wants
    server: _Server

    def do_GET(self) -> None:
        loopback = self.server.loopback
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path != PATH:
            self._send(404, pages.page("Nothing here", "", "bad"))
        elif query.get("state") != loopback.state:
            self._send(400, pages.page("This sign-in was not started here", pages.paragraph(OTHER_STATE), "bad"))
        else:
            loopback.callbacks.put(query)
            self._send(*_outcome(loopback))
            loopback.shown.set()

    def _send(self, status: int, page: bytes) -> None:
        self.send_response(status)
        for name, value in {**pages.HEADERS, "content-length": str(len(page)), "connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a request line holds the code."""


def _outcome(loopback: Loopback) -> tuple[int, bytes]:
    try:
        return loopback.outcome.result(timeout=WAIT)
    except (CancelledError, TimeoutError):
        return 500, pages.page("The sign-in was stopped", pages.paragraph("The terminal says more."), "bad")
