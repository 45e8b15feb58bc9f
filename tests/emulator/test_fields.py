"""The reader of names and types."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gemini_proxy.emulator.errors import GoogleError
from gemini_proxy.emulator.fields import decoded, read
from gemini_proxy.emulator.protos import ENUMS, MESSAGES

UNKNOWN = "Invalid JSON payload received. Unknown name "


def refused(message: str, value: Any) -> GoogleError:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(GoogleError) as caught:
        read(message, body)
    assert caught.value.code == 400
    return caught.value


def test_every_type_in_the_table_exists() -> None:
    known = {"string", "bool", "int32", "int64", "float", "bytes", "Struct", "Value", *MESSAGES, *ENUMS}
    kinds = {kind.removeprefix("[]").removeprefix("{}") for rows in MESSAGES.values() for kind in rows.values()}
    assert kinds <= known


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ({"user_prompt_id": "u"}, {"userPromptId": "u"}),
        ({"userPromptId": "u"}, {"userPromptId": "u"}),
        ({"request": {"session_id": "s"}}, {"request": {"sessionId": "s"}}),
        ({"request": {"system_instruction": {"parts": []}}}, {"request": {"systemInstruction": {"parts": []}}}),
        ({"model": None}, {}),
        ({"request": {"labels": {"snake_key": "v"}}}, {"request": {"labels": {"snake_key": "v"}}}),
    ],
    ids=["snake", "camel", "session", "nested", "null", "map-keys-stay"],
)
def test_both_spellings(given: Any, read_as: Any) -> None:
    assert read("GenerateContent", json.dumps(given).encode()) == read_as


@pytest.mark.parametrize(
    ("request_", "where", "text"),
    [
        ({"foo": 1}, "request", "\"foo\" at 'request': Cannot find field."),
        (
            {"tools": [{"functionDeclarations": [{"name": "f", "tools": 1}]}]},
            "request.tools[0].function_declarations[0]",
            "\"tools\" at 'request.tools[0].function_declarations[0]': Cannot find field.",
        ),
        (
            {"tools": [{"function_declarations": [{"parameters": {"properties": {"a": {"$schema": ""}}}}]}]},
            "request.tools[0].function_declarations[0].parameters.properties[0].value",
            "\"$schema\" at 'request.tools[0].function_declarations[0].parameters.properties[0].value': "
            "Cannot find field.",
        ),
        (
            {"contents": [{"parts": [{"inline_data": {"bytes": ""}}]}]},
            "request.contents[0].parts[0].inline_data",
            "\"bytes\" at 'request.contents[0].parts[0].inline_data': Cannot find field.",
        ),
        (
            {"generationConfig": {"responseSchema": {"type": ["STRING", "NULL"]}}},
            "request.generation_config.response_schema",
            "\"type\" at 'request.generation_config.response_schema': Proto field is not repeating, cannot start list.",
        ),
    ],
    ids=["request", "declaration", "typed-schema", "blob", "type-list"],
)
def test_unknown_names(request_: Any, where: str, text: str) -> None:
    error = refused("GenerateContent", {"request": request_})
    assert error.message == UNKNOWN + text
    assert error.details[0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert error.details[0]["fieldViolations"] == [{"field": where, "description": error.message}]


@pytest.mark.parametrize("word", ["const", "additionalProperties", "$ref", "$defs", "oneOf", "propertyNames"])
def test_the_typed_schema_is_a_subset(word: str) -> None:
    error = refused("Schema", {"type": "OBJECT", word: {}})
    assert f'Unknown name "{word}": Cannot find field.' in error.message


def test_all_faults_are_told_at_once() -> None:
    error = refused("GenerateContent", {"a": 1, "request": {"b": 2}})
    assert error.message.splitlines() == [
        UNKNOWN + '"a": Cannot find field.',
        UNKNOWN + "\"b\" at 'request': Cannot find field.",
    ]


@pytest.mark.parametrize(
    ("config", "label"),
    [
        ({"temperature": "warm"}, "TYPE_FLOAT"),
        ({"temperature": True}, "TYPE_FLOAT"),
        ({"maxOutputTokens": 1.5}, "TYPE_INT32"),
        ({"seed": 2**31}, "TYPE_INT32"),
        ({"responseMimeType": 1}, "TYPE_STRING"),
        ({"responseLogprobs": "yes"}, "TYPE_BOOL"),
        ({"stopSequences": "x"}, "TYPE_STRING"),
        ({"thinkingConfig": 1}, "ThinkingConfig"),
        ({"thinkingConfig": {"thinkingLevel": "high"}}, "ThinkingLevel"),
        ({"responseSchema": {"type": "thing"}}, "Type"),
        ({"responseSchema": {"type": "OBJECT", "properties": 1}}, "TYPE_STRUCT"),
    ],
)
def test_wrong_types(config: Any, label: str) -> None:
    error = refused("GenerateContent", {"request": {"generationConfig": config}})
    assert error.message.startswith("Invalid value at 'request.generation_config")
    assert f"{label})" in error.message


@pytest.mark.parametrize("config", [{"maxOutputTokens": 5.0}, {"seed": -1}, {"topP": 1}, {"responseJsonSchema": True}])
def test_right_types(config: Any) -> None:
    assert read("GenerationConfig", json.dumps(config).encode()) == config


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_not_a_message(body: bytes) -> None:
    assert refused("GenerateContent", body).message.startswith("Invalid JSON payload received. ")


def test_an_int64_may_be_a_string() -> None:
    assert read("Schema", b'{"minItems": "2"}') == {"minItems": "2"}
    assert "TYPE_INT64" in refused("Schema", {"minItems": "two"}).message


def test_one_part_holds_one_thing() -> None:
    error = refused("Content", {"parts": [{"text": "a", "functionCall": {"name": "f"}}]})
    assert error.message == (
        "Invalid value at 'parts[0]' (oneof), oneof field 'data' is already set. Cannot set 'functionCall'"
    )


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("aGk=", b"hi"),
        ("aGk", b"hi"),
        ("-_-_", b"\xfb\xff\xbf"),
        ("+/+/", b"\xfb\xff\xbf"),
        ("a b=", None),
        ("é", None),
    ],
)
def test_base64(text: str, data: bytes | None) -> None:
    assert decoded(text) == data


def test_bytes_are_checked() -> None:
    error = refused("Part", {"inlineData": {"mimeType": "image/png", "data": "not base64!"}})
    assert error.message.startswith("Invalid value at 'inline_data.data' (TYPE_BYTES), Base64 decoding failed")
    assert "TYPE_BYTES" in refused("Part", {"thoughtSignature": 5}).message


def test_types_of_a_schema_are_read_in_lower_case_too() -> None:
    found = read("GenerationConfig", b'{"responseSchema": {"type": "object", "properties": {"a": {"type": "STRING"}}}}')
    assert found["responseSchema"] == {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
