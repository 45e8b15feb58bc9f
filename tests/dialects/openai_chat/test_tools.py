"""Tools: what is declared, what may be called, and what the model calls. Conformance E and H."""

import json
import re
from typing import Any

import pytest

from tests.exchanges import (
    HI,
    STOP,
    asked,
    assistant_calls,
    call,
    called,
    candidate,
    completion,
    deltas,
    finishes,
    function,
    refused,
    result,
    said,
    streamed,
    text,
    told,
    whole,
)

F, G = function("f"), function("g")
SEARCH = {"type": "google_search"}
NEW = "gemini-3-flash-preview"
USABLE = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"


def declarations(**chat: Any) -> list[dict[str, Any]]:
    return [it for tool in asked(**chat)["tools"] for it in tool.get("functionDeclarations", [])]


# Conformance E: what the model calls.


CHUNKS = [
    pytest.param([candidate(call(n)) for n in "abc"], ["a", "b", "c"], id="one-a-chunk"),
    pytest.param([candidate(call("a"), call("b"), call("c"))], ["a", "b", "c"], id="one-chunk"),
    pytest.param([candidate({"text": "x"}, call("a"), {"text": "y"}, call("b"))], ["a", "b"], id="text-between"),
    pytest.param([candidate(call("a", {"x": 1})), candidate(call("a", {"x": 1}))], ["a", "a"], id="twice"),
    pytest.param([candidate(call("a", id="i"), call("b", id="i"))], ["a", "b"], id="one-id-twice"),
]


@pytest.mark.parametrize(("chunks", "names"), CHUNKS)
def test_calls_have_indexes_ids_and_types(chunks: list[Any], names: list[str]) -> None:
    found = streamed([*chunks, STOP])
    calls = called(found)
    assert [it["name"] for it in calls] == names
    assert len({it["id"] for it in calls}) == len(calls)
    assert {it["type"] for it in calls} == {"function"}
    assert finishes(found) == ["tool_calls"]
    parts = [part for chunk in chunks for part in chunk["response"]["candidates"][0]["content"]["parts"]]
    message = completion(candidate(*parts, finishReason="STOP"))["choices"][0]["message"]
    assert [it["function"]["name"] for it in message["tool_calls"]] == names


ENDS = [
    pytest.param([candidate(call("f")), STOP], "tool_calls", id="stop-in-its-own-chunk"),
    pytest.param([candidate(call("f"), finishReason="STOP")], "tool_calls", id="stop-beside-the-call"),
    pytest.param([candidate(call("f")), candidate(finishReason="MAX_TOKENS")], "tool_calls", id="max-tokens"),
    pytest.param([candidate(call("f")), candidate(finishReason="SAFETY")], "content_filter", id="blocked"),
    pytest.param(
        [candidate(call("f")), candidate(finishReason="MALFORMED_FUNCTION_CALL")],
        "tool_calls",
        id="broken-off-after-a-call",
    ),
]


@pytest.mark.parametrize(("chunks", "finish"), ENDS)
def test_the_finish_stands_in_a_chunk_of_its_own_after_the_calls(chunks: list[Any], finish: str) -> None:
    found = streamed(chunks)
    assert len(called(found)) == 1
    assert finishes(found) == [finish]
    last = found[-2]["choices"][0]
    assert (last["delta"], last["finish_reason"]) == ({}, finish)
    native = chunks[-1]["response"]["candidates"][0]["finishReason"]
    assert last["native_finish_reason"] == native


def test_indexes_begin_anew_in_each_choice() -> None:
    chunks = [candidate(call("a")), candidate(call("b"), index=1), candidate(call("c"), index=1)]
    ends = [candidate(finishReason="STOP"), candidate(finishReason="STOP", index=1)]
    found = streamed([*chunks, *ends], n=2)
    assert [it["name"] for it in called(found, 0)] == ["a"]
    assert [it["name"] for it in called(found, 1)] == ["b", "c"]
    assert len({it["id"] for it in called(found, 0) + called(found, 1)}) == 3


