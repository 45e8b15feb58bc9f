"""What is refused in a readable request: a row for each rule of docs/protocol.md, sections 4 to 6."""

from __future__ import annotations

from typing import Any

import pytest

from gemini_proxy.emulator import signatures
from tests.emulator.asking import (
    answered,
    call,
    envelope,
    functions,
    google,
    model,
    parts_in,
    post,
    refusal,
    stream,
    unary,
    user,
)

PRO, FLASH, LITE = "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite"
PRO_3, PRO_31, FLASH_3, NEWEST = (
    "gemini-3-pro-preview",
    "gemini-3.1-pro-preview",
    "gemini-3-flash-preview",
    "gemini-3-flash",
)
OBJECT = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
COUNT = "Please ensure that the number of function response parts is equal to the number of function call parts"
BLOB = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}


def refused(body: Any, text: str, status: int = 400) -> None:
    for method in ("generateContent", "streamGenerateContent"):
        got, message = refusal(post(google(), method, body))
        assert (got, text in message) == (status, True), message


@pytest.mark.parametrize("name", ["gemini-2.0-flash", "gemini-1.5-pro", "", "gpt-4o"])
def test_models_that_are_not_served(name: str) -> None:
    refused(envelope(model=name), "Requested entity was not found.", 404)


def test_a_cache_is_not_found() -> None:
    refused(envelope(cachedContent="cachedContents/1"), "Requested entity was not found.", 404)


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ([{"role": "assistant", "parts": [{"text": "a"}]}], "Please use a valid role: user, model."),
        ([{"parts": [{"text": "a"}]}], "Please use a valid role: user, model."),
        ([user("a"), {"role": "function", "parts": [answered("f")]}], "Please use a valid role: user, model."),
        ([model("a"), user("b")], "start with a user turn"),
        ([{"role": "user", "parts": []}], "must include at least one parts field"),
        ([{"role": "user"}], "must include at least one parts field"),
        ([user({})], "required oneof field 'data' must have one initialized field"),
        ([user({"thought": True})], "contents.parts[0].data"),
        ([user("")], "it has an empty text parameter"),
        ([user({"inlineData": {"mimeType": "image/png", "data": ""}})], "mimeType and data"),
        ([user({"inlineData": {"data": "aGk="}})], "mimeType and data"),
        ([user(call("f"))], "only allowed in a model turn"),
        ([user("a"), model(call("f")), model(answered("f"))], "only allowed in a user turn"),
        ([user("a"), model(call("")), user(answered(""))], "Name cannot be empty"),
        ([user("a"), model("b"), model(call("f")), user(answered("f"))], "function call turn comes immediately after"),
        ([user("a"), user(answered("f"))], "function response turn comes immediately after a function call turn"),
        ([user("a"), model(call("f"), call("f")), user(answered("f"))], COUNT),
        ([user("a"), model(call("f")), user(answered("f"), answered("f"))], COUNT),
        ([user("a"), model(call("f")), user("never mind")], COUNT),
        ([user("a"), model(call("f")), user(answered("g"))], "names of the function calls"),
        (
            [
                user("a"),
                model({"functionCall": {"name": "f", "id": "1"}}),
                user({"functionResponse": {"name": "f", "id": "2"}}),
            ],
            "ids of the function calls",
        ),
    ],
)
def test_conversations(contents: list[Any], text: str) -> None:
    refused(envelope(*contents), text)


def test_no_contents() -> None:
    refused({"model": FLASH, "project": "my-own-project", "request": {}}, "at least one contents field is required")


@pytest.mark.parametrize(
    "contents",
    [
        [user("a"), model("b"), user("c")],
        [user("a"), user("b")],
        [user("a"), model(call("f"), call("g")), user(answered("g"), answered("f"))],
        [user("a"), model("text", call("f")), user(answered("f"), BLOB)],
        [user("a"), model(call("f")), user(answered("f")), model(call("f")), user(answered("f"))],
        [user("a"), model(call("f")), user(answered("f")), user("and now")],
        [user("a"), model("b", {"text": "", "thoughtSignature": "aGk="}), user("c")],
        [user("a"), model("b")],
        [user("a"), model(call("f")), user({"functionResponse": {"name": "f", "parts": [BLOB]}})],
    ],
)
def test_conversations_that_are_right(contents: list[Any]) -> None:
    unary(google(), envelope(*contents))


