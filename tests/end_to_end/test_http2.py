"""An upstream that speaks HTTP/2, as Google does to a client with TLS, on its good and bad days."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config  # type: ignore[import-untyped, unused-ignore]
import h2.connection  # type: ignore[import-untyped, unused-ignore]
import h2.events  # type: ignore[import-untyped, unused-ignore]
import h2.exceptions  # type: ignore[import-untyped, unused-ignore]
import httpx
import pytest

from gemini_proxy.emulator import Emulator
from tests.end_to_end.proxy import running, sign_in, wait_until
from tests.exchanges import HI, STOP, errors, events, finishes, said, sse_bytes, text

ONE = sse_bytes([text("one")])
SSE = sse_bytes([text("one"), text("two"), STOP])
OK = [(":status", "200"), ("content-type", "text/event-stream")]
PIECES = {"well": [SSE[:40], b"", SSE[40:]], "empty": []}
BODY = {"model": "gemini-2.5-flash", "messages": HI, "stream": True}


@dataclass
class Server:
    """Answers each request as `how` says; `ended` is set when a stream of its was reset."""

    listener: socket.socket
    tls: ssl.SSLContext = field(default_factory=lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    how: str = "well"
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with (
            suppress(OSError, h2.exceptions.ProtocolError),
            plain,
            self.tls.wrap_socket(plain, server_side=True) as sock,
        ):
            wire = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            wire.initiate_connection()
            sock.sendall(wire.data_to_send())
            while data := sock.recv(65536):
                for event in wire.receive_data(data):
                    if isinstance(event, h2.events.StreamReset):
                        self.ended.set()
                    elif isinstance(event, h2.events.StreamEnded):
                        self._answer(wire, event.stream_id)
                wire_out = wire.data_to_send()
                sock.sendall(wire_out)
                if self.how == "cut" and ONE in wire_out:
                    sock.shutdown(socket.SHUT_WR)  # closing with unread bytes would take back what was just sent

    def _answer(self, wire: Any, stream: int) -> None:
        if self.how == "reset first":
            wire.reset_stream(stream, 2)
        elif self.how != "stall":
            wire.send_headers(stream, OK)
            for piece in PIECES.get(self.how, [ONE]):
                wire.send_data(stream, piece)
            if self.how in PIECES:
                wire.end_stream(stream)
            elif self.how == "reset":
                wire.reset_stream(stream, 2)
            elif self.how == "goaway":
                wire.close_connection(2)


@pytest.fixture(scope="module")
def served(_google: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, httpx.Client]]:
    folder: Path = tmp_path_factory.mktemp("http2")
    sign_in(_google, folder / "tokens.json")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener)
        limits = {"GEMINI_FIRST_BYTE_LIMIT": "1", "GEMINI_IDLE_LIMIT": "1"}
        doors = {
            "CODE_ASSIST_ENDPOINT": f"https://127.0.0.1:{listener.getsockname()[1]}",
            "GEMINI_GOOGLE_URL": _google.url,
        }
        with running(folder, None, "--set", "ssl_insecure=true", env={**limits, **doors}) as proxy:
            authority = folder / ".mitmproxy" / "mitmproxy-dhparam.pem"  # the last file that mitmproxy makes
            assert wait_until(authority.exists)
            server.tls.load_cert_chain(folder / ".mitmproxy" / "mitmproxy-ca.pem")
            server.tls.set_alpn_protocols(["h2"])
            threading.Thread(target=server.run, daemon=True).start()
            tls = ssl.create_default_context(cafile=folder / ".mitmproxy" / "mitmproxy-ca-cert.pem")
            tls.verify_flags &= ~ssl.VERIFY_X509_STRICT if hasattr(ssl, "VERIFY_X509_STRICT") else -1
            url = proxy.url.replace("http:", "https:")
            with httpx.Client(base_url=url, http2=True, verify=tls, trust_env=False, timeout=20) as client:
                yield server, client
        assert "Traceback" not in proxy.log
        assert "has crashed" not in proxy.log


def test_an_empty_frame_is_not_the_end(served: tuple[Server, httpx.Client]) -> None:
    server, client = served
    server.how = "well"
    answer = client.post("/v1/chat/completions", json=BODY)
    assert (said(events(answer.content)), finishes(events(answer.content))) == ("onetwo", ["stop"])


@pytest.mark.parametrize(("how", "status"), [("reset first", 502), ("empty", 502), ("stall", 504)])
def test_nothing_came(served: tuple[Server, httpx.Client], how: str, status: int) -> None:
    server, client = served
    server.how = how
    server.ended.clear()
    answer = client.post("/v1/chat/completions", json=BODY)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "server_error"
    assert how != "stall" or server.ended.wait(1)


@pytest.mark.parametrize("how", ["reset", "goaway", "cut", "stands still"])
def test_it_broke_off(served: tuple[Server, httpx.Client], how: str) -> None:
    server, client = served
    server.how = how
    found = events(client.post("/v1/chat/completions", json=BODY).content)
    assert said(found) == "one"
    assert [error["code"] for error in errors(found)] == ["timeout" if how == "stands still" else "upstream_incomplete"]
    assert finishes(found) == []
