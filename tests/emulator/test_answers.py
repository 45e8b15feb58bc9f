"""Cutting bodies for the network, and answers from files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.emulator.answers import Answer, gzipped, up_to, writes_of

FRAMES = (b"aaaa", b"bbbb", b"cccc")


def shown(frames: tuple[bytes, ...], pieces: object) -> list[tuple[bytes, bool]]:
    return [(write.data, write.pause) for write in writes_of(frames, pieces)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pieces", "writes"),
    [
        (None, [(b"aaaa", False), (b"bbbb", True), (b"cccc", True)]),
        (6, [(b"aaaabb", False), (b"bbcccc", True)]),
        (100, [(b"aaaabbbbcccc", False)]),
        ([5, 1], [(b"aaaab", False), (b"b", False), (b"bbccc", True), (b"c", False)]),
        (lambda body: [body[:4], b"", body[4:]], [(b"aaaa", False), (b"bbbbcccc", True)]),
    ],
    ids=["frames", "across", "whole", "sizes", "function"],
)
def test_writes(pieces: object, writes: list[tuple[bytes, bool]]) -> None:
    assert shown(FRAMES, pieces) == writes


@given(st.lists(st.binary(max_size=9)).map(tuple), st.integers(1, 12))
def test_any_cut_keeps_the_bytes(frames: tuple[bytes, ...], size: int) -> None:
    writes = writes_of(frames, size)
    assert b"".join(write.data for write in writes) == b"".join(frames)
    assert all(write.data for write in [*writes, *writes_of(frames, None)])


@pytest.mark.parametrize(
    ("limit", "left"), [(0, []), (3, [b"aaa"]), (4, [b"aaaa"]), (5, [b"aaaa", b"b"]), (99, [*FRAMES])]
)
def test_writes_up_to_a_byte(limit: int, left: list[bytes]) -> None:
    assert [write.data for write in up_to(writes_of(FRAMES, None), limit)] == left


def test_gzip_keeps_the_frames_apart() -> None:
    packed = gzipped(FRAMES)
    assert gzip.decompress(b"".join(packed)) == b"".join(FRAMES)
    assert all(packed[: len(FRAMES)])


def test_a_recorded_stream(tmp_path: Path) -> None:
    recording = {
        "http_status": 200,
        "response_headers": {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", "Server": "ESF"},
        "chunks": [{"response": {}}, {"traceId": "é"}],
    }
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(recording), "utf-8")
    answer = Answer.file(path, pieces=3)
    assert answer.frames == (b'data: {"response": {}}\r\n\r\n', 'data: {"traceId": "é"}\r\n\r\n'.encode())
    assert answer.headers == {"Content-Type": "text/event-stream", "Server": "ESF"}
    assert (answer.pieces, answer.framing) == (3, "chunked")


def test_a_recorded_error(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text('{"http_status": 429, "body": [{"error": {}}]}')
    answer = Answer.file(path)
    assert answer.status == 429
    assert json.loads(b"".join(answer.frames or ())) == [{"error": {}}]


def test_recorded_bytes(tmp_path: Path) -> None:
    path = tmp_path / "answer.sse"
    path.write_bytes(b"data: 1\r\n\r\n")
    assert Answer.file(path).frames == (b"data: 1\r\n\r\n",)


@pytest.mark.parametrize("wrong", [{"fault": "typo"}, {"framing": "typo"}])
def test_words_are_checked(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no such"):
        Answer(**wrong)  # type: ignore[arg-type]
