"""What Google sends may be damaged in any way: all that it said is passed on, or the end says that some of it is lost."""

import copy
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.exchange import Exchange
from gemini_proxy.gemini.lenient_json import DEPTH, damaged_json_in, json_in
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.gemini.status import LONGEST
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.redact import redacted
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi
from tests.exchanges import call, called, chat_ask, chat_request, errors, events, finishes, said, sse_bytes

Path = tuple[str | int, ...]
BASE = "https://google.test"


class Notes:
    """As much of a sign-in as the upstream tells about."""

    def note(self, problem: object) -> None: ...


def exchange_of(bare: bool, **chat: Any) -> Exchange:
    dialect = OpenAIChat(SignatureMemory(None), {})
    google: Any = GeminiApi(BASE, "k") if bare else CodeAssist(BASE, cast(TokenSource, Notes()))
    return Exchange(dialect, google, chat_ask(chat_request(**chat), dialect))


def heard(wire: bytes, bare: bool = True, **chat: Any) -> list[Any]:
    running = exchange_of(bare, stream=True, **chat)
    body = b"".join(running.transform(wire) + running.transform(b""))
    for line in body.decode().splitlines():
        if line not in ("", "data: [DONE]"):
            json.loads(line.removeprefix("data: "), parse_constant=not_json)
    return events(body)


