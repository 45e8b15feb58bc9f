"""A typed result beside functions, on a model that refuses a JSON answer there: one more function gives the answer."""

import json
from typing import Any

import pytest

from tests.exchanges import (
    HI,
    asked,
    assistant_calls,
    call,
    called,
    candidate,
    completion,
    deltas,
    errors,
    finishes,
    function,
    refused,
    result,
    said,
    streamed,
    told,
    whole,
)

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "description": "A point."}
TYPED: dict[str, Any] = {
    "tools": [function("look"), function("go")],
    "response_format": {"type": "json_schema", "json_schema": {"name": "point", "schema": POINT}},
}
USAGE = {"promptTokenCount": 1, "totalTokenCount": 2}


def declared(request: Any) -> list[str]:
    return [declaration["name"] for tool in request.get("tools", []) for declaration in tool["functionDeclarations"]]


def calling(request: Any) -> Any:
    return request.get("toolConfig", {}).get("functionCallingConfig")


def ended(*parts: Any, reason: str = "STOP") -> list[Any]:
    return [candidate(part) for part in parts] + [candidate(finishReason=reason, usage=USAGE)]


def both(parts: list[Any], **chat: Any) -> list[tuple[Any, ...]]:
    """Content, names of calls, finish and thoughts of the answer: whole and streamed."""
    message = completion(candidate(*parts, finishReason="STOP", usage=USAGE), **TYPED, **chat)["choices"][0]
    names = [one["function"]["name"] for one in message["message"].get("tool_calls", [])]
    thoughts = message["message"].get("reasoning_content", "")
    found = streamed(ended(*parts), **TYPED, **chat)
    streamed_names = [one["name"] for one in called(found)]
    return [
        (message["message"]["content"], names, message["finish_reason"], thoughts),
        (said(found) or None, streamed_names, *finishes(found), said(found, "reasoning_content")),
    ]


@pytest.mark.parametrize("choice", [None, "auto", "validated"])
def test_the_schema_is_one_more_function_and_the_model_has_to_call(choice: str | None) -> None:
    request = asked(**TYPED, **({"tool_choice": choice} if choice else {}))
    assert declared(request) == ["look", "go", "final_answer"]
    assert calling(request) == {"mode": "ANY"}
    assert request["generationConfig"].keys() == {"thinkingConfig"}
    answer = request["tools"][0]["functionDeclarations"][2]
    assert answer["parametersJsonSchema"] == POINT
    assert answer["description"].endswith("A point.")
    assert told(**TYPED) == ""


def test_a_model_that_takes_both_gets_both() -> None:
    request = asked(model="gemini-3-pro-preview", **TYPED)
    assert declared(request) == ["look", "go"]
    assert "responseSchema" in request["generationConfig"]


def test_where_no_function_may_be_called_the_model_is_held_to_the_schema() -> None:
    request = asked(**TYPED, tool_choice="none")
    assert "tools" not in request
    assert "toolConfig" not in request
    assert "responseSchema" in request["generationConfig"]


FORCED: list[Any] = [
    ("required", ["look", "go"]),
    ({"type": "function", "function": {"name": "look"}}, ["look"]),
]


@pytest.mark.parametrize(("choice", "names"), FORCED)
def test_where_a_function_has_to_be_called_there_is_no_answer_yet(choice: Any, names: list[str]) -> None:
    request = asked(**TYPED, tool_choice=choice)
    assert declared(request) == names
    assert calling(request)["mode"] == "ANY"
    assert "responseMimeType" not in request["generationConfig"]


def test_of_allowed_functions_the_others_are_not_declared() -> None:
    allowed = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "go"}]}
    assert declared(asked(**TYPED, tool_choice=allowed)) == ["go", "final_answer"]


def test_a_function_of_the_client_s_may_have_the_name() -> None:
    tools = [function("final_answer")]
    request = asked(**{**TYPED, "tools": tools})
    assert declared(request) == ["final_answer", "final_answer_"]
    chat = {**TYPED, "tools": tools}
    own = completion(candidate(call("final_answer", {"x": 1}), finishReason="STOP", usage=USAGE), **chat)
    assert own["choices"][0]["finish_reason"] == "tool_calls"
    answer = completion(candidate(call("final_answer_", {"x": 1}), finishReason="STOP", usage=USAGE), **chat)
    assert answer["choices"][0]["message"]["content"] == '{"x":1}'


ANSWER = call("final_answer", {"x": 5})
ANSWERS: list[Any] = [
    pytest.param([ANSWER], ('{"x":5}', [], "stop", ""), id="the-answer"),
    pytest.param([call("default_api:final_answer", {"x": 5})], ('{"x":5}', [], "stop", ""), id="with-a-prefix"),
    pytest.param([call("look", {})], (None, ["look"], "tool_calls", ""), id="a-function"),
    pytest.param([call("look"), call("go")], (None, ["look", "go"], "tool_calls", ""), id="parallel-functions"),
    pytest.param([call("look"), ANSWER], ('{"x":5}', ["look"], "tool_calls", ""), id="the-answer-behind-a-function"),
    pytest.param([ANSWER, call("go")], ('{"x":5}', ["go"], "tool_calls", ""), id="the-answer-before-a-function"),
    pytest.param([{"text": "So: "}, ANSWER], ('{"x":5}', [], "stop", "So: "), id="words-before-it"),
    pytest.param([ANSWER, {"text": " Done."}], ('{"x":5}', [], "stop", " Done."), id="words-behind-it"),
    pytest.param(
        [{"text": "I "}, {"text": "look."}, call("look")], ("I look.", ["look"], "tool_calls", ""), id="words"
    ),
    pytest.param([{"text": '{"x"'}, {"text": ": 5}"}], ('{"x": 5}', [], "stop", ""), id="plain-text"),
    pytest.param([{"text": "hm", "thought": True}, ANSWER], ('{"x":5}', [], "stop", "hm"), id="thoughts"),
]


