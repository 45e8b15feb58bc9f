"""The path from Google's bytes to the client's: any cut, any garbage, one end."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.answer.usage import Usage
from tests.chop import cuts, every_cut
from tests.exchanges import (
    STOP,
    call,
    called,
    candidate,
    deltas,
    errors,
    events,
    exchange,
    finishes,
    said,
    sse_bytes,
    stream,
    text,
)

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


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=400)
    | st.lists(st.integers(0, len(ANSWER) - 1), max_size=5).map(
        lambda places: bytes(b ^ 0x15 if i in places else b for i, b in enumerate(ANSWER))
    )
)
def test_whatever_google_sends_the_stream_says_its_end_once(wire: bytes) -> None:
    heard = events(stream(wire))
    assert heard.count("[DONE]") == 1
    assert heard[-1] == "[DONE]"


WORDS_OF_GOOGLE = [
    "response",
    "candidates",
    "content",
    "parts",
    "text",
    "thought",
    "thoughtSignature",
    "index",
    "finishReason",
    "finishMessage",
    "usageMetadata",
    "promptTokenCount",
    "candidatesTokenCount",
    "totalTokenCount",
    "promptTokensDetails",
    "modality",
    "tokenCount",
    "promptFeedback",
    "blockReason",
    "error",
    "modelVersion",
    "responseId",
    "traceId",
    "functionCall",
    "name",
    "args",
    "id",
    "partialArgs",
    "jsonPath",
    "stringValue",
    "willContinue",
    "inlineData",
    "mimeType",
    "data",
    "fileData",
    "fileUri",
    "executableCode",
    "language",
    "code",
    "codeExecutionResult",
    "output",
    "groundingMetadata",
    "groundingChunks",
    "groundingSupports",
    "segment",
    "startIndex",
    "endIndex",
    "groundingChunkIndices",
    "web",
    "uri",
    "title",
    "citationMetadata",
    "citations",
    "urlContextMetadata",
    "logprobsResult",
    "chosenCandidates",
    "topCandidates",
    "token",
    "logProbability",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**70, 10**400, 1e308, -1, 0, "$.a[0].b", "$[0]", "STOP", "SAFETY", "AUDIO", "c2ln"])
    | st.text(max_size=5)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS_OF_GOOGLE), inner, max_size=4),
    max_leaves=12,
)


def inside(*names: str, of: st.SearchStrategy[Any] = JSON) -> st.SearchStrategy[Any]:
    """Members of these names, each of them anything or absent."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, of))