VALUES = {"s": 'ü "quoted" \\ 漢😀\u2028', "n": {"a": [1, {"b": None}]}, "big": 2**53 + 1, "f": 1.0}
ARGUMENTS = [
    pytest.param({"name": "f"}, {}, id="absent"),
    pytest.param({"name": "f", "args": None}, {}, id="null"),
    pytest.param({"name": "f", "args": {}}, {}, id="empty"),
    pytest.param({"name": "f", "args": VALUES}, VALUES),
    pytest.param({"name": "f", "args": {"a": "true", "b": "null", "c": "123"}}, {"a": "true", "b": "null", "c": "123"}),
]


@pytest.mark.parametrize(("sent", "args"), ARGUMENTS)
def test_arguments_are_a_text_that_reads_back_equal(sent: dict[str, Any], args: Any) -> None:
    arguments = called(streamed([candidate({"functionCall": sent}), STOP]))[0]["arguments"]
    assert json.loads(arguments) == args
    assert args or arguments == "{}"


@pytest.mark.parametrize(
    ("google", "kept"),
    [
        pytest.param("5fmzjlk4", True, id="usable"),
        pytest.param("x" * 40, True, id="forty"),
        pytest.param("x" * 41, False, id="too-long"),
        pytest.param("a|b", False, id="foreign-characters"),
        pytest.param("", False, id="none"),
    ],
)
def test_ids(google: str, kept: bool) -> None:
    (made,) = called(streamed([candidate(call("f", id=google)), STOP]))
    assert (made["id"] == google) == kept
    if not kept:
        prefix, _, rest = made["id"].partition("_")
        assert prefix == "call"
        assert rest.isalnum()
        assert len(rest) <= 35


def test_id_and_name_come_once() -> None:
    pieces = [
        piece
        for delta in deltas(streamed([candidate(call("f", {"a": 1})), STOP]))
        for piece in delta.get("tool_calls", [])
    ]
    assert len(pieces) == 1
    assert set(pieces[0]) == {"index", "id", "type", "function"}


def test_a_whole_message_with_calls() -> None:
    choice = completion(candidate(call("f", {"a": 1}), finishReason="STOP"), tools=[F])["choices"][0]
    (made,) = choice["message"].pop("tool_calls")
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": None}
    assert choice["finish_reason"] == "tool_calls"
    assert set(made) == {"id", "type", "function"}
    assert made["function"] == {"name": "f", "arguments": '{"a":1}'}


