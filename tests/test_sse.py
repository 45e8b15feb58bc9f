"""The decoder of server-sent events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy import sse
from tests.chop import assert_same_for_every_cut, cuts


def decoded(pieces: list[bytes]) -> list[bytes]:
    decoder = sse.Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.flush()


ROWS = [
    pytest.param("data: 汉😀\n\n".encode(), ["汉😀".encode()], id="cut-characters"),
    pytest.param(b'data: {"a": 1}\n\n', [b'{"a": 1}'], id="one-event"),
    pytest.param(b"data: 1\n\ndata: 2\n\ndata: 3\n\n", [b"1", b"2", b"3"], id="many-events"),
    pytest.param(b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"], id="crlf"),
    pytest.param(b"data: 1\r\rdata: 2\r\r", [b"1", b"2"], id="cr"),
    pytest.param(b"data: 1\r\n\ndata: 2\n\r\n", [b"1", b"2"], id="mixed"),
    pytest.param(b'data:{"a":1}\n\n', [b'{"a":1}'], id="no-space"),
    pytest.param(b"data:  two spaces\n\n", [b" two spaces"], id="one-space-is-syntax"),
    pytest.param(b'data: {"a":\ndata: 1}\n\n', [b'{"a":\n1}'], id="several-data-lines"),
    pytest.param(b": hi\nid: 1\nevent: x\nretry: 5\ndata: 1\n\n: hi\n\n", [b"1"], id="other-fields"),
    pytest.param(b"\xef\xbb\xbfdata: 1\n\n", [b"1"], id="bom"),
    pytest.param(b"data: 1\n\ndata: 2", [b"1", b"2"], id="no-line-end"),
    pytest.param(b"data: 1\n\ndata: 2\n", [b"1", b"2"], id="no-blank-line"),
    pytest.param(
        'data: "a\u2028b\u2029c\u0085d"\n\n'.encode(), ['"a\u2028b\u2029c\u0085d"'.encode()], id="unicode-line-ends"
    ),
    pytest.param(b"\n\n\n\n", [], id="blank-lines"),
    pytest.param(b"", [], id="nothing"),
]


@pytest.mark.parametrize(("wire", "events"), ROWS)
def test_any_cut_gives_the_same_events(wire: bytes, events: list[bytes]) -> None:
    assert_same_for_every_cut(wire, decoded, events)


@given(
    st.lists(st.sampled_from([b"data: ", b"data:", b"\n", b"\r", b"\r\n", b"x", b":", b"\xef\xbb\xbf", "😀".encode()]))
    .map(b"".join)
    .flatmap(lambda wire: st.tuples(st.just(wire), cuts(wire)))
)
def test_any_bytes_mean_the_same_however_they_are_cut(wire_and_cut: tuple[bytes, list[bytes]]) -> None:
    wire, cut = wire_and_cut
    assert decoded(cut) == decoded([wire])


def test_an_event_ended_by_cr_does_not_wait_for_the_lf() -> None:
    decoder = sse.Decoder()
    assert decoder.feed(b"data: 1\r\n\r") == [b"1"]
    assert decoder.feed(b"\ndata: 2\r\r") == [b"2"]


def test_a_large_event_in_small_pieces() -> None:
    data = b"data: " + b"x" * 2_000_000 + b"\n\n"
    decoder = sse.Decoder()
    events = [e for start in range(0, len(data), 100) for e in decoder.feed(data[start : start + 100])]
    assert [len(event) for event in events] == [2_000_000]


def test_whole_is_one_event_at_the_end() -> None:
    whole = sse.Whole()
    assert whole.feed(b' {"a"') == []
    assert whole.feed(b":1}\n") == []
    assert whole.flush() == [b'{"a":1}']
    assert whole.flush() == []


def test_encoded_events_are_one_line() -> None:
    assert sse.encode({"a": "x\ny\r\u2028😀"}) == 'data: {"a":"x\\ny\\r\u2028😀"}\n\n'.encode()