# Close to what Google sends, so that the search gets past the first gate.
CALLS = inside("name", "args", "id", "partialArgs", "willContinue")
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(max_size=3) | JSON,
        "thought": st.booleans() | JSON,
        "thoughtSignature": st.sampled_from(["c2ln", "", "%", None]),
        "functionCall": CALLS | st.fixed_dictionaries({"name": st.just("f")}, optional={"willContinue": st.booleans()}),
        "inlineData": inside("mimeType", "data") | st.just({"mimeType": "audio/x", "data": "*"}),
        "fileData": inside("mimeType", "fileUri"),
        "executableCode": inside("language", "code"),
        "codeExecutionResult": inside("outcome", "output"),
    },
)
GROUNDING = st.fixed_dictionaries(
    {"groundingChunks": st.lists(inside("web") | JSON, max_size=2)},
    optional={"groundingSupports": st.lists(inside("segment", "groundingChunkIndices"), max_size=2)},
)
CANDIDATES = st.fixed_dictionaries(
    {"content": st.fixed_dictionaries({"parts": st.lists(PARTS, max_size=3)}) | JSON},
    optional={
        "index": st.integers(0, 2) | JSON,
        "finishReason": st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL", "NEW"]) | JSON,
        "groundingMetadata": GROUNDING | JSON,
        "citationMetadata": inside("citations"),
        "logprobsResult": inside("chosenCandidates", "topCandidates"),
        "urlContextMetadata": JSON,
    },
)
CHUNKS = st.fixed_dictionaries(
    {"candidates": st.lists(CANDIDATES, max_size=2)}, optional={"usageMetadata": JSON, "promptFeedback": JSON}
)
CHATS = st.sampled_from(
    [
        {},
        {"functions": [{"name": "f"}]},
        {"modalities": ["audio"], "stream_options": {"include_usage": True}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"},
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(JSON | CHUNKS, max_size=4), CHATS)
def test_whatever_json_google_sends_nothing_escapes(documents: list[Any], chat: dict[str, Any]) -> None:
    wire = b"".join(b"data: " + json.dumps(d).encode() + b"\n\n" for d in documents)
    heard = events(stream(wire, **chat))
    assert heard.count("[DONE]") == 1
    assert heard[-1] == "[DONE]"
    assert bool(errors(heard)) == (not finishes(heard))  # an end or an error, never both and never neither
    assert not any(error["code"] == "internal_error" for error in errors(heard))
    answer = exchange(**chat).whole({"content-type": "application/json"}, json.dumps(documents[:1]).encode())
    said = json.loads(answer.body)
    assert ("error" in said) == (answer.status != 200)
    assert said.get("error", {}).get("code") != "internal_error"


RICH = sse_bytes(
    [
        candidate({"text": "hm", "thought": True}),
        text("naïve "),
        candidate({"text": "漢字"}, call("f", {"x": "😀"}, thoughtSignature="c2ln"), call("g")),
        text(
            " end",
            groundingMetadata={
                "groundingChunks": [{"web": {"uri": "https://example.com", "title": "é"}}],
                "groundingSupports": [{"segment": {"startIndex": 7, "endIndex": 13}, "groundingChunkIndices": [0]}],
            },
        ),
        STOP,
    ]
)


def without_ids(heard: list[Any]) -> list[Any]:
    for delta in deltas(heard):
        for made in delta.get("tool_calls", []):
            made.pop("id")
    return heard


@settings(max_examples=60, deadline=None)
@given(cuts(RICH))
def test_any_cut_gives_the_same_calls_and_sources(cut: list[bytes]) -> None:
    assert without_ids(events(stream(cut))) == EXPECTED


EXPECTED = without_ids(events(stream(RICH)))


def test_byte_by_byte_gives_the_same_calls_and_sources() -> None:
    assert without_ids(events(stream([bytes([byte]) for byte in RICH]))) == EXPECTED
    assert [made["name"] for made in called(EXPECTED)] == ["f", "g"]
    (cited,) = [delta["annotations"][0]["url_citation"] for delta in deltas(EXPECTED) if "annotations" in delta]
    assert said(EXPECTED)[cited["start_index"] : cited["end_index"]] == "漢字"


def test_nothing_to_send_is_an_empty_list() -> None:
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


def test_a_bug_of_ours_is_an_error_to_the_client(
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
    running.transform(sse_bytes([b"ping", text("a"), STOP]))
    assert running.warnings == ["1 unreadable events of Google's were skipped"]


def test_a_lost_event_is_told_at_the_end_and_what_follows_is_passed_on() -> None:
    found = events(stream(sse_bytes([text("a"), b'{"response": {"candid', text("b"), STOP])))
    assert said(found) == "ab"
    assert [error["code"] for error in errors(found)] == ["upstream_incomplete"]
    assert finishes(found) == []


def test_what_was_mended_is_a_warning() -> None:
    running = exchange(stream=True)
    running.transform(sse_bytes([text("a", usage={"promptTokenCount": 5.5}), STOP]))
    assert running.warnings == [
        "Google's answer was malformed and read as far as it goes: usageMetadata.promptTokenCount"
    ]


USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "cachedContentTokenCount": 4}


def test_what_the_log_wants_to_know() -> None:
    running = exchange(stream=True, n=2)
    assert (running.usage, running.finish_reasons, running.trace_id, running.failure) == (None, [], "", None)
    chunks = [text("a", usage=USAGE), text("b", index=1, finishReason="SAFETY"), candidate(finishReason="STOP")]
    running.transform(sse_bytes(chunks))
    running.transform(b"")
    assert running.usage == Usage(input=10, output=12, thinking=7, cached=4, total=22)
    assert (running.finish_reasons, running.trace_id, running.failure) == (["STOP", "SAFETY"], "t", None)


@pytest.mark.parametrize("is_stream", [True, False])
def test_the_failure_that_the_client_heard_of(is_stream: bool) -> None:
    running = exchange(stream=is_stream)
    running.whole({"content-type": "text/event-stream"}, sse_bytes([text("half")]))
    assert running.failure is not None
    assert running.failure.code == "upstream_incomplete"
    rejected = exchange(stream=is_stream)
    rejected.rejected(429, {}, b"{}")
    assert rejected.failure is not None
    assert rejected.failure.status == 429


def test_a_body_that_breaks_off_after_the_end_is_whole() -> None:
    running = exchange(stream=True)
    frames = running.transform(sse_bytes([text("a"), STOP]))
    running.interrupt(ProxyError(502, "upstream_disconnected", "The connection broke."))
    assert finishes(events(b"".join(frames + running.transform(b"")))) == ["stop"]


def test_a_body_that_breaks_off_before_the_second_choice_is_not_whole() -> None:
    running = exchange(stream=True, n=2)
    frames = running.transform(sse_bytes([text("a"), STOP]))
    running.interrupt(ProxyError(502, "upstream_disconnected", "The connection broke."))
    found = events(b"".join(frames + running.transform(b"")))
    assert [error["code"] for error in errors(found)] == ["upstream_disconnected"]
    assert finishes(found) == []


def test_a_stream_that_came_in_one_piece_is_still_a_stream() -> None:
    answer = exchange(stream=True).whole({"content-type": "text/event-stream"}, ANSWER)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert said(events(answer.body)) == WORDS


@pytest.mark.parametrize("form", [lambda body: body, lambda body: [body]])
@pytest.mark.parametrize("as_event", [False, True])
def test_an_http_error_keeps_its_status(form: Any, as_event: bool) -> None:
    body = json.dumps(
        form({"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}})
    ).encode()
    answer = exchange(stream=True).rejected(
        404, {"content-type": "text/event-stream"}, b"data: " + body + b"\n\n" if as_event else body
    )
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["type"]) == (404, "model_not_found", "invalid_request_error")


def test_google_s_retry_after_is_passed_on_unless_its_body_says_more() -> None:
    headers = {"retry-after": "7"}
    assert exchange().rejected(503, headers, b"{}").headers["retry-after"] == "7"
    told = b'{"error": {"code": 503, "message": "Please retry in 3s.", "status": "UNAVAILABLE"}}'
    assert exchange().rejected(503, headers, told).headers["retry-after"] == "3"


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b"null", b"[]", b"[1]", b'"x"', b'{"error": "text"}', b'{"error": null}']
)
def test_any_error_body_becomes_openai_s_form(body: bytes) -> None:
    answer = exchange().rejected(500, {}, body)
    error = json.loads(answer.body)["error"]
    assert answer.status == 500
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]


def test_a_stream_is_kept_alive_in_words_of_its_dialect() -> None:
    """Then its head has left, and what fails later is told in the stream."""
    running = exchange(stream=True)
    assert running.beat() == [b": keep-alive\n\n"]
    running.transform(b"")
    assert running.failure is not None
    assert running.refusal is None
    assert running.beat() == []
    assert exchange().beat() == []  # an answer in one piece has nothing that a client would skip