def test_alternation_can_be_asked_for() -> None:
    strictest = google(alternate=True)
    assert "alternate" in refusal(post(strictest, "generateContent", envelope(user("a"), user("b"))))[1]
    unary(strictest, envelope(user("a"), model("b"), user("c")))


@pytest.mark.parametrize(
    ("tools", "config", "text"),
    [
        (functions("1f"), {}, "Invalid function name"),
        (functions("a b"), {}, "Invalid function name"),
        (functions("f" * 129), {}, "Invalid function name"),
        (functions(""), {}, "Invalid function name"),
        (functions("f", "f"), {}, "Duplicate function declaration found: f"),
        (functions("f") + functions("f"), {}, "Duplicate function declaration found: f"),
        (
            [{"functionDeclarations": [{"name": "f", "parameters": OBJECT, "parametersJsonSchema": {}}]}],
            {},
            "parameters and parameters_json_schema are mutually exclusive",
        ),
        ([{"functionDeclarations": [{"name": "f", "parametersJsonSchema": "x"}]}], {}, "must be a JSON Schema object"),
        (
            [{"functionDeclarations": [{"name": "f", "parameters": {"type": "STRING"}}]}],
            {},
            "should be of type OBJECT",
        ),
        (functions("f"), {"allowedFunctionNames": ["f"]}, "only be set when function calling mode is ANY"),
        (functions("f"), {"mode": "AUTO", "allowedFunctionNames": ["f"]}, "only be set when"),
        (functions("f"), {"mode": "ANY", "allowedFunctionNames": ["g"]}, "contains g"),
        ([{"googleSearch": {}}], {"mode": "ANY"}, "set without function_declarations"),
        ([*functions("f"), {"googleSearch": {}}], {}, "only when they are all search tools"),
    ],
)
def test_tools(tools: list[Any], config: Any, text: str) -> None:
    refused(envelope(tools=tools, toolConfig={"functionCallingConfig": config}), text)


def test_gemini_3_mixes_tools_when_told_so() -> None:
    tools = [*functions("f"), {"googleSearch": {}}]
    refused(envelope(model=FLASH_3, tools=tools), "include_server_side_tool_invocations")
    unary(google(), envelope(model=FLASH_3, tools=tools, toolConfig={"includeServerSideToolInvocations": True}))


@pytest.mark.parametrize("name", ["f", "_f", "a.b:c-d", "f" * 128])
def test_function_names_that_are_right(name: str) -> None:
    unary(google(), envelope(tools=functions(name)))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "response_schema: schema didn't specify the schema type field"),
        ({"type": "ARRAY"}, "response_schema.items: missing field."),
        ({"type": "INTEGER", "enum": ["1"]}, "enum: only allowed for STRING type"),
        ({"type": "STRING", "enum": ["a", ""]}, "enum[1]: cannot be empty"),
        ({"type": "OBJECT", "required": ["a"]}, "required[0]: property is not defined"),
        ({**OBJECT, "propertyOrdering": ["b"]}, "property_ordering[0]: property is not defined"),
        ({"type": "OBJECT", "properties": {"a": {}}}, "response_schema.properties[a]: schema didn't"),
        ({"anyOf": [{"type": "ARRAY"}]}, "any_of[0].items: missing field."),
        ({"type": "ARRAY", "items": {"type": "ARRAY"}}, "response_schema.items.items: missing field."),
    ],
)
def test_typed_schemas(schema: Any, text: str) -> None:
    refused(envelope(config={"responseMimeType": "application/json", "responseSchema": schema}), text)


