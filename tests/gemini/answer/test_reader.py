"""Gemini's answer as events, whatever dialect will say them ."""

from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.answer.events import Call, Code, Event, Link, Media, Signature, Text, Thought
from gemini_proxy.gemini.answer.partial_calls import DEEPEST, PartialCall
from gemini_proxy.gemini.answer.reader import BROKEN, ENDS, Reader
from gemini_proxy.gemini.wire import RESPONSE


def chunk(*parts: Any, **candidate: Any) -> Any:
    return RESPONSE.validate_python({"candidates": [{"content": {"parts": list(parts)}, **candidate}]})


def events(*parts: Any) -> list[Event]:
    return list(Reader().feed(chunk(*parts)))


def ended(*chunks: Any) -> Reader:
    reader = Reader()
    for it in chunks:
        list(reader.feed(it))
    return reader


CODE, OUTPUT = {"code": "1", "language": "PYTHON"}, {"output": "2", "outcome": "OUTCOME_OK"}
PARTS: list[Any] = [
    pytest.param({"text": "a"}, [Text(0, "a")], id="text"),
    pytest.param({"text": "a", "thought": True}, [Thought(0, "a")], id="thought"),
    pytest.param({"text": "a", "thoughtSignature": "s"}, [Text(0, "a"), Signature(0, "s")], id="signed-text"),
    pytest.param({"text": "", "thoughtSignature": "s"}, [Signature(0, "s", alone=True)], id="signature-alone"),
    pytest.param({"thoughtSignature": "s"}, [Signature(0, "s", alone=True)], id="nothing-but-a-signature"),
    pytest.param({"text": "a", "thought": True, "thoughtSignature": "s"}, [Thought(0, "a")], id="signed-thought"),
    pytest.param({"functionCall": {"name": "f"}}, [Call(0, "f", {})], id="call"),
    pytest.param(
        {"functionCall": {"name": "f", "args": {"x": 1}, "id": "i"}, "thoughtSignature": "s"},
        [Call(0, "f", {"x": 1}, "i", "s")],
        id="signed-call",
    ),
    pytest.param({"inlineData": {"mimeType": "image/png", "data": "x"}}, [Media(0, "image/png", "x")], id="image"),
    pytest.param(
        {"inlineData": {"mimeType": "image/png", "data": "x"}, "thoughtSignature": "s"},
        [Media(0, "image/png", "x", "s")],
        id="signed-image",
    ),
    pytest.param({"inlineData": {"data": "x"}, "thought": True, "thoughtSignature": "s"}, [], id="draft-of-an-image"),
    pytest.param(
        {"executableCode": CODE, "thoughtSignature": "s"},
        [Code(0, "python", "1", {"executableCode": CODE})],
        id="signed-code",
    ),
    pytest.param({"toolCall": {}, "thoughtSignature": "s"}, [], id="google-s-own-signed-call"),
    pytest.param({"fileData": {"mimeType": "a/b", "fileUri": "u"}}, [Link(0, "a/b", "u")], id="file"),
    pytest.param({"executableCode": CODE}, [Code(0, "python", "1", {"executableCode": CODE})], id="code"),
    pytest.param({"codeExecutionResult": OUTPUT}, [Code(0, "", "2", {"codeExecutionResult": OUTPUT})], id="output"),
    pytest.param({}, [], id="empty"),
    pytest.param({"hologram": {}}, [], id="unknown"),
    pytest.param({"toolCall": {}}, [], id="google-s-own-call"),
]


@pytest.mark.parametrize(("part", "expected"), PARTS)
def test_parts(part: Any, expected: list[Event]) -> None:
    assert events(part) == expected


def test_a_word_is_an_end_or_broken_never_both() -> None:
    assert not ENDS.keys() & BROKEN.keys()