NAMES = ["a.b", "a:b", "a b", "1a", "x" * 65, "日本", "a/b", "-a", "ok_name-1"]


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{name[:10]}") for name in NAMES])
def test_any_name_reaches_gemini_in_its_alphabet_and_comes_back(name: str) -> None:
    history = [*HI, assistant_calls(("i", name, "{}")), result("i", "x")]
    request = asked(tools=[function(name)], tool_choice=function(name), messages=history)
    (declared,) = request["tools"][0]["functionDeclarations"]
    wire = declared["name"]
    assert re.fullmatch(USABLE, wire)
    assert request["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [wire]
    assert request["contents"][1]["parts"][0]["functionCall"]["name"] == wire
    assert request["contents"][2]["parts"][0]["functionResponse"]["name"] == wire
    assert called(streamed([candidate(call(wire)), STOP], tools=[function(name)]))[0]["name"] == name


def test_names_that_read_alike_stay_apart() -> None:
    first, second = declarations(tools=[function("a.b"), function("a:b")])
    assert first["name"] != second["name"]
    assert declarations(tools=[function("a.b"), function("a:b")]) == [first, second]


@pytest.mark.parametrize(
    ("name", "heard", "warned"),
    [
        pytest.param("h", "h", True, id="not-declared"),
        pytest.param("default_api:f", "f", False, id="colon"),
        pytest.param("default_api.f", "f", False, id="dot"),
        pytest.param("default_api:h", "default_api:h", True, id="not-declared"),
    ],
)
def test_names_the_model_makes_up(name: str, heard: str, warned: bool) -> None:
    answer = whole(candidate(call(name), finishReason="STOP"), tools=[F])
    (made,) = json.loads(answer.body)["choices"][0]["message"]["tool_calls"]
    assert made["function"]["name"] == heard
    assert ("does not declare" in answer.headers.get("x-gemini-proxy-warnings", "")) == warned


def test_legacy_functions() -> None:
    legacy = {"functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"}}
    request = asked(**legacy)
    assert request["tools"] == [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}]
    assert request["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["f"]}
    answer = candidate(call("f", {"a": 1}), call("f", {"a": 2}), finishReason="STOP")
    choice = completion(answer, **legacy)["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in choice["message"]
    assert "first one only" in whole(answer, **legacy).headers["x-gemini-proxy-warnings"]
    found = streamed([answer], **legacy)
    assert [delta["function_call"]["name"] for delta in deltas(found) if "function_call" in delta] == ["f"]
    assert finishes(found) == ["function_call"]


def pieces(*partial: dict[str, Any], **more: Any) -> dict[str, Any]:
    return candidate({"functionCall": {**({"partialArgs": list(partial)} if partial else {}), **more}})


def test_arguments_in_pieces() -> None:
    chunks = [
        pieces(name="f", id="i", willContinue=True),
        pieces({"jsonPath": "$.n", "numberValue": 50}, willContinue=True),
        pieces({"jsonPath": "$.s", "stringValue": "wa", "willContinue": True}, willContinue=True),
        pieces(
            {"jsonPath": "$.s", "stringValue": "rm"}, {"jsonPath": "$.l[0].x", "boolValue": True}, willContinue=True
        ),
        pieces({"jsonPath": "$['a key'].y", "nullValue": "NULL_VALUE"}, willContinue=True),
        pieces(),
    ]
    found = streamed([*chunks, STOP])
    (made,) = called(found)
    assert (made["id"], made["name"]) == ("i", "f")
    assert json.loads(made["arguments"]) == {"n": 50, "s": "warm", "l": [{"x": True}], "a key": {"y": None}}
    assert finishes(found) == ["tool_calls"]
    asked_for = asked(tools=[F], google={"stream_function_call_arguments": True})
    assert asked_for["toolConfig"]["functionCallingConfig"]["streamFunctionCallArguments"] is True


# Conformance H: what is declared.


@pytest.mark.parametrize(
    "parameters",
    [pytest.param(None, id="null"), pytest.param({}, id="empty")],
)
def test_no_parameters(parameters: Any) -> None:
    assert declarations(tools=[function("f", description="d", parameters=parameters)]) == [
        {"name": "f", "description": "d"}
    ]


RECURSIVE = {
    "type": "object",
    "properties": {"c": {"$ref": "#/$defs/n"}},
    "$defs": {"n": {"items": {"$ref": "#/$defs/n"}}},
}
# See also the tests of gemini/json_schema.py.
SCHEMAS = [
    ("bare-object", {"type": "object"}),
    (
        "annotations",
        {"type": "object", "$schema": "x", "$id": "y", "$comment": "z", "examples": [1], "title": "t", "default": {}},
    ),
    (
        "closed-and-with-patterns",
        {"type": "object", "additionalProperties": False, "patternProperties": {"^x": {}}, "if": {}, "then": {}},
    ),
    (
        "names-like-keywords",
        {"type": "object", "properties": {n: {"type": "string"} for n in ("const", "strict", "title", "$ref", "enum")}},
    ),
    (
        "references",
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}},
    ),
    ("recursive", RECURSIVE),
    ("alternatives", {"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"anyOf": [{}, {}]}}}),
    ("enums", {"type": "object", "properties": {"a": {"type": "string", "enum": [1, "x", None, ""]}}}),
    ("arrays", {"type": "object", "properties": {"a": {"type": "array"}, "b": {"prefixItems": [{}, {}]}}}),
]


@pytest.mark.parametrize("schema", [pytest.param(schema, id=row) for row, schema in SCHEMAS])
def test_a_schema_goes_to_gemini_as_it_is(schema: dict[str, Any]) -> None:
    assert declarations(tools=[function("f", parameters=schema)]) == [{"name": "f", "parametersJsonSchema": schema}]


def test_a_schema_in_words_that_gemini_knows() -> None:
    kind = {"type": "object", "properties": {"kind": {"const": "step"}}}
    declared = declarations(tools=[function("f", parameters=kind)], functions=[{"name": "g", "parameters": kind}])
    for declaration in declared:
        properties = declaration["parametersJsonSchema"]["properties"]
        assert properties == {"kind": {"enum": ["step"], "type": "string"}}
    assert kind["properties"] == {"kind": {"const": "step"}}


@pytest.mark.parametrize("kind", [[], {}, 5, None])
def test_an_allowed_tool_of_an_odd_type(kind: Any) -> None:
    allowed = {"mode": "auto", "tools": [{"type": kind, "function": {"name": "f"}}]}
    assert (
        len(declarations(tools=[function("f"), function("g")], tool_choice={"type": "allowed_tools", **allowed})) == 1
    )


def test_strict_is_a_warning() -> None:
    assert "strict" in told(tools=[function("f", strict=True), function("g", strict=True)])
    assert told(tools=[function("f", strict=True), function("g", strict=True)]).count("strict") == 1
    assert told(tools=[function("f", strict=False)]) == ""


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        pytest.param("google_search", "googleSearch", id="google_search"),
        pytest.param("web_search", "googleSearch", id="web_search"),
        pytest.param("web_search_preview", "googleSearch", id="web_search_preview"),
        pytest.param("url_context", "urlContext", id="url_context"),
        pytest.param("code_interpreter", "codeExecution", id="code_interpreter"),
        pytest.param("code_execution", "codeExecution", id="code_execution"),
    ],
)
def test_tools_of_google(kind: str, wire: str) -> None:
    assert asked(tools=[{"type": kind}])["tools"] == [{wire: {}}]
    assert f"tools[0].user_location cannot be asked of Google's {kind}" in told(
        tools=[{"type": kind, "user_location": {"type": "approximate"}}]
    )