def not_json(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def answer(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": list(parts)}, **more}]}


END = {
    "finishReason": "STOP",
    "finishMessage": "done",
    "citationMetadata": {"citations": [{"endIndex": 1, "uri": "u"}]},
}
USAGE = {"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 12, "promptTokensDetails": [{"modality": "TEXT"}]}}
NAMES = {"modelVersion": "gemini", "responseId": "r"}
STREAM: list[dict[str, Any]] = [
    {**answer({"text": "<thought>", "thought": True}), **NAMES},
    {**answer({"text": "<one>", "thoughtSignature": "c2ln"}, {"text": "<two>"}), **USAGE, **NAMES},
    answer(
        {"executableCode": {"language": "PYTHON", "code": "<code>"}}, {"codeExecutionResult": {"output": "<output>"}}
    ),
    answer({"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}}, call("f", {"x": "<args>"}, id="i")),
    answer({"functionCall": {"name": "g", "willContinue": True}}),
    answer({"functionCall": {"partialArgs": [{"jsonPath": "$.y", "stringValue": "<piece>"}], "willContinue": True}}),
    answer({"functionCall": {}}),
    {**answer({"fileData": {"mimeType": "a/b", "fileUri": "<uri>"}}, **END), **USAGE},
]
TOLD = ("<thought>", "<one>", "<two>", "<code>", "<output>", "aW1hZ2U=", "<args>", "<piece>", "<uri>")


def places(value: Any, way: Path = ()) -> Iterator[Path]:
    if way:
        yield way
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from places(inner, (*way, name))


def at(value: Any, way: Path) -> Any:
    for step in way:
        value = value[step]
    return value


PLACES = [way for way in places(STREAM) if len(way) > 1 and way[-1] != "name" and way[-2] != "args"]
WRONG: dict[type, list[Any]] = {
    dict: [5, 2.5, "x", True, [], [1], ["x"]],
    list: [5, 2.5, "x", True, {}, {"a": 1}],
    str: [{}, {"a": 1}, [], ["x"], True, [None]],
    bool: ["x", {}, [1], 7],
    int: [{}, "x", [], 5.5, -1, 10**400, 1e308, float("inf"), float("nan"), True],
}
TAMPERED = st.sampled_from(PLACES).flatmap(
    lambda way: st.tuples(st.just(way), st.sampled_from(WRONG[type(at(STREAM, way))]))
)


def complete(found: list[Any], words: tuple[str, ...]) -> bool:
    text = json.dumps(found) + json.dumps(called(found))
    return all(word in text for word in words)


def told_or_failed(found: list[Any], words: tuple[str, ...] = TOLD) -> None:
    assert found.count("[DONE]") == 1
    assert len(errors(found)) + len(finishes(found)[:1]) == 1
    assert not any(error["code"] == "internal_error" for error in errors(found))
    assert errors(found) or complete(found, words), found


def wrapped(chunks: list[Any], bare: bool) -> list[Any]:
    return chunks if bare else [{"response": chunk, "traceId": "t"} for chunk in chunks]


TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]


@pytest.mark.parametrize("bare", [True, False])
def test_nothing_is_lost_of_what_is_whole(bare: bool) -> None:
    found = heard(sse_bytes(wrapped(STREAM, bare)), bare, tools=TOOLS)
    assert errors(found) == []
    assert finishes(found) == ["tool_calls"]
    assert complete(found, TOLD)


@pytest.mark.parametrize("way", PLACES, ids=lambda way: ".".join(map(str, way)))
def test_a_member_of_a_wrong_kind(way: Path) -> None:
    for value in WRONG[type(at(STREAM, way))]:
        stream = copy.deepcopy(STREAM)
        at(stream, way[:-1])[way[-1]] = value
        told_or_failed(heard(sse_bytes(stream), tools=TOOLS))


@settings(max_examples=60, deadline=None)
@given(st.lists(TAMPERED, min_size=2, max_size=4), st.booleans())
def test_several_members_of_a_wrong_kind(tampered: list[tuple[Path, Any]], bare: bool) -> None:
    stream = copy.deepcopy(STREAM)
    for way, value in sorted(tampered, key=lambda it: -len(it[0])):
        at(stream, way[:-1])[way[-1]] = value
    told_or_failed(heard(sse_bytes(wrapped(stream, bare)), bare, tools=TOOLS))


@pytest.mark.parametrize("name", ["usageMetadata", "modelVersion", "responseId"])
@pytest.mark.parametrize("value", [5, "x", [], {"a": []}, {"promptTokenCount": {}}, True, -1.5])
def test_what_is_beside_the_answer_costs_none_of_it(name: str, value: Any) -> None:
    found = heard(sse_bytes([{**chunk, name: value} for chunk in STREAM]), tools=TOOLS)
    assert errors(found) == []
    assert complete(found, TOLD)


@pytest.mark.parametrize("name", ["thought", "thoughtSignature"])
@pytest.mark.parametrize("value", [{}, [], ["x"], 5])
def test_what_is_beside_the_text_costs_none_of_it(name: str, value: Any) -> None:
    found = heard(sse_bytes([answer({"text": "a", name: value}), answer(finishReason="STOP")]))
    assert (said(found), errors(found)) == ("a", [])


@pytest.mark.parametrize("args", [[], "{}", 5, True])
def test_half_a_call_is_none(args: Any) -> None:
    """Without its arguments it would be another call, and an agent would make it."""
    found = heard(sse_bytes([answer(call("f", args)), answer(finishReason="STOP")]), tools=TOOLS)
    assert called(found) == []
    assert [error["code"] for error in errors(found)] == ["upstream_incomplete"]


def test_a_candidate_that_is_null_is_none() -> None:
    found = heard(sse_bytes([{"candidates": [None], "promptFeedback": {"blockReason": "SAFETY"}}]))
    assert [error["code"] for error in errors(found)] == ["content_filter"]


@pytest.mark.parametrize("bare", [True, False])
def test_mended_characters_are_a_warning(bare: bool) -> None:
    (chunk,) = wrapped([answer({"text": "a"}, finishReason="STOP")], bare)
    assert (
        exchange_of(bare)
        .whole({}, json.dumps(chunk).replace('"a"', '"\\ud83d"').encode())
        .headers["x-gemini-proxy-warnings"]
        .endswith("read as far as it goes: characters")
    )


@pytest.mark.parametrize("where", ["candidates", "parts"])
def test_a_null_in_a_list_costs_nothing(where: str) -> None:
    stream = copy.deepcopy(STREAM)
    for chunk in stream:
        (chunk["candidates"] if where == "candidates" else chunk["candidates"][0]["content"]["parts"]).insert(0, None)
    found = heard(sse_bytes(stream), tools=TOOLS)
    assert errors(found) == []
    assert complete(found, TOLD)


@pytest.mark.parametrize("index", [-1, 8, 10**30, 1.5, "x", [], {}])
def test_a_candidate_of_nobody(index: Any) -> None:
    found = heard(sse_bytes([{"candidates": [{**answer({"text": "a"})["candidates"][0], "index": index}]}, *STREAM]))
    assert [error["code"] for error in errors(found)] == ["upstream_incomplete"]
    assert {choice["index"] for event in found if "choices" in event for choice in event["choices"]} == {0}


@pytest.mark.parametrize("number", range(len(STREAM)))
def test_an_event_that_is_cut(number: int) -> None:
    event = json.dumps(STREAM[number]).encode()
    pieces = {0, len(event) - 1, *range(1, len(event), 17)} - {0}
    for end in pieces:
        for part in (event[:end], event[end:]):
            if b"{" in part or b"}" in part:
                found = heard(sse_bytes([*STREAM[:number], part, *STREAM[number + 1 :]]), tools=TOOLS)
                assert [error["code"] for error in errors(found)] == ["upstream_incomplete"]


WIRE = sse_bytes(STREAM)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WIRE) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_bytes_that_are_others(changes: list[tuple[int, int]]) -> None:
    wire = bytearray(WIRE)
    for place, byte in changes:
        wire[place] = byte
    told_or_failed(heard(bytes(wire), tools=TOOLS), ())


@pytest.mark.parametrize("word", TOLD)
def test_a_byte_that_is_no_text_costs_one_character(word: str) -> None:
    for byte in (b"\xff", b"\xc3", b"\x80", b"\x01"):
        found = heard(WIRE.replace(word.encode(), word[:3].encode() + byte + word[4:].encode()), tools=TOOLS)
        assert errors(found) == []
        assert complete(found, tuple(it for it in TOLD if it != word))
        assert finishes(found) == ["tool_calls"]


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (rb'"One \ude00 two."', "One � two."),
        (rb'"\ud83d\ude00 \ud83d"', "😀 �"),
        (rb'"\\ud83d \ud83d"', "\\ud83d �"),
        (b'"a\xffb"', "a�b"),
        (b'"\xe6\xbc"', "�"),
        (b'"a\tb\x01"', "a\tb\x01"),
    ],
)
def test_characters_that_are_half_there(wire: bytes, text: str) -> None:
    event = b'{"candidates":[{"content":{"parts":[{"text":%s}]}}]}' % wire
    for form in (event, b"[%s]" % event):
        found = heard(sse_bytes([form, answer(finishReason="STOP")]))
        assert said(found) == text
        assert finishes(found) == ["stop"]


def test_half_a_character_in_an_argument_and_in_a_name() -> None:
    event = rb'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a\ud83d":["\ud83d"]}}}]}}]}'
    (made,) = called(heard(sse_bytes([event, answer(finishReason="STOP")]), tools=TOOLS))
    assert json.loads(made["arguments"]) == {"a�": ["�"]}


@pytest.mark.parametrize("text", [b'{"a":' * (DEPTH + 1) + b'"\xff"' + b"}" * (DEPTH + 1), b"[" * 10**6, b"", b"{"])
def test_json_that_cannot_be_read(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_in(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it)
    )
)
def test_what_is_not_damaged_reads_the_same(value: Any) -> None:
    assert damaged_json_in(json.dumps(value).encode()) == json_in(json.dumps(value).encode()) == value


