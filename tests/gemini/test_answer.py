"""Gemini's answer as events, whatever dialect will say them (protocol 8)."""

from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.answer import BROKEN, ENDS, Reader
from gemini_proxy.gemini.events import Call, Code, Event, Link, Media, Signature, Text, Thought
from gemini_proxy.gemini.partial_calls import PartialCall
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
    pytest.param({"text": "a", "thoughtSignature": "s"}, [Text(0, "a"), Signature(0, "s")], id="C58-signed-text"),
    pytest.param({"text": "", "thoughtSignature": "s"}, [Signature(0, "s")], id="C59-signature-alone"),
    pytest.param({"text": "a", "thought": True, "thoughtSignature": "s"}, [Thought(0, "a")], id="C111-signed-thought"),
    pytest.param({"functionCall": {"name": "f"}}, [Call(0, "f", {})], id="C84-call"),
    pytest.param(
        {"functionCall": {"name": "f", "args": {"x": 1}, "id": "i"}, "thoughtSignature": "s"},
        [Call(0, "f", {"x": 1}, "i", "s")],
        id="C95-signed-call",
    ),
    pytest.param({"inlineData": {"mimeType": "image/png", "data": "x"}}, [Media(0, "image/png", "x")], id="C61-image"),
    pytest.param({"fileData": {"mimeType": "a/b", "fileUri": "u"}}, [Link(0, "a/b", "u")], id="C63-file"),
    pytest.param({"executableCode": CODE}, [Code(0, "python", "1", {"executableCode": CODE})], id="C60-code"),
    pytest.param({"codeExecutionResult": OUTPUT}, [Code(0, "", "2", {"codeExecutionResult": OUTPUT})], id="C60-output"),
    pytest.param({}, [], id="C43-empty"),
    pytest.param({"hologram": {}}, [], id="C64-unknown"),
    pytest.param({"toolCall": {}}, [], id="C155-google-s-own-call"),
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
        pytest.param([], "upstream_empty_response", id="C45"),
        pytest.param([chunk({"text": "a"})], "upstream_incomplete", id="C46"),
        pytest.param([chunk(finishReason="MALFORMED_FUNCTION_CALL")], "malformed_function_call", id="C36"),
        pytest.param(
            [chunk({"functionCall": {"name": "f", "willContinue": True}}, finishReason="STOP")],
            "upstream_incomplete",
            id="C98",
        ),
    ],
)
def test_what_is_no_answer(chunks: list[Any], code: str) -> None:
    with pytest.raises(ProxyError) as caught:
        ended(*chunks).ends()
    assert (caught.value.status, caught.value.code, caught.value.retry) == (502, code, True)


def test_log_probabilities_come_with_each_chunk_and_other_extras_once_c194() -> None:
    pieces = [chunk(logprobsResult={"chosenCandidates": [i]}, groundingMetadata={"n": i}) for i in range(3)]
    (end,) = ended(*pieces, chunk(finishReason="STOP")).ends()
    assert end.extras == {"logprobsResult": {"chosenCandidates": [0, 1, 2]}, "groundingMetadata": {"n": 2}}


PIECES: list[Any] = [
    pytest.param([("$.a", "x", True), ("$.a", "y", False)], {"a": "xy"}, id="C98-goes-on"),
    pytest.param([("$.a", "x", False), ("$.a", "y", False)], {"a": "y"}, id="C98-starts-anew"),
    pytest.param([("$.a.b.c", 1, False), ("$.a.d", None, False)], {"a": {"b": {"c": 1}, "d": None}}, id="C98-nested"),
    pytest.param([("$.a[0]", 1, False), ("$.a[1].b", 2, False)], {"a": [1, {"b": 2}]}, id="C98-list"),
    pytest.param([("$['a.b']", 1, False), ('$["c"]', 2, False)], {"a.b": 1, "c": 2}, id="C98-quoted"),
    pytest.param([("$.a[7]", 1, False)], {"a": []}, id="C98-gap"),
    pytest.param([("$.a", 1, False), ("$.a[0]", 2, False)], {"a": [2]}, id="C98-another-kind"),
    pytest.param([("$.a[0]", 1, False), ("$.a.b", 2, False)], {"a": [1]}, id="C98-name-in-a-list"),
    pytest.param([("", 1, False), ("nonsense", 1, False)], {}, id="C98-no-path"),
]


@pytest.mark.parametrize(("pieces", "args"), PIECES)
def test_arguments_in_pieces(pieces: list[tuple[str, Any, bool]], args: Any) -> None:
    made = PartialCall()
    for path, value, more in pieces:
        kind = {str: "stringValue", int: "numberValue"}.get(type(value), "nullValue")
        made.add({"partialArgs": [{"jsonPath": path, kind: value, "willContinue": more}]}, "")
    assert made.args == args