@pytest.mark.parametrize(("parts", "expected"), ANSWERS)
def test_the_call_of_the_answer_is_the_content(parts: list[Any], expected: Any) -> None:
    for heard in both(parts):
        assert heard == expected


def test_words_before_the_answer_are_heard_before_it() -> None:
    spoken = [name for delta in deltas(streamed(ended({"text": "So: "}, ANSWER), **TYPED)) for name in delta]
    assert spoken.index("reasoning_content") < len(spoken) - 1 - spoken[::-1].index("content")


CHECKED: list[Any] = [
    ([call("final_answer", {"x": "5"})], "does not match the schema"),
    ([call("final_answer", {})], "does not match the schema"),
    ([{"text": "It is five."}], "not valid JSON"),
    ([ANSWER, call("final_answer", {"x": 6})], "more than once"),
    ([ANSWER], ""),
]


@pytest.mark.parametrize(("parts", "warning"), CHECKED)
def test_it_is_checked_as_any_structured_output(parts: list[Any], warning: str) -> None:
    answer = whole(candidate(*parts, finishReason="STOP", usage=USAGE), **TYPED)
    heard = answer.headers.get("x-gemini-proxy-warnings", "")
    assert warning in heard if warning else heard == ""
    assert "tool_choice_not_honoured" not in heard


def test_it_is_whole_whatever_the_limit() -> None:
    found = streamed(ended(ANSWER, reason="MAX_TOKENS"), **TYPED)
    assert (said(found), finishes(found)) == ('{"x":5}', ["stop"])


def test_several_choices_answer_each_for_itself() -> None:
    chunks = [
        candidate(call("final_answer", {"x": 1}), index=0, finishReason="STOP"),
        candidate(call("look"), index=1, finishReason="STOP", usage=USAGE),
    ]
    found = streamed(chunks, **TYPED, n=2)
    assert (said(found), said(found, index=1)) == ('{"x":1}', "")
    assert finishes(found) == ["stop", "tool_calls"]


def test_an_answer_that_breaks_off_is_an_error_and_text_is_no_good_answer() -> None:
    assert [error["code"] for error in errors(streamed([candidate({"text": "half"})], **TYPED))] == [
        "upstream_incomplete"
    ]


def test_the_conversation_goes_on() -> None:
    history = [*HI, assistant_calls(("c1", "look", "{}")), result("c1", "a tree")]
    again = [*history, {"role": "assistant", "content": '{"x":5}'}, {"role": "user", "content": "and now?"}]
    turns = asked(**TYPED, messages=again)["contents"]
    assert [turn["role"] for turn in turns] == ["user", "model", "user", "model", "user"]
    assert turns[3]["parts"] == [{"text": '{"x":5}'}]


def test_a_legacy_function_stays_one() -> None:
    chat = {"functions": [{"name": "look"}], "response_format": TYPED["response_format"]}
    assert declared(asked(**chat)) == ["look", "final_answer"]
    own = completion(candidate(call("look"), finishReason="STOP", usage=USAGE), **chat)["choices"][0]
    assert own["finish_reason"] == "function_call"
    answer = completion(candidate(ANSWER, finishReason="STOP", usage=USAGE), **chat)["choices"][0]
    assert (answer["finish_reason"], answer["message"]["content"]) == ("stop", '{"x":5}')


REFERRED = {
    "$ref": "#/$defs/point",
    "$defs": {"point": {**POINT, "properties": {"x": {"const": 5}, "next": {"$ref": "#/$defs/point"}}}},
}


def test_a_schema_that_refers_to_itself() -> None:
    form = {"type": "json_schema", "json_schema": {"schema": REFERRED}}
    parameters = asked(**{**TYPED, "response_format": form})["tools"][0]["functionDeclarations"][2][
        "parametersJsonSchema"
    ]
    assert parameters["type"] == "object"
    assert parameters["properties"]["x"] == {"enum": [5], "type": "integer"}
    assert parameters["$defs"]["point"]["properties"]["next"] == {"$ref": "#/$defs/point"}


NO_ARGUMENTS: list[Any] = [
    {"type": "json_object"},
    {"type": "json_schema", "json_schema": {"schema": {"type": "array", "items": {"type": "string"}}}},
    {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
]


@pytest.mark.parametrize("form", NO_ARGUMENTS)
def test_what_cannot_be_arguments_is_only_checked(form: Any) -> None:
    chat = {**TYPED, "response_format": form}
    assert declared(asked(**chat)) == ["look", "go"]
    assert "cannot be held to JSON while functions are declared" in told(**chat)
    answer = whole(candidate({"text": "words"}, finishReason="STOP", usage=USAGE), **chat)
    assert "not valid JSON" in answer.headers["x-gemini-proxy-warnings"]


def test_with_tools_of_google_the_way_out_is_named() -> None:
    error = refused(**{**TYPED, "tools": [{"type": "google_search"}]})
    assert (error.status, error.param) == (400, "response_format")
    assert "use a Gemini 3 model" in error.message


def test_arguments_are_json() -> None:
    content = both([call("final_answer", {"x": 1, "text": 'é "quoted"\n'})])[0][0]
    assert json.loads(content or "") == {"x": 1, "text": 'é "quoted"\n'}
