"""Samples are valid for their schema, and end although the schema does not."""

from __future__ import annotations

from typing import Any

import pytest

from gemini_proxy.emulator.schema import sample

TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                "parent": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            },
            "required": ["name", "children", "parent"],
        }
    },
    "$ref": "#/$defs/Node",
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "sample"),
        ({"type": "STRING"}, "sample"),
        (True, "sample"),
        ({}, "sample"),
        ({"type": "integer"}, 1),
        ({"type": "NUMBER"}, 1.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "string", "nullable": True}, "sample"),
        ({"enum": [None, "a"]}, None),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"type": "integer", "minimum": 7}, 7),
        ({"type": "integer", "maximum": -7}, -7),
        ({"type": "integer", "exclusiveMinimum": 7}, 8),
        ({"type": "integer", "exclusiveMaximum": 1}, 0),
        ({"type": "number", "exclusiveMinimum": 7}, 7.5),
        ({"type": "integer", "multipleOf": 5}, 5),
        ({"type": "string", "minLength": 8}, "samplexx"),
        ({"type": "string", "maxLength": 3}, "sam"),
        ({"type": "string", "format": "date"}, "2026-01-02"),
        ({"type": "array"}, ["sample item"]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": "2"}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [1, 2, 3]),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 0}, []),
        ({"prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": False}, [1, True]),
        ({"type": "object"}, {}),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 1}),
        ({"type": "object", "required": ["b"]}, {"b": "sample b"}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"key_1": 1}),
        (
            {"type": "object", "additionalProperties": True, "minProperties": 2},
            {"key_1": "sample value", "key_2": "sample value"},
        ),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"oneOf": [{"const": 1}, {"const": 2}]}, 1),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"allOf": [{"$ref": "#/definitions/x"}], "definitions": {"x": {"type": "integer"}}}, 1),
        ({"allOf": [{"allOf": [{"type": "integer"}]}]}, 1),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "integer"}}}, 1),
        ({"$ref": "#/nowhere"}, "sample"),
        ({"type": "object", "properties": {"type": {"const": 1}, "enum": {"const": 2}}}, {"type": 1, "enum": 2}),
    ],
)
def test_samples(schema: Any, value: Any) -> None:
    assert sample(schema) == value


def test_the_order_of_properties() -> None:
    schema = {"type": "OBJECT", "properties": {"a": {}, "b": {}}, "propertyOrdering": ["b", "a"]}
    assert list(sample(schema)) == ["b", "a"]


def check_tree(node: Any) -> int:
    assert set(node) == {"name", "children", "parent"}
    children = [*node["children"], *filter(None, [node["parent"]])]
    return 1 + max(map(check_tree, children), default=0)


def test_recursion_ends_in_a_valid_value() -> None:
    assert check_tree(sample(TREE)) < 10


def test_a_schema_without_a_finite_value_does_not_hang() -> None:
    schema = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}
    assert set(sample(schema)) == {"self"}
    assert sample({"$ref": "#"}) is None


def test_deep_optional_properties_are_left_out() -> None:
    schema: Any = {"type": "integer"}
    for _ in range(8):
        schema = {"type": "object", "properties": {"in": schema}}
    assert sample(schema) == {"in": {"in": {"in": {"in": {}}}}}
