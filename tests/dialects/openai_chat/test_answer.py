"""What a client hears of an answer: its end, its words, its usage, for streams and whole answers."""

import json
from typing import Any

import pytest

from tests.exchanges import (
    STOP,
    candidate,
    completion,
    deltas,
    errors,
    exchange,
    finishes,
    said,
    sse_bytes,
    stream,
    streamed,
    text,
    whole,
)

USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}

REASONS = [
    ("STOP", "stop"),
    ("MAX_TOKENS", "length"),
    ("SAFETY", "content_filter"),
    ("PROHIBITED_CONTENT", "content_filter"),
    ("BLOCKLIST", "content_filter"),
    ("SPII", "content_filter"),
    ("RECITATION", "content_filter"),
    *(
        (word, "content_filter")
        for word in (
            "LANGUAGE",
            "OTHER",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "IMAGE_OTHER",
            "NO_IMAGE",
            "ESCALATION",
        )
    ),
    ("FINISH_REASON_UNSPECIFIED", "stop"),
    ("SOMETHING_NEW", "stop"),
]


@pytest.mark.parametrize(("native", "finish"), REASONS)
def test_finish_reasons(native: str, finish: str) -> None:
    found = streamed([text("partial"), candidate(finishReason=native)])
    assert said(found) == "partial"
    assert finishes(found) == [finish]
    assert found[-2]["choices"][0]["native_finish_reason"] == native
    choice = completion(text("partial", finishReason=native))["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"], choice["native_finish_reason"]) == (
        "partial",
        finish,
        native,
    )


def test_an_unknown_reason_is_a_warning() -> None:
    answer = whole(text("x", finishReason="SOMETHING_NEW"))
    assert "SOMETHING_NEW" in answer.headers["x-gemini-proxy-warnings"]


def test_all_tokens_thought_away() -> None:
    spent = candidate(
        finishReason="MAX_TOKENS", usage={"promptTokenCount": 3, "thoughtsTokenCount": 100, "totalTokenCount": 103}
    )
    answer = whole(spent)
    body = json.loads(answer.body)
    assert body["choices"][0]["message"]["content"] == ""
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 100
    assert "spent on thinking" in answer.headers["x-gemini-proxy-warnings"]
    assert said(streamed([spent])) == ""


BROKEN = [
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "MALFORMED_RESPONSE",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
]


@pytest.mark.parametrize("native", BROKEN)
def test_a_broken_answer_is_an_error_that_can_be_tried_again(native: str) -> None:
    answer = whole(candidate(finishReason=native, finishMessage="why"))
    error = json.loads(answer.body)["error"]
    assert (answer.status, answer.headers["x-should-retry"], error["code"]) == (502, "true", native.lower())
    assert "why" in error["message"]
    found = streamed([candidate(finishReason=native)])
    assert [error["code"] for error in errors(found)] == [native.lower()]
    assert found[-1] == "[DONE]"
    found = streamed([text("visible"), candidate(finishReason=native)])
    assert said(found) == "visible"
    assert len(errors(found)) == 1
    assert finishes(found) == []