def test_what_is_told_of_the_answer_as_a_whole() -> None:
    first = {**chunk({"text": "a"}), "usageMetadata": {"totalTokenCount": 1}, "modelVersion": "m", "traceId": "t"}
    last = {**chunk(finishReason="STOP"), "usageMetadata": {"totalTokenCount": 2}, "responseId": "r"}
    reader = ended(first, last)
    assert (reader.usage, reader.model_version, reader.trace_id) == ({"totalTokenCount": 2}, "m", "r")


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        pytest.param([], "upstream_empty_response"),
        pytest.param([chunk({"text": "a"})], "upstream_incomplete"),
        pytest.param([chunk(finishReason="MALFORMED_FUNCTION_CALL")], "malformed_function_call"),
        pytest.param(
            [chunk({"functionCall": {"name": "f", "willContinue": True}}, finishReason="STOP")],
            "upstream_incomplete",
        ),
    ],
)
def test_what_is_no_answer(chunks: list[Any], code: str) -> None:
    with pytest.raises(ProxyError) as caught:
        ended(*chunks).ends()
    assert (caught.value.status, caught.value.code, caught.value.retry) == (502, code, True)


def test_log_probabilities_come_with_each_chunk_and_other_extras_once() -> None:
    pieces = [chunk(logprobsResult={"chosenCandidates": [i]}, groundingMetadata={"n": i}) for i in range(3)]
    (end,) = ended(*pieces, chunk(finishReason="STOP")).ends()
    assert end.extras == {"logprobsResult": {"chosenCandidates": [0, 1, 2]}, "groundingMetadata": {"n": 2}}


PIECES: list[Any] = [
    pytest.param([("$.a", "x", True), ("$.a", "y", False)], {"a": "xy"}, id="goes-on"),
    pytest.param([("$.a", "x", True), ("$.a", "y", True)], {"a": "xy"}, id="goes-on-to-the-end"),
    pytest.param([("$.a", "x", False), ("$.a", "y", False)], {"a": "y"}, id="starts-anew"),
    pytest.param([("$.a", "x", True), ("$.b", 1, False), ("$.a", "y", False)], {"a": "xy", "b": 1}, id="in-turn"),
    pytest.param([("$.a.b.c", 1, False), ("$.a.d", None, False)], {"a": {"b": {"c": 1}, "d": None}}, id="nested"),
    pytest.param([("$.a[0]", 1, False), ("$.a[1].b", 2, False)], {"a": [1, {"b": 2}]}, id="list"),
    pytest.param([("$['a.b']", 1, False), ('$["c"]', 2, False)], {"a.b": 1, "c": 2}, id="quoted"),
    pytest.param([("$.a", 1, False), ("$.a[0]", 2, False)], {"a": [2]}, id="another-kind"),
    pytest.param([("$.a" * DEEPEST, 1, False)], None, id="deepest"),
]
KINDS = {str: "stringValue", int: "numberValue", bool: "boolValue", type(None): "nullValue"}


def piece(path: Any, value: Any, more: bool = False) -> dict[str, Any]:
    return {"jsonPath": path, KINDS[type(value)]: value, "willContinue": more}


@pytest.mark.parametrize(("pieces", "args"), PIECES)
def test_arguments_in_pieces(pieces: list[tuple[str, Any, bool]], args: Any) -> None:
    made = PartialCall()
    for path, value, more in pieces:
        assert made.add({"partialArgs": [piece(path, value, more)]}, "") == ""
    assert args is None or made.args == args


UNUSABLE: list[Any] = [
    pytest.param([piece("$.a[7]", 1)], id="gap"),
    pytest.param([piece("$.a[0]", 1), piece("$.a.b", 2)], id="name-in-a-list"),
    pytest.param([piece("", 1)], id="no-path"),
    pytest.param([piece("nonsense", 1)], id="nonsense"),
    pytest.param([piece("$.a nonsense[", 1)], id="half-a-path"),
    pytest.param([piece(7, 1)], id="number-as-path"),
    pytest.param([piece("$.a" * (DEEPEST + 1), 1)], id="too-deep-to-be-written"),
    pytest.param([{"jsonPath": "$.a", "stringValue": 5}], id="number-as-text"),
    pytest.param([{"jsonPath": "$.a", "numberValue": True}], id="truth-as-number"),
    pytest.param([{"jsonPath": "$.a", "boolValue": "true"}], id="text-as-truth"),
    pytest.param([None], id="no-piece"),
    pytest.param("$.a", id="no-list"),
    pytest.param({"jsonPath": "$.a"}, id="one-in-place-of-a-list"),
]


