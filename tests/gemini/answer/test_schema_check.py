"""The judge of what a model has written: one sentence where it is wrong, and never much work."""

import json
import socket
from typing import Any

import pytest

from gemini_proxy.gemini.answer import schema_check
from gemini_proxy.gemini.answer.schema_check import check
from tests.gemini.request.test_schema import doubling, of

Json = dict[str, Any]

PERSON: Json = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **of(
        name={"type": "string", "pattern": "^(a+)+$"},
        age={"anyOf": [{"type": "integer"}, {"type": "null"}]},
        tags={"type": "array", "items": {"enum": ["x", "y"]}, "uniqueItems": True},
        child={"$ref": "#"},
    ),
    "required": ["name"],
    "additionalProperties": False,
}

CHECKS = [
    pytest.param('{"name": "a", "age": null, "tags": ["x"], "child": {"name": "b"}}', "", id="valid"),
    pytest.param('{"name": "' + "a" * 60 + '!"}', "", id="patterns-are-not-judged"),
    pytest.param('{"name": 1}', '$.name breaks type "string"', id="type"),
    pytest.param("{}", "$: 'name' is a required property", id="required"),
    pytest.param('{"name": "a", "other": 1}', "$ breaks additionalProperties", id="additional"),
    pytest.param('{"name": "a", "age": "secret"}', "$.age breaks anyOf", id="any-of"),
    pytest.param('{"name": "a", "tags": ["x", "z"]}', '$.tags[1] breaks enum ["x", "y"]', id="enum"),
    pytest.param('{"name": "a", "tags": ["x", "x"]}', "$.tags breaks uniqueItems", id="unique"),
    pytest.param('{"name": "a", "child": {"child": {}}}', "$.child", id="recursive"),
    pytest.param('{"name": ', "not valid JSON", id="broken"),
    pytest.param("", "not valid JSON", id="empty"),
    pytest.param("Sure, here it is: {}", "not valid JSON", id="prose"),
    pytest.param('{"name": NaN}', "not valid JSON", id="nan"),
    pytest.param("[" * 200_000, "not valid JSON", id="deep"),
    pytest.param("1" * 5000, "not valid JSON", id="digits"),
]


@pytest.mark.parametrize(("text", "expected"), CHECKS)
def test_check(text: str, expected: str) -> None:
    found = check(text, PERSON)
    assert expected in found
    assert bool(found) is bool(expected)
    assert "secret" not in found
    assert "\n" not in found


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "STRING"}, id="no-type-of-json-schema"),
        pytest.param({"$ref": "#"}, id="endless"),
        pytest.param({"$ref": "#/nowhere"}, id="nowhere"),
        pytest.param({"minimum": "x", "properties": 1}, id="garbage"),
        pytest.param(
            {"patternProperties": {"(": {"type": "string"}}, "additionalProperties": False}, id="broken-pattern"
        ),
        pytest.param({"uniqueItems": "x"}, id="unique-garbage"),
        pytest.param({"items": {"$ref": "#"}, "not": {"$ref": "#"}}, id="recursive-not"),
        pytest.param("no schema", id="text"),
        pytest.param(None, id="none"),
        pytest.param({"enum": [{1, 2}]}, id="not-even-json"),
    ],
)
def test_a_broken_schema_blames_nobody(schema: object) -> None:
    assert check('[{"a": [1, 1]}]', schema) == ""
    assert check("[", schema) != ""


def test_nothing_is_ever_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise AssertionError("went to the network")

    monkeypatch.setattr(socket, "create_connection", refused)
    assert check("{}", {"$ref": "http://127.0.0.1:9/schema"}) == ""
    assert check("{}", {"$schema": "http://127.0.0.1:9/schema", "type": "array"}) != ""


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        pytest.param({}, doubling("allOf"), id="doubling"),
        pytest.param(
            [{"a": i} for i in range(500)], {"anyOf": [{"type": "string"}] * 2_000}, id="many-branches-quote-much"
        ),
    ],
)
def test_a_check_gives_up(value: Any, schema: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_check, "MAX_STEPS", 2_000)
    assert check(json.dumps(value), schema) == ""


def test_what_is_too_long_for_an_answer_is_only_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_check, "MAX_TEXT", 5)
    assert check("{    }", {"type": "array"}) == ""
    assert check("{     ", {"type": "array"}) != ""