def test_search_by_option_and_by_name() -> None:
    assert asked(web_search_options={})["tools"] == [{"googleSearch": {}}]
    assert "search_context_size" in told(web_search_options={"search_context_size": "low"})
    assert asked(model="gemini-2.5-flash-search")["tools"] == [{"googleSearch": {}}]
    native: dict[str, Any] = {"google": {"tools": [{"google_search": {}}, {"urlContext": {}}]}}
    assert asked(**native)["tools"] == [{"googleSearch": {}}, {"urlContext": {}}]


def test_functions_beside_tools_of_google() -> None:
    assert refused(tools=[F, SEARCH]).param == "tools"
    request = asked(model=NEW, tools=[F, SEARCH])
    assert request["tools"] == [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}]
    assert request["toolConfig"] == {"includeServerSideToolInvocations": True}
    assert "toolConfig" not in asked(model=NEW, tools=[F])
    # what Google tells of its own tools' work is nobody's call, and no surprise
    parts: list[dict[str, Any]] = [{"toolCall": {"id": "1"}}, {"toolResponse": {"id": "1"}}, {"text": "x"}]
    answer = whole(candidate(*parts, finishReason="STOP", usage={"totalTokenCount": 1}), model=NEW, tools=[F, SEARCH])
    assert "x-gemini-proxy-warnings" not in answer.headers


@pytest.mark.parametrize("choice", ["auto", "none", "required", F])
def test_an_empty_list_of_tools(choice: Any) -> None:
    request = asked(tools=[], tool_choice=choice)
    assert "tools" not in request
    assert "toolConfig" not in request