@pytest.mark.parametrize("pieces", UNUSABLE)
def test_arguments_that_have_no_place_are_an_incomplete_answer(pieces: Any) -> None:
    call = {"functionCall": {"name": "f", "partialArgs": pieces}}
    with pytest.raises(ProxyError) as caught:
        ended(chunk(call, finishReason="STOP")).ends()
    assert caught.value.code == "upstream_incomplete"
    assert "arguments" in caught.value.message


def test_a_call_that_begins_before_the_last_one_ended() -> None:
    begun = [chunk({"functionCall": {"name": name, "willContinue": True}}) for name in ("f", "g")]
    with pytest.raises(ProxyError, match="before the one before had ended"):
        ended(*begun, chunk({"functionCall": {}}, finishReason="STOP")).ends()


def test_arguments_in_pieces_that_came_at_once() -> None:
    call = {"functionCall": {"name": "f", "partialArgs": [piece("$.a", "x")]}}
    assert events(call) == [Call(0, "f", {"a": "x"})]


@pytest.mark.parametrize("call", [{"args": {"a": 1}}, {"name": "", "args": {"a": 1}}, {"id": "i"}])
def test_a_call_without_a_name_is_an_incomplete_answer(call: Any) -> None:
    with pytest.raises(ProxyError, match="without a name"):
        ended(chunk({"text": "a"}, {"functionCall": call}, finishReason="STOP")).ends()


def test_citations_come_with_each_chunk_or_again_and_again() -> None:
    first, second = {"uri": "a"}, {"uri": "b"}
    for later in ([second], [first, second]):
        chunks = [chunk(citationMetadata={"citations": listed}) for listed in ([first], [first], later)]
        (end,) = ended(*chunks, chunk(finishReason="STOP")).ends()
        assert end.extras == {"citationMetadata": {"citations": [first, second]}}


@pytest.mark.parametrize(
    ("chunks", "parts"),
    [
        ([["text", "text"]], [0, 1]),
        ([["text"], ["text"], ["text"]], [0, 0, 0]),
        ([["thought"], ["thought"], ["text"], ["text"]], [1, 1]),
        ([["thought", "text"], ["text", "text"]], [1, 1, 2]),
        ([["text"], ["code"], ["text"]], [0, 2]),
        ([["text", "code", "text"], ["text"]], [0, 2, 2]),
    ],
)
def test_a_part_goes_on_from_chunk_to_chunk(chunks: list[list[str]], parts: list[int]) -> None:
    known = {"text": {"text": "a"}, "thought": {"text": "a", "thought": True}, "code": {"executableCode": CODE}}
    reader = Reader()
    found = [event for kinds in chunks for event in reader.feed(chunk(*(known[kind] for kind in kinds)))]
    assert [event.part for event in found if isinstance(event, Text)] == parts


def test_choices_that_google_did_not_send() -> None:
    reader = Reader(asked=2)
    list(reader.feed(chunk({"text": "a"}, finishReason="STOP")))
    assert len(reader.ends()) == 1
    assert reader.warnings == ["Google sent 1 of 2 choices"]
    with pytest.raises(ProxyError, match="ended before it was complete"):
        reader.ends(broken=True)


def test_what_to_do_where_thinking_took_all_tokens_is_said_in_the_protocol_s_word() -> None:
    reader = Reader(limit_param="max_tokens")
    list(reader.feed(chunk({"text": "hm", "thought": True}, finishReason="MAX_TOKENS")))
    reader.ends()
    assert reader.warnings == ["all output tokens were spent on thinking: raise max_tokens"]
