"""What a client says goes nowhere, and what it may not show is never shown, whatever happens in a hook."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from mitmproxy import http

from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Exchange, HttpRequest
from gemini_proxy.mitm import network
from gemini_proxy.mitm.visits import VISITS, Body, Visit
from gemini_proxy.outbound import Proxy
from tests.exchanges import STOP, exchange, sse_bytes, text
from tests.mitm.wire import Wire, wire

SECRET = b"client-s3cret"
BEARER = "google-s3cret"
BODY = b'{"model":"m"}'
HEAD = (
    b"POST /v1/chat/completions?key=%s HTTP/1.1\r\nHost: localhost:3000\r\nAuthorization: Bearer %s\r\nCookie: a=%s\r\n"
)
CHAT = HEAD % (SECRET, SECRET, SECRET) + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
GET = b"GET /v1/models HTTP/1.1\r\nHost: localhost:3000\r\nAuthorization: Bearer client-s3cret\r\n\r\n"
SENT = HttpRequest(
    "POST", "http://google.test/v1:generate?alt=sse", {"authorization": f"Bearer {BEARER}", "x": "y"}, b'{"ours":1}'
)


def admit(flow: http.HTTPFlow) -> None:
    VISITS[flow.id].admitted = True


def call_of(running: Exchange | None = None) -> Any:
    def translate(visit: Visit) -> None:
        visit.call = UpstreamCall(running or exchange(), cast(Any, None), SENT, 600)

    return translate


@pytest.fixture
def calling() -> Iterator[Wire]:
    """A connection whose requests all become the call to Google."""
    with wire(requestheaders=admit, gemini_translate=call_of()) as found:
        yield found


def test_google_gets_our_request_and_nothing_of_the_client_s(calling: Wire) -> None:
    calling.client_says(CHAT)
    (server,) = calling.opened
    assert server.address == ("google.test", 80)
    head, _, body = calling.to_google.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /v1:generate?alt=sse HTTP/1.1",
        b"host: google.test",
        b"authorization: Bearer google-s3cret",
        b"x: y",
        b"content-length: 10",
    ]
    assert body == b'{"ours":1}'


def test_no_hook_ever_sees_a_secret(calling: Wire) -> None:
    calling.client_says(CHAT).google_says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert calling.seen == ["requestheaders", "request", "gemini_translate", "responseheaders", "response"]
    assert calling.status == 200
    for shown in calling.shown:
        assert "s3cret" not in shown


def test_the_flow_is_what_the_client_said(calling: Wire) -> None:
    found: list[tuple[str, bytes | None]] = []
    calling.hooks["request"] = lambda flow: found.append((flow.request.pretty_url, flow.request.content))
    calling.client_says(CHAT)
    assert found == [("http://localhost:3000/v1/chat/completions?key=***", BODY)]


def test_the_secrets_are_beside_the_flow() -> None:
    heads: list[Visit] = []
    with wire(requestheaders=admit, gemini_translate=heads.append) as client:
        client.client_says(CHAT)
    asked = heads[0].request()
    assert asked.headers["authorization"] == "Bearer client-s3cret"
    assert asked.query == {"key": "client-s3cret"}
    assert asked.body == BODY


def test_what_was_edited_is_what_is_translated() -> None:
    heads: list[Visit] = []

    def edit(flow: http.HTTPFlow) -> None:
        flow.request.content = b"edited"
        flow.request.path = "/v1/embeddings"

    with wire(requestheaders=admit, request=edit, gemini_translate=heads.append) as client:
        client.client_says(CHAT)
        asked = heads[0].request()
    assert (asked.path, asked.body) == ("/v1/embeddings", b"edited")


def another_host(flow: http.HTTPFlow) -> None:
    flow.request.url = "https://evil.test/"
    flow.request.host_header = "evil.test"


def streaming(flow: http.HTTPFlow) -> None:
    flow.request.stream = True


def no_response(flow: http.HTTPFlow) -> None:
    flow.response = None


ADDONS: list[dict[str, Any]] = [
    {},
    {"requestheaders": streaming},
    {"requestheaders": another_host},
    {"request": another_host},
    {"request": no_response},
    {"requestheaders": admit},
    {"requestheaders": admit, "request": another_host},
    {"requestheaders": admit, "request": no_response},
    {"gemini_translate": call_of()},  # asked although nobody was let in
    {"requestheaders": lambda flow: VISITS.clear()},
]


@pytest.mark.parametrize("hooks", ADDONS, ids=range(len(ADDONS)))
@pytest.mark.parametrize("sent", [CHAT, GET], ids=["chat", "get"])
def test_without_a_call_of_ours_nothing_is_opened(hooks: dict[str, Any], sent: bytes) -> None:
    """Whatever hooks leave in the flow, and so also where they raise or are not there at all."""
    with wire(**hooks) as client:
        client.client_says(sent)
        assert client.opened == []
        assert client.status == 500
        assert client.to_google == b""
    assert VISITS == {}


def test_a_body_does_not_stream_to_the_upstream(calling: Wire) -> None:
    def both(flow: http.HTTPFlow) -> None:
        admit(flow)
        streaming(flow)

    calling.hooks["requestheaders"] = both
    calling.client_says(CHAT)
    assert BODY not in calling.to_google
    assert SECRET not in calling.to_google


@pytest.mark.parametrize("mode", ["regular", "reverse:https://google.test"])
def test_no_tunnel_even_without_an_addon(mode: str) -> None:
    with wire(mode) as client:
        client.client_says(b"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n").client_says(b"GET / ...")
        assert client.opened == []
        assert client.to_client.startswith((b"HTTP/1.1 405", b"HTTP/1.1 400"))


def refuse(flow: http.HTTPFlow) -> None:
    flow.response = http.Response.make(401, b"no", {"content-type": "text/plain"})


def test_a_refusal_does_not_wait_for_the_body() -> None:
    with wire(requestheaders=refuse) as client:
        client.client_says(HEAD % (SECRET, SECRET, SECRET) + b"Content-Length: 500000\r\n\r\n")
        assert client.status == 401
        assert b"connection: close" in client.to_client
        assert client.closed == []  # a little later: closing at once would cut the answer
        before = client.to_client
        client.client_says(b"x" * 500_000)
        assert client.to_client == before
        assert client.seen == ["requestheaders", "responseheaders", "response"]


def test_a_refusal_comes_in_place_of_100_continue() -> None:
    with wire(requestheaders=refuse) as client:
        client.client_says(HEAD % (SECRET, SECRET, SECRET) + b"Expect: 100-continue\r\nContent-Length: 500\r\n\r\n")
        assert b"100" not in client.to_client.split(b"\r\n")[0]
        assert client.status == 401


def test_a_broken_body_under_a_refusal_gets_one_answer() -> None:
    with wire(requestheaders=refuse) as client:
        client.hold = {"requestheaders"}
        client.client_says(HEAD % (SECRET, SECRET, SECRET) + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n")
        client.release()
        assert client.to_client.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "interim", [b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_interim_answers_are_passed_over(calling: Wire, interim: bytes) -> None:
    calling.client_says(CHAT)
    for piece in (interim[:9], interim[9:], b"HTTP/1.1 204 No Content\r\n\r\n"):
        if piece:
            calling.google_says(piece)
    assert calling.status == 204


def test_nobody_may_switch_protocols(calling: Wire) -> None:
    calling.client_says(CHAT).google_says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    assert calling.status == 502
    before = calling.to_google
    calling.client_says(b"raw bytes")
    assert calling.to_google == before


def test_a_script_that_switches_protocols_joins_nothing(calling: Wire) -> None:
    def switch(flow: http.HTTPFlow) -> None:
        flow.response = http.Response.make(101, b"", {"upgrade": "x"})

    calling.hooks["response"] = switch
    calling.client_says(CHAT).google_says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    before = calling.to_google
    calling.client_says(b"raw bytes")
    assert calling.to_google == before


@pytest.mark.parametrize("trailer", [b"", b"X-Checksum: 1\r\n"])
def test_trailers_of_an_answer_are_dropped(calling: Wire, trailer: bytes) -> None:
    calling.client_says(CHAT)
    calling.google_says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + trailer + b"\r\n")
    assert calling.status == 200
    assert "response" in calling.seen


@pytest.mark.parametrize("end", [b"xx", b"\n\n", b"\r\r", b"\rx"])
def test_a_chunk_ends_with_crlf(end: bytes) -> None:
    with wire(requestheaders=admit, gemini_translate=call_of()) as client:
        client.client_says(
            HEAD % (SECRET, SECRET, SECRET) + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{" + end + b"0\r\n\r\n"
        )
        assert client.opened == []
        assert client.status == 400


@pytest.mark.parametrize("cut", range(1, 12))
def test_chunks_in_any_pieces(calling: Wire, cut: int) -> None:
    wire_ = b"1\r\n{\r\n1\r\n}\r\n0\r\nA: b\r\n\r\n"
    bodies: list[bytes | None] = []
    calling.hooks["request"] = lambda flow: bodies.append(flow.request.content)
    calling.client_says(HEAD % (SECRET, SECRET, SECRET) + b"Transfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(wire_), cut):
        calling.client_says(wire_[start : start + cut])
    assert bodies == [b"{}"]


def stream_begins(running: Exchange) -> Any:
    def responseheaders(flow: http.HTTPFlow) -> None:
        visit = VISITS[flow.id]
        assert visit.call is not None
        assert flow.response is not None
        flow.response.headers = http.Headers([(b"transfer-encoding", b"chunked")])
        flow.response.stream = Body(visit, visit.call)

    return responseheaders


EVENT_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.fixture
def streaming_call() -> Iterator[Wire]:
    running = exchange(stream=True)
    with wire(
        requestheaders=admit, gemini_translate=call_of(running), responseheaders=stream_begins(running)
    ) as client:
        yield client


def test_a_stream(streaming_call: Wire) -> None:
    streaming_call.client_says(CHAT).google_says(EVENT_STREAM)
    assert streaming_call.to_client == b""  # the head waits: an error may come first
    streaming_call.google_says(chunk(sse_bytes([text("one")])))
    assert b'"one"' in streaming_call.to_client
    streaming_call.google_says(chunk(sse_bytes([STOP])) + b"0\r\n\r\n")
    assert streaming_call.to_client.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_a_stream_that_breaks_says_so(streaming_call: Wire) -> None:
    streaming_call.client_says(CHAT).google_says(EVENT_STREAM + chunk(sse_bytes([text("one")]))).google_closes()
    assert b'"upstream_incomplete"' in streaming_call.to_client
    assert streaming_call.to_client.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_an_empty_data_frame_is_no_end(streaming_call: Wire) -> None:
    from mitmproxy.proxy.layers.http._events import ResponseData

    streaming_call.client_says(CHAT).google_says(EVENT_STREAM + chunk(sse_bytes([text("one")])))
    stream = streaming_call.layer.streams[1]
    assert list(stream.handle_event(ResponseData(1, b""))) == []
    assert b"[DONE]" not in streaming_call.to_client


def test_what_stops_the_proxy_is_told(streaming_call: Wire) -> None:
    from gemini_proxy.mitm.stream import Tick

    streaming_call.client_says(CHAT).google_says(EVENT_STREAM + chunk(sse_bytes([text("one")])))
    streaming_call.quiet.stopped = True
    for command in streaming_call.layer.event_to_child(streaming_call.layer.streams[1], Tick()):
        streaming_call._take(command)
    assert b'"shutting_down"' in streaming_call.to_client
    assert b"Google closed" not in streaming_call.to_client


def test_words_for_what_mitmproxy_says() -> None:
    assert network.error_from(network.STOPPED).code == "shutting_down"
    assert isinstance(network.error_from(network.NOT_OURS), ProxyError)


def test_a_company_s_proxy_is_asked_for_a_tunnel() -> None:
    def translate(visit: Visit) -> None:
        call_of()(visit)
        assert visit.call is not None
        visit.call.proxy = Proxy("http", "proxy.corp", 8080, "HTTPS_PROXY", "Basic eDp5")

    asked: list[http.HTTPFlow] = []
    with wire(requestheaders=admit, gemini_translate=translate, http_connect_upstream=asked.append) as client:
        client.client_says(CHAT)
        (server,) = client.opened
        assert server.address == ("proxy.corp", 8080)
        assert client.to_google.startswith(b"CONNECT google.test:80 HTTP/1.1\r\n")
        assert b"s3cret" not in client.to_google
        client.google_says(b"HTTP/1.1 200 Connection established\r\n\r\n")
        assert b"POST /v1:generate?alt=sse HTTP/1.1" in client.to_google
    assert len(asked) == 1