SAFETY = {"blockReason": "SAFETY"}
PROMPT = {"response": {"promptFeedback": SAFETY, "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}}}
BLOCKED: list[Any] = [
    pytest.param([PROMPT], {}, id="prompt"),
    pytest.param([{"response": {"promptFeedback": {**SAFETY, "blockReasonMessage": "Words."}}}], {}, id="message"),
    pytest.param([{"response": {"promptFeedback": SAFETY, "candidates": [{"index": 0}]}}], {}, id="no-reason"),
    pytest.param([candidate(finishReason="SAFETY", finishMessage="Words.")], {}, id="candidate"),
    pytest.param([candidate(index=i, finishReason="SAFETY") for i in range(2)], {"n": 2}, id="both-candidates"),
]


@pytest.mark.parametrize(("chunks", "chat"), BLOCKED)
def test_what_google_refuses_before_a_word_is_an_error(chunks: list[Any], chat: dict[str, Any]) -> None:
    """Most programs show an error, and an answer with nothing but a reason as a blank."""
    words = "Words." if "Words." in json.dumps(chunks) else ""
    body = sse_bytes(chunks)
    for is_stream in (True, False):
        answer = exchange(stream=is_stream, **chat).whole({"content-type": "text/event-stream"}, body)
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["code"], error["type"]) == (400, "content_filter", "invalid_request_error")
        assert answer.headers["x-should-retry"] == "false"
        assert "SAFETY" in error["message"]
        assert words in error["message"]
    assert [error["code"] for error in errors(streamed(chunks, **chat))] == ["content_filter"]


def test_a_prompt_that_is_blocked_after_the_first_words() -> None:
    found = streamed([text("half"), PROMPT], stream_options={"include_usage": True})
    assert said(found) == "half"
    assert finishes(found) == ["content_filter"]
    assert found[-3]["choices"][0]["native_finish_reason"] == "SAFETY"
    assert found[-2]["usage"]["prompt_tokens"] == 7
    thought = streamed([candidate({"text": "hm", "thought": True}), candidate(finishReason="SAFETY")])
    assert finishes(thought) == ["content_filter"]
    assert errors(thought) == []


def test_one_choice_of_two_is_blocked() -> None:
    found = streamed([text("a", finishReason="STOP"), candidate(index=1, finishReason="SAFETY")], n=2)
    assert finishes(found) == ["stop", "content_filter"]


EMPTY_CONTENTS: list[dict[str, Any]] = [
    {},
    {"content": {}},
    {"content": {"role": "model"}},
    {"content": {"parts": []}},
    {"content": {"parts": [{}]}},
    {"content": {"parts": [{"text": ""}]}},
    {"content": None},
    {"content": {"parts": None}},
]


@pytest.mark.parametrize("content", EMPTY_CONTENTS)
def test_an_empty_candidate_says_nothing(content: dict[str, Any]) -> None:
    chunk = {"response": {"candidates": [{**content, "finishReason": "STOP"}]}}
    assert deltas(streamed([chunk])) == [{"role": "assistant", "content": ""}, {}]
    assert completion(chunk)["choices"][0]["message"] == {"role": "assistant", "content": "", "refusal": None}


def test_thoughts_alone() -> None:
    chunk = candidate({"text": "hm", "thought": True}, finishReason="STOP")
    answer = whole(chunk)
    message = json.loads(answer.body)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "", "refusal": None, "reasoning_content": "hm"}
    assert "only thought" in answer.headers["x-gemini-proxy-warnings"]


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        pytest.param([], "upstream_empty_response"),
        pytest.param([{"response": {}}, {}, {"response": None}, {"traceId": "x"}], "upstream_empty_response"),
        pytest.param([text("half")], "upstream_incomplete"),
        pytest.param([text("half"), b'{"response": {"candi'], "upstream_incomplete"),
        pytest.param([text("half"), b"[DONE]"], "upstream_incomplete", id="without-a-reason"),
    ],
)
def test_an_answer_that_is_none_is_an_error(chunks: list[Any], code: str) -> None:
    found = streamed(chunks)
    assert [error["code"] for error in errors(found)] == [code]
    assert finishes(found) == []
    assert found.count("[DONE]") == 1


def test_an_incomplete_whole_answer_is_a_502() -> None:
    assert whole(text("half")).status == 502
    assert whole({}).status == 502


ODD_STREAMS = [
    pytest.param([text("a"), STOP, STOP], "a", id="reason-twice"),
    pytest.param([text("a"), STOP, text("b")], "ab", id="text-after-the-reason"),
    pytest.param([text("a"), b'"just text"', b"17", b"[1,2]", text("b"), STOP], "ab", id="not-an-object"),
    pytest.param([text("a"), b"ping", b"<!-- a proxy -->", text("b"), STOP], "ab", id="not-json"),
    pytest.param([[text("a")], [STOP]], "a", id="one-element-arrays"),
    pytest.param([text("a")["response"], STOP["response"]], "a", id="no-envelope"),
    pytest.param([{"response": {}}, {"response": None}, {}, {"traceId": "t"}, text("a"), STOP], "a", id="empty-events"),
    pytest.param([text("a"), STOP, b"[DONE]"], "a", id="done-from-google"),
    pytest.param([text("..."), text("…"), STOP], "...…", id="dots"),
    pytest.param([text(" a "), text("\n"), text("\t"), STOP], " a \n\t", id="white-space"),
    pytest.param([candidate({"text": "a"}, {"text": "b"}), STOP], "ab", id="two-parts"),
    pytest.param([candidate({"text": "a", "thoughtSignature": "c2ln"}), STOP], "a", id="signed-text"),
    pytest.param([text("a"), candidate({"text": "", "thoughtSignature": "c2ln"}), STOP], "a", id="signature-alone"),
]


@pytest.mark.parametrize(("chunks", "words"), ODD_STREAMS)
def test_odd_streams_that_are_good(chunks: list[Any], words: str) -> None:
    found = streamed(chunks)
    assert said(found) == words
    assert finishes(found) == ["stop"]
    assert errors(found) == []
    assert found.count("[DONE]") == 1
    assert found[-1] == "[DONE]"


def test_deltas() -> None:
    found = streamed([text("a"), text("b"), STOP])
    assert deltas(found) == [{"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"}, {}]
    assert [choice["finish_reason"] for event in found[:-1] for choice in event["choices"]] == [
        None,
        None,
        None,
        "stop",
    ]
    assert all("usage" not in event for event in found[:-1])


