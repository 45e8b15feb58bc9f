"""The emulator through real sockets: borders, faults, keep-alive, and clients that go away."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gemini_proxy.emulator import Answer, Emulator, Request
from tests.emulator.asking import chunks_of, envelope, text_of

STREAM = "/v1internal:streamGenerateContent?alt=sse"
EVENTS = [{"n": 1}, {"n": "é漢🚀"}, {"n": 3}]
HEADERS = {"Authorization": "Bearer any", "Content-Type": "application/json"}


@pytest.fixture
def google() -> Iterator[Emulator]:
    with Emulator(any_token=True) as emulator:
        yield emulator


@pytest.fixture
def client(google: Emulator) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", google.port, timeout=5)
    yield connection
    connection.close()


def ask(client: http.client.HTTPConnection, path: str = STREAM, body: Any = None) -> http.client.HTTPResponse:
    client.request("POST", path, json.dumps(body or envelope()), HEADERS)
    return client.getresponse()


def request_bytes(path: str = STREAM, connection: str = "close") -> bytes:
    body = json.dumps(envelope()).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer any\r\nContent-Type: application/json\r\n"
    return f"{head}Connection: {connection}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def raw(google: Emulator, data: bytes | None = None) -> bytes:
    """Everything the emulator writes until it closes."""
    with socket.create_connection(("127.0.0.1", google.port), timeout=5) as sock:
        sock.sendall(data or request_bytes())
        received = b""
        while piece := sock.recv(65_536):
            received += piece
        return received


def transfer_chunks(received: bytes) -> list[bytes]:
    """The pieces of a chunked body as they were written."""
    rest = received.partition(b"\r\n\r\n")[2]
    pieces = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n"
        pieces.append(rest[:length])
        rest = rest[length + 2 :]
    return pieces


def test_a_stream(client: http.client.HTTPConnection) -> None:
    response = ask(client)
    assert response.status == 200
    assert response.getheader("Content-Type") == "text/event-stream"
    assert response.getheader("Transfer-Encoding") == "chunked"
    assert "漢字" in text_of(chunks_of(response.read()))


def test_a_whole_answer_has_its_length(client: http.client.HTTPConnection) -> None:
    response = ask(client, "/v1internal:generateContent")
    assert int(response.getheader("Content-Length", "")) == len(response.read())


def test_each_event_is_one_transfer_chunk(google: Emulator) -> None:
    google.always("streamGenerateContent", Answer.sse(EVENTS))
    pieces = transfer_chunks(raw(google))
    assert [chunks_of(piece)[0] for piece in pieces[:-1]] == EVENTS
    assert pieces[-1] == b""


@pytest.mark.parametrize("size", [1, 2, 7])
def test_bodies_are_cut_as_asked(google: Emulator, size: int) -> None:
    google.always("*", Answer(pieces=size))
    pieces = transfer_chunks(raw(google))
    assert {len(piece) for piece in pieces[:-2]} == {size}
    assert "漢字" in text_of(chunks_of(b"".join(pieces)))


def test_connections_are_kept(google: Emulator, client: http.client.HTTPConnection) -> None:
    for path in (STREAM, "/v1internal:generateContent", "/nowhere", STREAM):
        ask(client, path).read()
    assert {request.connection for request in google.requests} == {1}
    assert google.open_connections == 1


@pytest.mark.parametrize("framing", ["close", "length", "chunked"])
def test_framings(google: Emulator, client: http.client.HTTPConnection, framing: str) -> None:
    google.script("streamGenerateContent", Answer.sse(EVENTS, framing=framing))
    response = ask(client)
    assert chunks_of(response.read()) == EVENTS
    assert (response.getheader("Content-Length") is not None) == (framing == "length")
    assert (response.getheader("Connection") == "close") == (framing == "close")


@pytest.mark.parametrize(
    ("status", "phrase"), [(418, "I'm a Teapot"), (499, "Client Closed Request"), (599, "Unknown")]
)
def test_status_lines(google: Emulator, client: http.client.HTTPConnection, status: int, phrase: str) -> None:
    google.script("/token", Answer.raw(b"x", status, "text/plain"))
    response = ask(client, "/token")
    assert (response.status, response.reason.lower(), response.read()) == (status, phrase.lower(), b"x")


def test_gzip(google: Emulator, client: http.client.HTTPConnection) -> None:
    google.script("streamGenerateContent", Answer(gzip=True))
    response = ask(client)
    assert response.getheader("Content-Encoding") == "gzip"
    assert text_of(chunks_of(gzip.decompress(response.read())))


# Scripts


def test_scripted_answers_are_used_in_order(google: Emulator, client: http.client.HTTPConnection) -> None:
    google.always("/token", Answer.json({"n": "always"}))
    google.script("/token", Answer.json({"n": 1}), lambda request: Answer.json({"n": request.path}, 201))
    answers = [json.loads(ask(client, "/token").read())["n"] for _ in range(3)]
    assert answers == [1, "/token", "always"]
    google.clear()
    assert json.loads(ask(client, "/token").read())["error"] == "invalid_request"


@pytest.mark.parametrize("form", ["object", "array"])
def test_scripted_errors(google: Emulator, client: http.client.HTTPConnection, form: str) -> None:
    google.script("streamGenerateContent", Answer.error("rate-limited", form))
    response = ask(client)
    body = json.loads(response.read())
    assert response.status == 429
    assert (body[0] if form == "array" else body)["error"]["status"] == "RESOURCE_EXHAUSTED"


def test_settings_turn_while_it_runs(google: Emulator, client: http.client.HTTPConnection) -> None:
    google.settings.account = "shutdown"
    response = ask(client)
    assert b"SUBSCRIPTION_REQUIRED" in response.read()
    google.settings.account = "standard"
    response = ask(client)
    assert response.status == 200
    response.read()


# Faults


@pytest.mark.parametrize("fault", ["reset-before-headers", "close-before-headers", "garbage"])
def test_faults_instead_of_an_answer(google: Emulator, client: http.client.HTTPConnection, fault: str) -> None:
    google.script("streamGenerateContent", Answer(fault=fault))
    with pytest.raises((ConnectionResetError, http.client.BadStatusLine)):
        ask(client)


def test_reset_in_the_body(google: Emulator, client: http.client.HTTPConnection) -> None:
    google.script("streamGenerateContent", Answer(fault="reset", at=30))
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        ask(client).read()


def test_truncated_body(google: Emulator, client: http.client.HTTPConnection) -> None:
    google.script("streamGenerateContent", Answer.sse(EVENTS, fault="truncate", at=30))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(client).read()
    assert len(caught.value.partial) == 30
    google.wait_for(lambda: google.open_connections == 0)


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_body_that_ends_early(google: Emulator, client: http.client.HTTPConnection, framing: str) -> None:
    google.script("streamGenerateContent", Answer.sse(EVENTS, fault="end-early", at=30, framing=framing))
    assert len(ask(client).read()) == 30
    assert ask(client).status == 200


@pytest.mark.parametrize("fault", ["stall", "stall-before-headers"])
def test_a_stall_lasts_until_the_client_leaves(google: Emulator, fault: str) -> None:
    google.script("streamGenerateContent", Answer(fault=fault, at=10))
    with socket.create_connection(("127.0.0.1", google.port), timeout=5) as sock:
        sock.sendall(request_bytes())
        assert google.wait_for(lambda: google.requests)
        if fault == "stall":
            received = b""
            while not received.endswith(b'\r\na\r\ndata: {"re\r\n'):
                received += sock.recv(65_536)
    assert google.wait_for(lambda: google.requests[0].disconnected, timeout=0.5)
    assert google.wait_for(lambda: google.open_connections == 0)


def test_a_client_that_leaves_between_events_is_noticed(google: Emulator, client: http.client.HTTPConnection) -> None:
    google.settings.pace = 30
    response = ask(client)
    assert response.read(10) == b'data: {"re'
    client.close()
    response.close()
    assert google.wait_for(lambda: google.requests[0].disconnected, timeout=0.5)
    assert not google.requests[0].answered


def test_pace_and_delay(google: Emulator, client: http.client.HTTPConnection) -> None:
    google.script("streamGenerateContent", Answer.sse(EVENTS, pace=0.02, first_byte_delay=0.03))
    started = time.monotonic()
    ask(client).read()
    assert 0.06 < time.monotonic() - started < 1


def test_a_second_request_waits_for_the_first(google: Emulator) -> None:
    google.settings.pace = 0.001
    received = raw(google, request_bytes(connection="keep-alive") + request_bytes())
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert {request.disconnected for request in google.requests} == {False}


def test_a_client_that_resets_is_noticed(google: Emulator) -> None:
    google.settings.pace = 30
    with socket.create_connection(("127.0.0.1", google.port)) as sock:
        sock.sendall(request_bytes())
        received = b""
        while not received.endswith(b"}\r\n\r\n\r\n"):
            received += sock.recv(65_536)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert google.wait_for(lambda: google.requests[0].disconnected, timeout=0.5)


def test_a_client_that_resets_between_requests_is_nothing_special(google: Emulator) -> None:
    with socket.create_connection(("127.0.0.1", google.port)) as sock:
        assert google.wait_for(lambda: google.open_connections)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert google.wait_for(lambda: google.open_connections == 0)


def test_a_client_that_leaves_is_noticed_while_it_is_written_to(google: Emulator) -> None:
    google.script("streamGenerateContent", Answer.sse(b"x" * 20_000_000, pieces=100_000))
    with socket.create_connection(("127.0.0.1", google.port)) as sock:
        sock.sendall(request_bytes())
        assert sock.recv(10)
    assert google.wait_for(lambda: google.requests[0].disconnected, timeout=1)


# Requests


def test_requests_are_recorded(google: Emulator, client: http.client.HTTPConnection) -> None:
    ask(client).read()
    assert google.wait_for(lambda: google.requests[0].answered)
    (request,) = google.calls("streamGenerateContent")
    assert (request.method, request.path) == ("POST", "/v1internal:streamGenerateContent")
    assert request.params == {"alt": "sse"}
    assert request.bearer == "any"
    assert request.json == envelope()
    assert google.calls("/v1internal:streamGenerateContent") == [request]
    assert google.calls("generateContent") == []


def test_only_so_many_are_kept() -> None:
    with Emulator(record_limit=4) as google:
        for n in range(9):
            raw(google, b"GET /%d HTTP/1.0\r\n\r\n" % n)
        assert google.requests[-1].path == "/8"
        assert len(google.requests) <= 4


@pytest.mark.parametrize(
    "data",
    [
        b"POST /token HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\na=1\r\n2;x\r\n&b\r\n0\r\nT: 1\r\n\r\n",
        b"POST /token HTTP/1.0\r\nContent-Length: 5\r\n\r\na=1&b",
        b"POST /token HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 5\r\n\r\na=1&b",
    ],
    ids=["chunked", "1.0", "expect"],
)
def test_bodies_are_read(google: Emulator, data: bytes) -> None:
    received = raw(google, data)
    assert b"invalid_request" in received
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400" if b"Expect" in data else b"HTTP/1.1 400")
    assert google.requests[0].body == b"a=1&b"
    assert google.requests[0].form == {"a": "1", "b": ""}


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_refused(google: Emulator, data: bytes) -> None:
    assert raw(google, data).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert google.requests == []


def test_a_body_that_never_comes(google: Emulator) -> None:
    with socket.create_connection(("127.0.0.1", google.port)) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    assert google.requests == []


def test_head_has_no_body(google: Emulator) -> None:
    received = raw(google, b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert received.endswith(b"\r\n\r\n")


def test_a_fault_of_the_emulator_does_not_pass_for_google(google: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(request: Request) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(google.google, "answer", broken)
    assert b"emulator failed: KeyError('bug')" in raw(google)


# Life


def test_it_stops_at_once() -> None:
    google = Emulator(any_token=True, pace=60.0).start()
    idle = socket.create_connection(("127.0.0.1", google.port))
    busy = socket.create_connection(("127.0.0.1", google.port))
    busy.sendall(request_bytes())
    assert google.wait_for(lambda: google.requests)
    pipelined = socket.create_connection(("127.0.0.1", google.port))
    pipelined.sendall(request_bytes(connection="keep-alive") * 100)
    assert google.wait_for(lambda: len(google.requests) == 2)
    started = time.monotonic()
    google.stop()
    assert time.monotonic() - started < 0.2
    google.stop()
    for sock in (idle, busy, pipelined):
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(65_536):
                pass
        sock.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", google.port))


def test_it_takes_many_at_once(google: Emulator) -> None:
    sockets = [socket.create_connection(("127.0.0.1", google.port)) for _ in range(200)]
    for sock in sockets:
        sock.sendall(request_bytes())
    for sock in sockets:
        received = b""
        while piece := sock.recv(65_536):
            received += piece
        assert received.endswith(b"0\r\n\r\n")
        sock.close()
    assert google.wait_for(lambda: google.open_connections == 0)
    assert {request.answered for request in google.requests} == {True}
    assert len(google.requests) == 200


def test_tokens(google: Emulator, client: http.client.HTTPConnection) -> None:
    google.settings.any_token = False
    answer = google.grant()
    assert {answer["access_token"], answer["refresh_token"]} <= google.secrets
    client.request(
        "POST", "/v1internal:listExperiments", "{}", {**HEADERS, "Authorization": f"Bearer {answer['access_token']}"}
    )
    assert client.getresponse().read()
    google.expire_tokens()
    google.revoke_tokens()
    assert ask(client).status == 401


def test_ipv6_has_its_own_url() -> None:
    try:
        with Emulator(host="::1") as google:
            assert google.url == f"http://[::1]:{google.port}"
    except OSError:
        pytest.skip("no IPv6 here")


def test_waiting_gives_up() -> None:
    with Emulator() as google:
        assert google.url == f"http://127.0.0.1:{google.port}"
        assert not google.wait_for(lambda: google.requests, timeout=0.01)