@pytest.mark.parametrize("word", ["a", "a.", "-", "a@", "1//", "4/0", "bearer ", "projects/", "a+"])
def test_a_word_of_a_million_letters_has_no_secret(word: str) -> None:
    """A pattern that looked at each letter as often as there are letters would take an hour."""
    text = word * (10**6 // len(word))
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("mail to a.b+c@example.com now", "mail to ***@*** now"),
        ("<x@y.zz>,u@v.w", "<***@***>,***@***"),
        ("x" * 1000 + "@example.com", "***@***"),
        ("a@b", "a@b"),
        ("no one@nowhere", "no one@nowhere"),
    ],
)
def test_addresses_are_hidden(text: str, hidden: str) -> None:
    assert redacted(text) == hidden


@pytest.mark.parametrize("word", ["a", "1", "1.", "1h", "retry in 1", "limit: ", "input token count "])
@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_long_message_is_cut_before_anybody_looks_at_it(word: str, status: int) -> None:
    message = word * (10**6 // len(word))
    info = {"@type": "google.rpc.ErrorInfo", "metadata": {"quotaResetDelay": message, "quotaResetTimeStamp": message}}
    retry = {"@type": "google.rpc.RetryInfo", "retryDelay": message}
    body = json.dumps({"error": {"code": status, "message": message, "details": [info, retry]}}).encode()
    error = json.loads(exchange_of(True).rejected(status, {}, body).body)["error"]
    assert len(error["message"]) < LONGEST + 500
    assert error["code"] != "internal_error"


def test_a_long_finish_message_is_cut_too() -> None:
    for reason in ("MALFORMED_FUNCTION_CALL", "SAFETY"):
        found = heard(sse_bytes([answer(finishReason=reason, finishMessage="a" * 10**6)]))
        assert len(errors(found)[0]["message"]) < 2000