def test_the_envelope_is_the_same_in_all_chunks() -> None:
    frames = stream(sse_bytes([text("a"), STOP]), model="models/gemini-x").split(b"\n\n")[:-2]
    heads = {tuple(json.loads(frame[6:])[name] for name in ("id", "object", "created", "model")) for frame in frames}
    ((answer_id, kind, created, model),) = heads
    assert answer_id.startswith("chatcmpl-")
    assert (kind, model) == ("chat.completion.chunk", "models/gemini-x")
    assert created > 1_700_000_000


def test_a_thought_comes_before_the_text_it_led_to() -> None:
    found = streamed([candidate({"text": "hm", "thought": True}, {"text": "so"}), STOP])
    assert deltas(found)[1:3] == [{"reasoning_content": "hm"}, {"content": "so"}]


def test_candidates_keep_apart() -> None:
    chunks = [
        text("a", index=0),
        text("x", index=1),
        text("b", index=0, finishReason="STOP"),
        candidate(index=1, finishReason="SAFETY", usage=USAGE),
    ]
    found = streamed(chunks, n=2, stream_options={"include_usage": True})
    assert (said(found, index=0), said(found, index=1)) == ("ab", "x")
    assert finishes(found) == ["stop", "content_filter"]
    assert sum(delta.get("role") == "assistant" for delta in deltas(found)) == 2
    assert [event["usage"] is not None for event in found[:-1]].count(True) == 1
    both = {
        "response": {
            "candidates": [
                {"index": 0, "content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
                {"index": 1, "finishReason": "SAFETY"},
            ]
        }
    }
    assert [choice["finish_reason"] for choice in completion(both, n=2)["choices"]] == ["stop", "content_filter"]


def test_usage_in_streams_exactly_when_asked_for() -> None:
    chunks = [
        text("a", usage={"promptTokenCount": 21, "totalTokenCount": 625}),
        text("b", usage=USAGE),
        candidate(finishReason="STOP"),
    ]
    found = streamed(chunks, stream_options={"include_usage": True})
    assert [event.get("usage", "absent") for event in found[:-2]] == [None] * (len(found) - 2)
    assert found[-2]["choices"] == []
    assert found[-2]["usage"]["total_tokens"] == 15
    assert all("usage" not in event for event in streamed(chunks)[:-1])
    assert all("usage" not in event for event in streamed(chunks, stream_options={"include_usage": False})[:-1])


@pytest.mark.parametrize(
    ("google", "prompt", "completion_tokens", "total", "reasoning", "cached"),
    [
        pytest.param(
            {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 22},
            10,
            12,
            22,
            7,
            0,
        ),
        pytest.param(
            {"promptTokenCount": 10, "candidatesTokenCount": 12, "thoughtsTokenCount": 7, "totalTokenCount": 22},
            10,
            12,
            22,
            7,
            0,
        ),
        pytest.param(
            {"promptTokenCount": 10, "toolUsePromptTokenCount": 30, "candidatesTokenCount": 5, "totalTokenCount": 45},
            40,
            5,
            45,
            0,
            0,
        ),
        pytest.param(
            {"promptTokenCount": 10, "cachedContentTokenCount": 8, "candidatesTokenCount": 5, "totalTokenCount": 15},
            10,
            5,
            15,
            0,
            8,
        ),
        pytest.param({"promptTokenCount": 10, "candidatesTokenCount": 5}, 10, 5, 15, 0, 0),
        pytest.param({}, 0, 0, 0, 0, 0),
    ],
)
def test_usage(
    google: dict[str, int], prompt: int, completion_tokens: int, total: int, reasoning: int, cached: int
) -> None:
    usage = completion(text("a", finishReason="STOP", usage=google))["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (
        prompt,
        completion_tokens,
        total,
    )
    assert usage["completion_tokens_details"]["reasoning_tokens"] == reasoning
    assert usage["prompt_tokens_details"]["cached_tokens"] == cached


def test_an_error_in_mid_stream_ends_it() -> None:
    error = {"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}
    for wire in (error, [error]):
        found = streamed([text("half"), wire, text("never said"), STOP])
        assert said(found) == "half"
        assert [(e["code"], e["type"]) for e in errors(found)] == [("overloaded", "server_error")]
        assert found[-1] == "[DONE]"
        assert found.count("[DONE]") == 1


def test_whole_answer_has_every_member_that_clients_need() -> None:
    body = completion(text("a", finishReason="STOP", usage=USAGE))
    assert body["object"] == "chat.completion"
    assert isinstance(body["created"], int)
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "a", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
            "native_finish_reason": "STOP",
        }
    ]