ALLOWED: dict[str, Any] = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [F]}}
CHOICES: list[Any] = [
    pytest.param("auto", {"mode": "AUTO"}, id="auto"),
    pytest.param("none", {"mode": "NONE"}, id="none"),
    pytest.param("required", {"mode": "ANY"}, id="required"),
    pytest.param("validated", {"mode": "VALIDATED"}, id="validated"),
    pytest.param(F, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    pytest.param({"type": "function", "name": "f"}, {"mode": "ANY", "allowedFunctionNames": ["f"]}, id="short"),
    pytest.param(ALLOWED, {"mode": "ANY", "allowedFunctionNames": ["f"]}, id="required"),
]


@pytest.mark.parametrize(("choice", "config"), CHOICES)
def test_tool_choice(choice: Any, config: Any) -> None:
    assert asked(tools=[F, G], tool_choice=choice)["toolConfig"]["functionCallingConfig"] == config


def test_allowed_tools_with_auto_declares_no_others() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, SEARCH]}
    tools = [F, G, SEARCH, {"type": "url_context"}]
    request = asked(model=NEW, tools=tools, tool_choice=choice)
    assert request["tools"] == [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}]
    assert request["toolConfig"]["functionCallingConfig"] == {"mode": "AUTO"}


def test_none_is_for_tools_of_google_too() -> None:
    assert "tools" not in asked(tools=[SEARCH], tool_choice="none")
    assert "cannot force" in told(tools=[SEARCH], tool_choice="required")


REFUSED: list[Any] = [
    pytest.param({"tools": [F], "tool_choice": G}, "tool_choice", id="not-declared"),
    pytest.param({"tools": [F], "tool_choice": "maybe"}, "tool_choice", id="unknown-word"),
    pytest.param({"tools": [F], "tool_choice": {"type": "function"}}, "tool_choice", id="no-name"),
    pytest.param(
        {"tools": [F], "tool_choice": {"type": "allowed_tools", "mode": "x", "tools": []}},
        "tool_choice",
        id="mode",
    ),
    pytest.param({"tool_choice": "auto"}, "tool_choice"),
    pytest.param({"tools": [F, G, F]}, "tools[2].function.name", id="duplicate"),
    pytest.param({"tools": [F], "functions": [{"name": "f"}]}, "functions[0].name", id="in-both-forms"),
    pytest.param({"tools": [{"type": "file_search"}]}, "tools[0].type", id="file_search"),
    pytest.param({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", id="custom"),
    pytest.param({"tools": [{"type": "mcp"}]}, "tools[0].type", id="mcp"),
    pytest.param({"tools": [{"type": "function"}]}, "tools[0].function", id="no-function"),
    pytest.param({"tools": [function("")]}, "tools[0].function.name", id="no-name"),
    pytest.param({"tools": [function("f", parameters=[1])]}, "tools[0].function.parameters", id="parameters-list"),
    pytest.param({"google": {"tools": [{"retrieval": {}}]}}, "google.tools[0].retrieval", id="native-unknown"),
]


@pytest.mark.parametrize(("chat", "param"), REFUSED)
def test_what_cannot_be_declared_or_chosen_is_refused(chat: dict[str, Any], param: str) -> None:
    error = refused(**chat)
    assert (error.status, error.param) == (400, param)


def test_a_forced_call_that_did_not_come() -> None:
    words = text("no", finishReason="STOP")
    answer = whole(words, tools=[F], tool_choice="required")
    assert "tool_choice_not_honoured" in answer.headers["x-gemini-proxy-warnings"]
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "no"
    assert said(streamed([words], tools=[F], tool_choice="required")) == "no"
    calls = candidate(call("f"), finishReason="STOP", usage={"totalTokenCount": 1})
    assert "x-gemini-proxy-warnings" not in whole(calls, tools=[F], tool_choice="required").headers


def test_many_tools() -> None:
    assert len(declarations(tools=[function(f"f{i}") for i in range(300)])) == 300


def test_tools_stand_beside_the_configuration() -> None:
    request = asked(tools=[F], tool_choice="auto", temperature=1)
    assert set(request) == {"contents", "tools", "toolConfig", "generationConfig"}
    assert set(request["generationConfig"]) == {"temperature", "thinkingConfig"}


def test_one_call_at_a_time_cannot_be_asked() -> None:
    assert "parallel_tool_calls" in told(tools=[F], parallel_tool_calls=False)
    assert told(tools=[F], parallel_tool_calls=True) == ""
    assert told(parallel_tool_calls=False) == ""
