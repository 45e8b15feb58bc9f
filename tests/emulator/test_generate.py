"""What the rehearsed model says, and how it is cut into Google's chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gemini_proxy.emulator import signatures
from gemini_proxy.emulator.generate import tokens_of
from tests.emulator.asking import (
    answered,
    body_of,
    call,
    chunks_of,
    envelope,
    finish_of,
    functions,
    google,
    model,
    parts_in,
    post,
    stream,
    text_of,
    unary,
    user,
)

THINK = {"thinkingConfig": {"includeThoughts": True}}
NO_THOUGHTS = {"thinkingConfig": {"thinkingBudget": 0}}
FLASH_3 = "gemini-3-flash-preview"
FORECAST = user("get_weather()")


def calls_of(parts: list[Any]) -> list[Any]:
    return [part["functionCall"] for part in parts if "functionCall" in part]


# The shape of a stream


def test_the_bytes_of_a_stream() -> None:
    reply = post(google(), "streamGenerateContent", envelope(), query="alt=sse")
    assert reply.stream
    assert dict(reply.headers)["Content-Type"] == "text/event-stream"
    assert reply.frames[0] == (
        b'data: {"response": {"candidates": [{"content": {"parts": [{"text": "This is the"}],"role": "model"},'
        b'"index": 0}],"usageMetadata": {"promptTokenCount": 1,"candidatesTokenCount": 3,"totalTokenCount": 32,'
        b'"promptTokensDetails": [{"modality": "TEXT","tokenCount": 1}],"thoughtsTokenCount": 28},'
        b'"modelVersion": "gemini-2.5-flash","createTime": "2027-01-15T08:00:00.000000Z",'
        b'"responseId": "emulator-1"},"traceId": "c01365247ea02244","metadata": {}}\r\n\r\n'
    )
    assert "漢字".encode() in reply.body


def test_every_chunk_has_its_envelope() -> None:
    chunks = stream(google(), envelope(model=FLASH_3))
    assert 8 <= len(chunks) <= 20
    assert {chunk["traceId"] for chunk in chunks} == {chunks[0]["traceId"]}
    for chunk in chunks:
        response = chunk["response"]
        assert response["modelVersion"] == FLASH_3
        assert response["createTime"] == "2027-01-15T08:00:00.000000Z"
        assert response["responseId"] == "emulator-1"
    assert [c["response"]["candidates"][0].get("finishReason") for c in chunks] == [None] * (len(chunks) - 1) + ["STOP"]


def test_usage_is_cumulative_and_leaves_out_zeros() -> None:
    usages = [chunk["response"]["usageMetadata"] for chunk in stream(google(), envelope(config=THINK))]
    assert "candidatesTokenCount" not in usages[0]
    assert [u["totalTokenCount"] for u in usages] == sorted(u["totalTokenCount"] for u in usages)
    for usage in usages:
        spent = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
        assert usage["totalTokenCount"] == usage["promptTokenCount"] + spent


def test_the_same_question_has_the_same_answer() -> None:
    assert stream(google(), envelope(model=FLASH_3)) == stream(google(), envelope(model=FLASH_3))


def test_the_whole_answer_is_the_stream_in_one_piece() -> None:
    asked = envelope(config=THINK, model=FLASH_3)
    chunks, whole = stream(google(), asked), unary(google(), asked)
    thought, text = whole["candidates"][0]["content"]["parts"]
    assert thought["thought"]
    assert text == {"text": text_of(chunks), "thoughtSignature": parts_in(chunks)[-1]["thoughtSignature"]}
    assert whole["usageMetadata"] == chunks[-1]["response"]["usageMetadata"]


def test_without_sse_the_stream_is_an_array() -> None:
    reply = post(google(), "streamGenerateContent", envelope())
    assert dict(reply.headers)["Content-Type"].startswith("application/json")
    assert body_of(reply) == stream(google(), envelope())


# Texts


def test_it_says_what_it_is_and_what_it_heard() -> None:
    text = text_of(stream(google(), envelope(user("context"), user("first part", "how are you?"))))
    assert text.startswith("This is the gemini-proxy emulator, not Google. You said: «how are you?».")


def test_long_texts_are_not_said_back_whole() -> None:
    assert "x" * 400 + "…»" in text_of(stream(google(), envelope(user("x" * 500))))


@pytest.mark.parametrize(
    ("asked", "system", "text"),
    [
        ("Reply exactly: pong", None, "pong"),
        ("Please. Reply exactly:  two words \nand not this", None, "two words"),
        ("hi", "You are terse.\nReply exactly: é漢🚀", "é漢🚀"),
        ("Reply exactly: user", "Reply exactly: system", "user"),
        ("Reply exactly:", None, ""),
    ],
)
def test_exact_replies(asked: str, system: str | None, text: str) -> None:
    more: dict[str, Any] = {"systemInstruction": {"parts": [{"text": system}]}} if system else {}
    assert text_of(stream(google(), envelope(user(asked), **more))) == text


@pytest.mark.parametrize(("name", "signed"), [("gemini-2.5-flash", False), (FLASH_3, True)])
def test_a_text_is_signed_in_its_last_empty_part(name: str, signed: bool) -> None:
    parts = parts_in(stream(google(), envelope(model=name)))
    assert (parts[-1]["text"] == "") is signed
    assert signatures.issued(parts[-1].get("thoughtSignature", "")) is signed
    unary(google(), envelope(user("hi"), model(*parts), user("and all of it came back"), model=name))


@pytest.mark.parametrize(
    ("config", "name", "shown", "counted"),
    [
        (THINK, "gemini-2.5-flash", 2, True),
        ({}, "gemini-2.5-flash", 0, True),
        (NO_THOUGHTS, "gemini-2.5-flash", 0, False),
        ({}, "gemini-2.5-flash-lite", 0, False),
        ({"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 512}}, "gemini-2.5-flash-lite", 2, True),
    ],
)
def test_thoughts(config: Any, name: str, shown: int, counted: bool) -> None:
    chunks = stream(google(), envelope(config=config, model=name))
    thoughts = [part for part in parts_in(chunks) if part.get("thought")]
    assert len(thoughts) == shown
    assert parts_in(chunks)[:shown] == thoughts
    assert ("thoughtsTokenCount" in chunks[-1]["response"]["usageMetadata"]) is counted


def test_attachments_are_named_with_their_size() -> None:
    blob = {"inlineData": {"mimeType": "image/png", "data": "aGVsbG8"}}
    link = {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v.mp4"}}
    chunks = stream(google(), envelope(user("look", blob, link)))
    assert "Received image/png (5 bytes). Received a link to gs://b/v.mp4." in text_of(chunks)
    details = chunks[-1]["response"]["usageMetadata"]["promptTokensDetails"]
    assert [d["modality"] for d in details] == ["TEXT", "IMAGE", "VIDEO"]


# Limits


def test_tokens_are_a_reversible_cut() -> None:
    text = " a  longerword\n\n漢字 🚀 "
    assert "".join(tokens_of(text)) == text
    assert tokens_of("abcdefgh ij ") == ["abcdef", "gh", " ij", " "]


def test_max_tokens_cuts_the_text() -> None:
    chunks = stream(google(), envelope(config={**NO_THOUGHTS, "maxOutputTokens": 4}))
    assert text_of(chunks) == "This is the gemini"
    assert finish_of(chunks) == "MAX_TOKENS"
    assert chunks[-1]["response"]["usageMetadata"]["candidatesTokenCount"] == 4


def test_thinking_can_use_up_all_tokens() -> None:
    chunks = stream(google(), envelope(config={**THINK, "maxOutputTokens": 4}))
    assert chunks[0]["response"]["candidates"] == [{"finishReason": "MAX_TOKENS", "index": 0}]
    assert chunks[0]["response"]["usageMetadata"]["thoughtsTokenCount"] == 4


@pytest.mark.parametrize(
    ("stops", "text"), [(["mul"], "This is the gemini-proxy e"), (["nowhere", "é"], None), (["the", "is"], "Th")]
)
def test_stop_sequences(stops: list[str], text: str | None) -> None:
    chunks = stream(google(), envelope(config={"stopSequences": stops}))
    assert finish_of(chunks) == "STOP"
    assert text_of(chunks) == text if text else text_of(chunks).endswith("caf")


def test_candidates_take_turns() -> None:
    asked = envelope(config={"candidateCount": 3})
    chunks = stream(google(), asked)
    order = [chunk["response"]["candidates"][0]["index"] for chunk in chunks]
    assert order[:6] == [0, 1, 2, 0, 1, 2]
    assert [c["index"] for c in unary(google(), asked)["candidates"]] == [0, 1, 2]
    assert "(Candidate 3.)" in text_of(chunks, 2)
    assert "Candidate" not in text_of(chunks, 0)


# JSON


def test_json_without_a_schema() -> None:
    chunks = stream(google(), envelope(config={"responseMimeType": "application/json"}))
    assert json.loads(text_of(chunks))["you_said"] == "hi"
    assert len(chunks) > 5


@pytest.mark.parametrize(
    ("field", "schema", "value"),
    [
        ("responseSchema", {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}, {"n": 1}),
        ("responseJsonSchema", {"type": "object", "properties": {"n": {"const": 5}}}, {"n": 5}),
        ("responseJsonSchema", {"type": "array", "items": {"enum": ["a"]}, "minItems": 2}, ["a", "a"]),
    ],
)
def test_json_for_a_schema(field: str, schema: Any, value: Any) -> None:
    config = {"responseMimeType": "application/json", field: schema}
    assert json.loads(text_of(stream(google(), envelope(config=config)))) == value


def test_an_enum_is_plain_text() -> None:
    config = {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["yes", "no"]}}
    assert text_of(stream(google(), envelope(config=config))) == "yes"


# Functions


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("get_weather()", [("get_weather", {})]),
        ("what says get_weather( )?", [("get_weather", {})]),
        ('get_weather {"city": "Paris"}', [("get_weather", {"city": "Paris"})]),
        ('get_weather({"city": "Paris"})', [("get_weather", {"city": "Paris"})]),
        ("now, get_weather() and get_time()", [("get_weather", {}), ("get_time", {})]),
        ("get_time() get_weather() get_time()", [("get_time", {}), ("get_weather", {})]),
        ('get_time {"z": 1} get_time {"z": 2}', [("get_time", {"z": 1}), ("get_time", {"z": 2})]),
        ('get_time {"about": "get_weather()"}', [("get_time", {"about": "get_weather()"})]),
        ("get_weather() then get_time()", [("get_weather", {})]),
        ("then get_weather()", [("get_weather", {})]),
        ("the word get_weather is no call", []),
        ("get_weather{oops", []),
        ("get_weather(oops", []),
        ("forget_weather", []),
        ("get_weathers", []),
    ],
)
def test_functions_named_in_the_text_are_called(text: str, called: list[Any]) -> None:
    chunks = stream(google(), envelope(user(text), tools=functions("get_weather", "get_time")))
    calls = calls_of(parts_in(chunks))
    assert [(c["name"], c["args"]) for c in calls] == called
    assert finish_of(chunks) == "STOP"
    if called:
        assert len(chunks) == len(called) + 1


@pytest.mark.parametrize(
    ("config", "called"),
    [
        ({"mode": "NONE"}, []),
        ({"mode": "AUTO"}, []),
        ({"mode": "VALIDATED"}, []),
        ({"mode": "ANY"}, ["a"]),
        ({"mode": "ANY", "allowedFunctionNames": ["c", "b"]}, ["c"]),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["b"]}, ["b"]),
    ],
)
def test_the_mode_of_calling(config: Any, called: list[str]) -> None:
    asked = envelope(tools=functions("a", "b", "c"), toolConfig={"functionCallingConfig": config})
    assert [c["name"] for c in calls_of(parts_in(stream(google(), asked)))] == called


def test_a_forced_call_prefers_what_the_text_names() -> None:
    config = {"functionCallingConfig": {"mode": "ANY"}}
    asked = envelope(user('call b {"x": 1}'), tools=functions("a", "b"), toolConfig=config)
    assert calls_of(parts_in(stream(google(), asked))) == [{"name": "b", "args": {"x": 1}}]


@pytest.mark.parametrize("field", ["parameters", "parametersJsonSchema"])
def test_arguments_are_a_sample_of_the_parameters(field: str) -> None:
    kinds = ("OBJECT", "STRING") if field == "parameters" else ("object", "string")
    schema = {"type": kinds[0], "properties": {"city": {"type": kinds[1]}}}
    tools = [{"functionDeclarations": [{"name": "get_weather", field: schema}]}]
    assert calls_of(parts_in(stream(google(), envelope(FORECAST, tools=tools)))) == [
        {"name": "get_weather", "args": {"city": "sample city"}}
    ]


def test_only_gemini_3_has_ids_and_signs_the_first_call() -> None:
    asked = envelope(user("a() and b()"), tools=functions("a", "b"), model=FLASH_3)
    first, second = parts_in(stream(google(), asked))
    assert signatures.fits_call(first["thoughtSignature"], "a", {})
    assert "thoughtSignature" not in second
    ids = [part["functionCall"]["id"] for part in (first, second)]
    assert len({*ids}) == 2
    assert all(len(i) == 8 and i.isalnum() and i == i.lower() for i in ids)


def test_steps_follow_each_other() -> None:
    contents = [user("first a() and b(), then c(), then d()")]
    tools = functions("a", "b", "c", "d")
    steps = []
    for _ in range(3):
        parts = parts_in(stream(google(), envelope(*contents, tools=tools, model=FLASH_3)))
        names = [c["name"] for c in calls_of(parts)]
        steps.append(names)
        contents += [model(*parts), user(*(answered(name, seen=name) for name in names))]
    assert steps == [["a", "b"], ["c"], ["d"]]
    text = text_of(stream(google(), envelope(*contents, tools=tools, model=FLASH_3)))
    assert text.startswith('d answered {"seen": "d"}.')


def test_function_results_are_said_back() -> None:
    blob = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    result = {"functionResponse": {"name": "get_weather", "response": {"output": "18 °C"}, "parts": [blob]}}
    asked = envelope(FORECAST, model(call("get_weather")), user(result, blob), tools=functions("get_weather"))
    text = text_of(stream(google(), asked))
    assert text.startswith('get_weather answered {"output": "18 °C"} Received image/png (2 bytes)..')
    assert text.endswith("Received image/png (2 bytes).")


def test_a_call_is_whole_whatever_the_limit() -> None:
    config = {**NO_THOUGHTS, "maxOutputTokens": 1}
    chunks = stream(google(), envelope(FORECAST, tools=functions("get_weather"), config=config))
    assert calls_of(parts_in(chunks))


# Google's own tools


def test_search_grounds_the_answer_with_byte_offsets() -> None:
    chunks = stream(google(), envelope(tools=[{"googleSearch": {}}]))
    assert not any("groundingMetadata" in c["response"]["candidates"][0] for c in chunks[:-1])
    metadata = chunks[-1]["response"]["candidates"][0]["groundingMetadata"]
    text = text_of(chunks)
    for support in metadata["groundingSupports"]:
        segment = support["segment"]
        place = slice(segment.get("startIndex", 0), segment["endIndex"])
        assert text.encode()[place].decode() == segment["text"]
        assert support["groundingChunkIndices"][0] < len(metadata["groundingChunks"])
    second = metadata["groundingSupports"][1]["segment"]
    assert text[second["startIndex"] : second["endIndex"]] != second["text"]
    assert metadata["webSearchQueries"] == ["hi"]
    usage = chunks[-1]["response"]["usageMetadata"]
    parts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount")
    assert usage["totalTokenCount"] == sum(usage[part] for part in parts)


def test_search_beside_a_call_grounds_nothing() -> None:
    asked = envelope(FORECAST, model=FLASH_3, tools=[*functions("get_weather"), {"googleSearch": {}}])
    asked["request"]["toolConfig"] = {"includeServerSideToolInvocations": True}
    assert "groundingMetadata" not in unary(google(), asked)["candidates"][0]


def test_a_stop_sequence_ends_all_parts() -> None:
    asked = envelope(tools=[{"codeExecution": {}}], config={"stopSequences": ["computes"]})
    assert text_of(stream(google(), asked)) == "The gemini-proxy emulator "
    assert len(unary(google(), asked)["candidates"][0]["content"]["parts"]) == 1


def test_code_execution() -> None:
    parts = parts_in(stream(google(), envelope(tools=[{"codeExecution": {}}])))
    kinds = [next(iter(part)) for part in parts if part != {"text": ""}]
    assert kinds.index("executableCode") + 1 == kinds.index("codeExecutionResult")
    whole = unary(google(), envelope(tools=[{"codeExecution": {}}]))["candidates"][0]["content"]["parts"]
    assert [next(iter(part)) for part in whole] == ["text", "executableCode", "codeExecutionResult", "text"]
    assert whole[2]["codeExecutionResult"] == {"outcome": "OUTCOME_OK", "output": "2\n"}


def test_url_context() -> None:
    asked = envelope(user("read https://example.com/a."), tools=[{"urlContext": {}}])
    metadata = unary(google(), asked)["candidates"][0]["urlContextMetadata"]
    assert metadata["urlMetadata"][0]["urlRetrievalStatus"] == "URL_RETRIEVAL_STATUS_SUCCESS"


# Counting


def test_count_tokens() -> None:
    reply = post(
        google(), "countTokens", {"request": {"model": "models/gemini-2.5-pro", "contents": [user("one two")]}}
    )
    assert body_of(reply) == {"totalTokens": 2}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"request": {"model": "models/gemini-2.5-pro"}}, 400),
        ({"request": {"model": "models/other", "contents": [user("a")]}}, 404),
        ({"project": "p", "request": {}}, 400),
    ],
)
def test_count_tokens_refuses(body: Any, status: int) -> None:
    assert post(google(), "countTokens", body).status == status


def test_frames_are_events() -> None:
    reply = post(google(), "streamGenerateContent", envelope(), query="alt=sse")
    assert all(len(chunks_of(frame)) == 1 for frame in reply.frames)
