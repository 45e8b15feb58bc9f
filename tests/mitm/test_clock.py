"""The clock of a connection: what takes too long ends, and what only takes long is kept alive."""

import time
from collections.abc import Iterator

import pytest

from gemini_proxy.mitm import layer, stream
from gemini_proxy.mitm.visits import VISITS
from tests.exchanges import STOP, exchange, sse_bytes, text
from tests.mitm.test_stream import CHAT, EVENT_STREAM, HEAD, SECRET, admit, call_of, chunk, refuse, stream_begins
from tests.mitm.wire import Wire, wire


class Watch:
    now = 1000.0


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(time, "monotonic", lambda: watch.now)
    return watch


@pytest.fixture
def client(watch: Watch) -> Iterator[Wire]:
    running = exchange(stream=True)
    with wire(requestheaders=admit, gemini_translate=call_of(running), responseheaders=stream_begins(running)) as found:
        yield found


@pytest.mark.parametrize(("first_byte", "idle", "delay"), [(600, 300, 1.0), (2, 300, 0.5), (600, 1, 0.25)])
def test_it_ticks_each_second_or_as_often_as_the_limits_need(first_byte: float, idle: float, delay: float) -> None:
    with wire(requestheaders=admit) as client:
        client.quiet.first_byte_limit, client.quiet.idle_limit = first_byte, idle
        client.client_says(CHAT[:-1])
        assert client.clock is not None
        assert client.clock.delay == delay


def test_it_stops_with_the_last_request(client: Wire, watch: Watch) -> None:
    client.client_says(CHAT)
    client.tick()
    assert client.is_ticking()
    client.google_says(EVENT_STREAM + chunk(sse_bytes([STOP])) + b"0\r\n\r\n")
    client.tick()
    assert not client.is_ticking()
    assert client.closed == []


def test_an_answer_has_to_begin(client: Wire, watch: Watch) -> None:
    client.client_says(CHAT)
    watch.now += 600
    client.tick()
    assert client.to_client == b""
    watch.now += 1
    client.tick()
    assert client.status == 504
    assert client.opened[0] in client.closed
    assert VISITS == {}


def test_an_answer_may_not_pause_for_ever(client: Wire, watch: Watch) -> None:
    client.client_says(CHAT).google_says(EVENT_STREAM + chunk(sse_bytes([text("one")])))
    for _ in range(3):  # each word counts
        watch.now += 299
        client.tick().google_says(chunk(sse_bytes([text("more")])))
    assert b'"code":"timeout"' not in client.to_client
    watch.now += 301
    client.tick()
    assert b'"code":"timeout"' in client.to_client
    assert client.to_client.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_silence_is_filled_with_comments(client: Wire, watch: Watch) -> None:
    client.client_says(CHAT).google_says(EVENT_STREAM + chunk(sse_bytes([text("one")])))
    before = client.to_client
    watch.now += stream.BEAT
    client.tick()
    assert client.to_client == before
    watch.now += 1
    client.tick()
    assert client.to_client.removeprefix(before).split(b"\r\n")[1].startswith(b":")
    beaten = client.to_client
    client.tick()
    assert client.to_client == beaten  # one for each silence


def test_a_head_that_waits_is_sent_before_the_first_comment(client: Wire, watch: Watch) -> None:
    client.client_says(CHAT).google_says(EVENT_STREAM)
    assert client.to_client == b""
    watch.now += stream.BEAT + 1
    client.tick()
    assert client.status == 200


@pytest.mark.parametrize("began", [False, True])
def test_the_end_of_the_process(client: Wire, watch: Watch, began: bool) -> None:
    client.client_says(CHAT)
    if began:
        client.google_says(EVENT_STREAM + chunk(sse_bytes([text("one")])))
    client.tick()
    assert b"shutting_down" not in client.to_client
    client.quiet.stopped = True
    client.tick()
    assert b"shutting_down" in client.to_client
    assert client.status == (200 if began else 503)


def test_a_client_that_goes_on_sending_what_was_refused(watch: Watch) -> None:
    with wire(requestheaders=refuse) as client:
        client.client_says(HEAD % (SECRET, SECRET, SECRET) + b"Content-Length: 500000\r\n\r\n")
        assert client.status == 401
        watch.now += layer.LINGER
        client.tick().client_says(b"x" * 1000)
        assert client.closed == []
        watch.now += 0.1
        client.tick()
        assert client.closed == [client.context.client]
        assert not client.is_ticking()


def test_linger_winds_the_clock(watch: Watch) -> None:
    with wire(requestheaders=refuse) as client:
        client.hold = {"requestheaders"}
        client.client_says(HEAD % (SECRET, SECRET, SECRET) + b"Content-Length: 500000\r\n\r\n")
        client.clock = None
        client.layer.clock = None  # rang while the hook was running
        client.release()
        watch.now += layer.LINGER + 0.1
        client.tick()
        assert client.closed == [client.context.client]


def test_a_connection_that_does_not_come_about(client: Wire, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    from mitmproxy.proxy import commands, events

    take = client._take
    opening: list[commands.OpenConnection] = []

    def held(command: commands.Command) -> None:
        if isinstance(command, commands.OpenConnection):
            command.connection.timestamp_start = time.time()
            opening.append(command)
        else:
            take(command)

    monkeypatch.setattr(client, "_take", held)
    client.client_says(CHAT)
    client.tick()
    assert client.closed == []
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began + layer.CONNECT_LIMIT + 1)
    client.tick()
    assert client.closed == [opening[0].connection]
    client.feed(events.OpenConnectionCompleted(opening[0], "connection cancelled"))
    assert client.status == 504
    assert b"30 " in client.to_client or b"time" in client.to_client