@pytest.mark.parametrize(
    ("name", "config", "text"),
    [
        (FLASH, {"temperature": 2.1}, "it has a temperature value of 2.1"),
        (FLASH, {"temperature": -0.1}, "temperature"),
        (FLASH, {"topP": 1.1}, "topP"),
        (FLASH, {"topK": 0}, "topK"),
        (FLASH, {"candidateCount": 0}, "candidateCount"),
        (FLASH, {"candidateCount": 9}, "from 1 (inclusive) to 9 (exclusive)"),
        (FLASH, {"maxOutputTokens": 0}, "maxOutputTokens"),
        (FLASH, {"maxOutputTokens": 65_537}, "maxOutputTokens"),
        (FLASH, {"presencePenalty": 2}, "presencePenalty"),
        (FLASH, {"stopSequences": list("abcdef")}, "6 stopSequences"),
        (FLASH, {"stopSequences": ["a", ""]}, "empty value"),
        (FLASH, {"logprobs": 5}, "response_logprobs"),
        (FLASH, {"responseModalities": ["TEXT", "IMAGE"]}, "response modalities: image"),
        (FLASH, {"responseMimeType": "image/png"}, "allowed mimetypes are `text/plain`"),
        (FLASH, {"responseSchema": OBJECT}, "response_schema is only supported when"),
        (FLASH, {"responseJsonSchema": {}}, "response_json_schema is only supported when"),
        (
            FLASH,
            {"responseMimeType": "application/json", "responseSchema": OBJECT, "responseJsonSchema": {}},
            "cannot both be set",
        ),
        (
            PRO,
            {"thinkingConfig": {"thinkingBudget": 0}},
            "Budget 0 is invalid. This model only works in thinking mode.",
        ),
        (PRO, {"thinkingConfig": {"thinkingBudget": 127}}, "choose a value between 128 and 32768"),
        (PRO, {"thinkingConfig": {"thinkingBudget": 32_769}}, "The thinking budget 32769 is invalid."),
        (FLASH, {"thinkingConfig": {"thinkingBudget": 24_577}}, "between 1 and 24576"),
        (LITE, {"thinkingConfig": {"thinkingBudget": 511}}, "between 512 and 24576"),
        (PRO, {"thinkingConfig": {"thinkingBudget": -2}}, "The thinking budget -2"),
        (FLASH, {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": True}}, "include_thoughts is only enabled"),
        (PRO, {"thinkingConfig": {"thinkingLevel": "LOW"}}, "Thinking level is not supported for this model."),
        (PRO_3, {"thinkingConfig": {"thinkingLevel": "MEDIUM"}}, "Thinking level MEDIUM is not supported"),
        (PRO_31, {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}, "Thinking level MINIMAL is not supported"),
        (FLASH_3, {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 5}}, "only one of thinking budget and"),
        (NEWEST, {"frequencyPenalty": 0.5}, "Penalty is not enabled for this model."),
        (FLASH, {"presencePenalty": -1}, "Penalty is not enabled for this model."),
        ("gemini-3.7-flash", {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}, "Thinking level MINIMAL is not"),
        (
            FLASH_3,
            {"responseMimeType": "application/json", "responseJsonSchema": {"items": {"$ref": "#", "title": "a"}}},
            "only description and default can be set alongside it",
        ),
    ],
)
def test_generation_config(name: str, config: Any, text: str) -> None:
    refused(envelope(model=name, config=config), text)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        (FLASH, {"temperature": 0, "topP": 0, "topK": 64, "candidateCount": 8, "seed": -5, "frequencyPenalty": 0}),
        (FLASH, {"temperature": 2, "topP": 1, "stopSequences": list("abcde"), "maxOutputTokens": 65_536}),
        (FLASH, {"responseLogprobs": True, "logprobs": 20}),
        (FLASH, {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": False}}),
        (FLASH, {"thinkingConfig": {"thinkingBudget": -1, "includeThoughts": True}}),
        (PRO, {"thinkingConfig": {"thinkingBudget": 128}}),
        (PRO_3, {"thinkingConfig": {"thinkingLevel": "HIGH"}}),
        (PRO, {"thinkingConfig": {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED", "thinkingBudget": 128}}),
        (FLASH, {"responseMimeType": "application/json", "responseSchema": {**OBJECT, "required": ["a"]}}),
        (PRO_31, {"thinkingConfig": {"thinkingLevel": "MEDIUM"}}),
        (FLASH_3, {"thinkingConfig": {"thinkingBudget": 1024}}),
        (NEWEST, {"thinkingConfig": {"thinkingLevel": "MINIMAL"}, "temperature": 0.1, "presencePenalty": 0}),
    ],
)
def test_generation_config_that_is_right(name: str, config: Any) -> None:
    unary(google(), envelope(model=name, config=config))


def test_json_with_functions_is_for_gemini_3() -> None:
    config = {"responseMimeType": "application/json"}
    refused(envelope(config=config, tools=functions("f")), "response mime type: 'application/json' is unsupported")
    unary(google(), envelope(model=FLASH_3, config=config, tools=functions("f")))


def test_the_newest_flash_ends_with_the_user() -> None:
    refused(envelope(user("a"), model("b"), model=NEWEST), "ends with a user turn")
    unary(google(), envelope(user("a"), model("b"), model=FLASH_3))


def signed(name: str, **args: Any) -> Any:
    return call(name, args, thoughtSignature=signatures.sign_call(name, args, "test"))


MISSING = "Function call is missing a thought_signature in functionCall parts."


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ([user("a"), model(call("f")), user(answered("f"))], "function call `default_api:f` , position 2."),
        ([user("a"), model(call("f"), signed("g")), user(answered("f"), answered("g"))], MISSING),
        (
            [user("a"), model(signed("f")), user(answered("f")), model(call("g")), user(answered("g"))],
            "function call `default_api:g` , position 4.",
        ),
        ([user("a"), model(call("f", thoughtSignature="")), user(answered("f"))], MISSING),
        ([user("a"), model(call("f", thoughtSignature="aGk=")), user(answered("f"))], "signature is not valid."),
        ([user("a"), model({**signed("f", x=1), **call("f", {"x": 2})}), user(answered("f"))], "not valid."),
        ([user("a"), model({**signed("f"), **call("g")}), user(answered("g"))], "not valid."),
        (
            [user("a"), model(call("f", thoughtSignature=signatures.sign_text("1"))), user(answered("f"))],
            "not valid.",
        ),
        ([user("a"), model({"text": "b", "thoughtSignature": "aGk="}), user("c")], "not valid."),
    ],
)
def test_signatures_of_gemini_3(contents: list[Any], text: str) -> None:
    refused(envelope(*contents, model=FLASH_3), text)
    if "not valid" not in text:
        unary(google(), envelope(*contents, model=FLASH))  # older models do not look


@pytest.mark.parametrize("dummy", signatures.DUMMIES)
def test_documented_words_stand_in_for_a_signature(dummy: str) -> None:
    unary(
        google(),
        envelope(user("a"), model(call("f", thoughtSignature=dummy)), user(answered("f")), model=PRO_3),
    )


@pytest.mark.parametrize(
    "contents",
    [
        [user("a"), model(signed("f"), call("g")), user(answered("f"), answered("g"))],
        [user("a"), model("text first", signed("f")), user(answered("f"))],
        [user("a"), model(call("f")), user(answered("f")), model("b"), user("an earlier turn is not checked")],
        [user("a"), model({"text": "b", "thoughtSignature": signatures.sign_text("1")}), user("c")],
        [user("a"), model({"text": "", "thoughtSignature": signatures.sign_text("1")}), user("c")],
    ],
)
def test_signatures_that_are_right(contents: list[Any]) -> None:
    unary(google(), envelope(*contents, model=FLASH_3))


def test_an_issued_signature_is_taken_back_by_another_emulator() -> None:
    asked = user('f {"x": "é"}')
    parts = parts_in(stream(google(), envelope(asked, model=FLASH_3, tools=functions("f"))))
    assert "+" in parts[0]["thoughtSignature"]
    assert "/" in parts[0]["thoughtSignature"]
    back = {"functionResponse": {"name": "f", "id": parts[0]["functionCall"]["id"], "response": {}}}
    unary(google(), envelope(asked, model(*parts), user(back), model=FLASH_3, tools=functions("f")))


def with_ids(*ids: str) -> list[Any]:
    calls = [{"functionCall": {"name": "f", "args": {}, "id": call_id}} for call_id in ids]
    results = [{"functionResponse": {"name": "f", "response": {}, "id": call_id}} for call_id in ids]
    return [user("a"), model(*calls), user(*results)]


def test_ids_of_parallel_calls_differ() -> None:
    unary(google(), envelope(*with_ids("1", "2")))
    refused(envelope(*with_ids("1", "1")), "ids of function calls are unique")


@pytest.mark.parametrize(
    ("uri", "taken"),
    [
        ("gs://bucket/a.png", True),
        ("https://www.youtube.com/watch?v=x", True),
        ("https://generativelanguage.googleapis.com/v1beta/files/abc", True),
        ("https://example.com/a.png", False),
        ("http://example.com/a.png", False),
    ],
)
def test_addresses_that_code_assist_reads(uri: str, taken: bool) -> None:
    asked = envelope(user({"fileData": {"fileUri": uri}}))
    if taken:
        unary(google(), asked)
    else:
        refused(asked, f"Invalid or unsupported file uri: {uri}")


def test_media_that_are_too_large() -> None:
    half = {"inlineData": {"mimeType": "image/png", "data": "A" * (10 * 2**20 // 3 * 4)}}
    unary(google(), envelope(user(half, half)))
    refused(
        envelope(user(half, half), user({"inlineData": {"mimeType": "image/png", "data": "AAAAAAAA"}})),
        "exceeds the limit",
    )
