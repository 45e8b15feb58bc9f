"""The path from Google's bytes to the client's: any cut, any garbage, one end."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chop import cuts, every_cut
from tests.exchanges import STOP, candidate, errors, events, exchange, said, sse_bytes, stream, text

WORDS = "naïve 漢字 😀 👩‍👩‍👧 \u2028 end"
ANSWER = sse_bytes([candidate({"text": "hm", "thought": True}), text(WORDS), STOP])


def test_any_cut_gives_the_same_bytes() -> None:
    expected = events(stream(ANSWER))
    assert said(expected) == WORDS
    for cut in every_cut(ANSWER):
        heard = stream(cut)
        heard.decode()  # no character is broken
        assert said(events(heard)) == WORDS
        assert events(heard) == expected


@given(cuts(ANSWER))
def test_any_random_cut_gives_the_same_bytes(cut: list[bytes]) -> None:
    assert events(stream(cut)) == events(stream(ANSWER))


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=400)
    | st.lists(st.integers(0, len(ANSWER) - 1), max_size=5).map(
        lambda places: bytes(b ^ 0x15 if i in places else b for i, b in enumerate(ANSWER))
    )
)
def test_whatever_google_sends_the_stream_says_its_end_once_c21(wire: bytes) -> None:
    heard = events(stream(wire))
    assert heard.count("[DONE]") == 1
    assert heard[-1] == "[DONE]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "response",
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "thought",
                    "index",
                    "finishReason",
                    "usageMetadata",
                    "promptFeedback",
                    "error",
                    "functionCall",
                    "promptTokenCount",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(JSON, max_size=4))
def test_whatever_json_google_sends_nothing_escapes(documents: list[Any]) -> None:
    heard = events(stream(sse_bytes(json.dumps(d) for d in documents)))
    assert heard.count("[DONE]") == 1
    answer = exchange().whole({"content-type": "application/json"}, json.dumps(documents[:1]).encode())
    assert json.loads(answer.body)


def test_nothing_to_send_is_an_empty_list_c20() -> None:
    running = exchange(stream=True)
    assert running.transform(ANSWER[:10]) == []
    assert running.transform(b": comment\n\n") == []


def test_the_end_is_said_once_however_often_it_is_announced() -> None:
    running = exchange(stream=True)
    first = running.transform(ANSWER) + running.transform(b"")
    assert first[-1].endswith(b"data: [DONE]\n\n")
    assert running.transform(b"") == []
    assert running.transform(ANSWER) == []


def test_events_of_one_read_are_one_write() -> None:
    assert len(exchange(stream=True).transform(ANSWER)) == 1


def test_a_bug_of_ours_is_an_error_to_the_client_c21(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = exchange(stream=True)
    frames = running.transform(sse_bytes([text("said")]))
    monkeypatch.setattr(running.ask.renderer, "feed", lambda chunk: 1 / 0)
    heard = events(b"".join(frames + running.transform(sse_bytes([text("lost")])) + running.transform(b"")))
    assert said(heard) == "said"
    assert [error["code"] for error in errors(heard)] == ["internal_error"]
    assert heard[-1] == "[DONE]"
    assert "ZeroDivisionError" in caplog.text


def test_skipped_events_are_a_warning() -> None:
    running = exchange(stream=True)
    running.transform(sse_bytes([b"{broken", text("a"), STOP]))
    assert running.warnings == ["1 unreadable events of Google's were skipped"]


def test_a_stream_that_came_in_one_piece_is_still_a_stream() -> None:
    answer = exchange(stream=True).whole({"content-type": "text/event-stream"}, ANSWER)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert said(events(answer.body)) == WORDS


@pytest.mark.parametrize("form", [lambda body: body, lambda body: [body]])
@pytest.mark.parametrize("as_event", [False, True])
def test_an_http_error_keeps_its_status_c230(form: Any, as_event: bool) -> None:
    body = json.dumps(
        form({"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}})
    ).encode()
    answer = exchange(stream=True).rejected(
        404, {"content-type": "text/event-stream"}, b"data: " + body + b"\n\n" if as_event else body
    )
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["type"]) == (404, "model_not_found", "invalid_request_error")


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"null", b"[]", b"[1]", b'"x"', b'{"error": "text"}', b'{"error": null}']
)
def test_any_error_body_becomes_openai_s_form_c221(body: bytes) -> None:
    answer = exchange().rejected(500, {}, body)
    error = json.loads(answer.body)["error"]
    assert answer.status == 500
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
