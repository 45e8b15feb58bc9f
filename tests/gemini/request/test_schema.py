"""Structured output."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gemini_proxy.gemini.answer.schema_check import check
from gemini_proxy.gemini.request.schema import typed

Json = dict[str, Any]
STRING: Json = {"type": "STRING"}
INTEGER: Json = {"type": "INTEGER"}


def of(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def typed_of(**properties: Json) -> Json:
    return {"type": "OBJECT", "properties": properties, "propertyOrdering": list(properties)}


def tagged(tag: str, **more: Json) -> Json:
    return {**of(kind={"const": tag}, **more), "required": ["kind"]}


def typed_tagged(tag: str) -> Json:
    return {**typed_of(kind={"type": "STRING", "enum": [tag]}), "required": ["kind"]}


A_STRING = {"A": {"type": "string", "title": "A"}}

CONVERTED = [
    pytest.param({"type": "string"}, STRING, id="string"),
    pytest.param({"type": "STRING"}, STRING, id="upper-case"),
    pytest.param({"type": "boolean"}, {"type": "BOOLEAN"}, id="boolean"),
    pytest.param(
        {"type": "number", "minimum": 0, "maximum": 1.5}, {"type": "NUMBER", "minimum": 0, "maximum": 1.5}, id="number"
    ),
    pytest.param({"type": "integer", "exclusiveMinimum": 0}, {"type": "INTEGER", "minimum": 1}, id="exclusive-minimum"),
    pytest.param(
        {"type": "integer", "exclusiveMaximum": 9, "maximum": 5, "exclusiveMinimum": 1, "minimum": 4},
        {"type": "INTEGER", "minimum": 4, "maximum": 5},
        id="exclusive-and-inclusive",
    ),
    pytest.param(
        {"type": "string", "minLength": 1, "maxLength": 2.0, "pattern": "^a"},
        {"type": "STRING", "minLength": 1, "maxLength": 2, "pattern": "^a"},
        id="string-limits",
    ),
    pytest.param({"type": "string", "minimum": 3, "items": {}}, STRING, id="keywords-of-another-type-mean-nothing"),
    pytest.param({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}, id="format"),
    pytest.param(
        {"type": "string", "format": "email", "description": "Yours"},
        {"type": "STRING", "description": "Yours (format: email)"},
        id="format-unknown-to-gemini",
    ),
    pytest.param({"type": "integer", "format": "int64"}, {"type": "INTEGER", "format": "int64"}, id="int64"),
    pytest.param({"type": "integer", "format": "uint8"}, INTEGER, id="uint8"),
    pytest.param(
        {"type": "string", "title": "T", "description": "D", "default": "x", "example": "y"},
        {"type": "STRING", "title": "T", "description": "D", "default": "x", "example": "y"},
        id="annotations",
    ),
    pytest.param(
        {
            "type": "string",
            "$schema": "x",
            "$id": "y",
            "$comment": "z",
            "examples": ["e"],
            "x-order": 1,
            "strict": True,
        },
        STRING,
        id="what-asserts-nothing-goes",
    ),
    pytest.param({"type": "string", "nullable": True}, {"type": "STRING", "nullable": True}, id="nullable"),
    pytest.param({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}, id="type-list"),
    pytest.param({"type": ["string"]}, STRING, id="type-list-of-one"),
    pytest.param({"type": ["string", "integer"]}, {"anyOf": [STRING, INTEGER]}, id="several-types"),
    pytest.param(
        {"type": ["string", "integer", "null"], "minLength": 2, "description": "D"},
        {
            "anyOf": [
                {"type": "STRING", "description": "D", "minLength": 2, "nullable": True},
                {"type": "INTEGER", "description": "D", "nullable": True},
            ]
        },
        id="several-types-and-null",
    ),
    pytest.param(
        {"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}, id="optional"
    ),
    pytest.param(
        {"anyOf": [{"type": "string", "title": "I"}, {"type": "null"}], "title": "O", "default": None},
        {"type": "STRING", "title": "O", "default": None, "nullable": True},
        id="optional-as-pydantic-writes-it",
    ),
    pytest.param(
        {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "D"},
        {"anyOf": [{"description": "D", **STRING}, {"description": "D", **INTEGER}]},
        id="any-of-stands-alone",
    ),
    pytest.param(
        {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"const": None}]},
        {"anyOf": [{**STRING, "nullable": True}, {**INTEGER, "nullable": True}]},
        id="nested-any-of",
    ),
    pytest.param(
        {"oneOf": [{"type": "string"}, {"enum": [None]}]}, {"type": "STRING", "nullable": True}, id="one-of-null"
    ),
    pytest.param({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [STRING, INTEGER]}, id="one-of-types"),
    pytest.param(
        {"oneOf": [tagged("a"), tagged("b")], "discriminator": {"propertyName": "kind"}},
        {"anyOf": [typed_tagged("a"), typed_tagged("b")]},
        id="one-of-tagged",
    ),
    pytest.param(
        {"allOf": [{"$ref": "#/$defs/A"}], "title": "B", "$defs": A_STRING},
        {**STRING, "title": "B"},
        id="all-of-one",
    ),
    pytest.param({"enum": ["a", "b", "a"]}, {"type": "STRING", "enum": ["a", "b"]}, id="enum"),
    pytest.param({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}, id="null-in-enum"),
    pytest.param(
        {"type": ["string", "null"], "enum": ["a", None]},
        {"type": "STRING", "enum": ["a"], "nullable": True},
        id="null-in-both",
    ),
    pytest.param(
        {"type": ["string", "null"], "enum": ["a"]}, {"type": "STRING", "enum": ["a"]}, id="null-in-type-only"
    ),
    pytest.param({"const": "a"}, {"type": "STRING", "enum": ["a"]}, id="const"),
    pytest.param({"$ref": "#/$defs/A", "$defs": A_STRING}, {**STRING, "title": "A"}, id="ref"),
    pytest.param(
        {"$ref": "#/definitions/A", "description": "D", "definitions": A_STRING},
        {**STRING, "title": "A", "description": "D"},
        id="definitions-and-description",
    ),
    pytest.param(
        {**of(a={"$ref": "#/$defs/x~1y%20~0"}, b={"$ref": "#/properties/a"}), "$defs": {"x/y ~": {"type": "string"}}},
        typed_of(a=STRING, b=STRING),
        id="escaped-pointer-used-twice",
    ),
    pytest.param(
        {"anyOf": [{"type": "string"}, {"$ref": "#/anyOf/0"}]},
        {"anyOf": [STRING, STRING]},
        id="pointer-into-a-list",
    ),
    pytest.param(
        {**of(b={"type": "string"}, a={"type": "integer"}), "required": ["a"], "additionalProperties": False},
        {**typed_of(b=STRING, a=INTEGER), "required": ["a"]},
        id="closed-object-keeps-its-order",
    ),
    pytest.param({**of(a={"type": "string"}), "additionalProperties": True}, typed_of(a=STRING), id="open-object"),
    pytest.param({"properties": {"a": {"type": "string"}}}, typed_of(a=STRING), id="type-left-out"),
    pytest.param(
        of(
            **{
                name: {"type": "string"}
                for name in ("const", "strict", "title", "type", "$ref", "enum", "format", "not", "anyOf")
            }
        ),
        typed_of(
            **dict.fromkeys(("const", "strict", "title", "type", "$ref", "enum", "format", "not", "anyOf"), STRING)
        ),
        id="properties-named-like-keywords",
    ),
    pytest.param(
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2, "uniqueItems": False},
        {"type": "ARRAY", "minItems": 1, "maxItems": 2, "items": STRING},
        id="root-array",
    ),
]


@pytest.mark.parametrize(("schema", "expected"), CONVERTED)
def test_typed(schema: Json, expected: Json) -> None:
    before = json.dumps(schema)
    assert typed(schema) == expected
    assert json.dumps(schema) == before


def nested(depth: int) -> Json:
    return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "string"}


def doubling(keyword: str) -> Json:
    """Each definition twice the next one: 2**40 of the last."""
    names = [f"d{i}" for i in range(41)]
    defs: Json = {name: {keyword: [{"$ref": f"#/$defs/{after}"}] * 2} for name, after in itertools.pairwise(names)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, "d40": {"type": "string"}}}


LOST = [
    pytest.param(True, id="boolean-schema"),
    pytest.param({}, id="anything-goes"),
    pytest.param({"type": "null"}, id="null"),
    pytest.param({"type": []}, id="no-type"),
    pytest.param({"type": "text"}, id="unknown-type"),
    pytest.param({"type": {}}, id="garbage-type"),
    pytest.param({"type": ["string"] * 9}, id="garbage-types"),
    pytest.param({"type": "object"}, id="map"),
    pytest.param({"type": "object", "additionalProperties": {"type": "string"}}, id="map-of-strings"),
    pytest.param({**of(a={"type": "string"}), "additionalProperties": {"type": "string"}}, id="others-have-a-schema"),
    pytest.param({**of(a={"type": "string"}), "patternProperties": {"^x": {}}}, id="pattern-properties"),
    pytest.param({**of(a={"type": "string"}), "propertyNames": {"maxLength": 3}}, id="property-names"),
    pytest.param({**of(a={"type": "string"}), "if": {}, "then": {}}, id="if-then"),
    pytest.param({**of(a={"type": "string"}), "required": ["b"]}, id="required-but-not-defined"),
    pytest.param({**of(a={"type": "string"}), "anyOf": [{"required": ["a"]}]}, id="any-of-with-conditions-beside"),
    pytest.param(of(a={}), id="anything-in-a-property"),
    pytest.param({"not": {"type": "string"}}, id="not"),
    pytest.param({"type": "number", "multipleOf": 2}, id="multiple-of"),
    pytest.param({"type": "number", "exclusiveMinimum": 0}, id="exclusive-minimum-of-a-fraction"),
    pytest.param({"type": "integer", "exclusiveMinimum": 0.5}, id="exclusive-minimum-is-a-fraction"),
    pytest.param({"type": "integer", "minimum": 10**400}, id="number-too-large"),
    pytest.param({"type": "string", "minLength": -1}, id="negative-length"),
    pytest.param({"type": "string", "minLength": True}, id="boolean-length"),
    pytest.param({"type": "string", "title": 1}, id="title-is-no-text"),
    pytest.param({"type": "array"}, id="no-items"),
    pytest.param({"type": "array", "items": True}, id="any-items"),
    pytest.param({"type": "array", "items": [{"type": "string"}]}, id="tuple-of-old-drafts"),
    pytest.param({"type": "array", "prefixItems": [{"type": "string"}], "items": False}, id="tuple"),
    pytest.param({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, id="unique-items"),
    pytest.param({"enum": [1, 2]}, id="integer-enum"),
    pytest.param({"type": "integer", "enum": [1, 2]}, id="typed-integer-enum"),
    pytest.param({"enum": ["a", 1]}, id="mixed-enum"),
    pytest.param({"enum": ["a", ""]}, id="empty-string"),
    pytest.param({"enum": []}, id="empty-enum"),
    pytest.param({"const": 1}, id="const-integer"),
    pytest.param({"const": None}, id="const-null"),
    pytest.param({"const": "a", "enum": ["a", "b"]}, id="const-and-enum"),
    pytest.param({"anyOf": []}, id="any-of-nothing"),
    pytest.param({"anyOf": [{"type": "null"}]}, id="any-of-null"),
    pytest.param({"anyOf": "x"}, id="any-of-garbage"),
    pytest.param({"anyOf": [True, {"type": "string"}]}, id="any-of-anything"),
    pytest.param({"oneOf": [{"type": "string"}, {"type": "string", "minLength": 2}]}, id="one-of-overlaps"),
    pytest.param({"oneOf": [{"type": "integer"}, {"type": "number"}]}, id="one-of-numbers"),
    pytest.param({"oneOf": [tagged("a"), tagged("a")]}, id="one-of-same-tag"),
    pytest.param({"oneOf": [{"type": ["string", "null"]}, {"type": "null"}]}, id="one-of-two-nulls"),
    pytest.param(
        {"oneOf": [{"type": "string"}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}]}, id="one-of-any-of"
    ),
    pytest.param({"allOf": [{"type": "string"}, {"minLength": 2}]}, id="all-of-two"),
    pytest.param({"$ref": "#/$defs/A", "minLength": 2, "$defs": A_STRING}, id="condition-beside-a-reference"),
    pytest.param({"$ref": "#/$defs/B", "$defs": A_STRING}, id="nothing-there"),
    pytest.param({"$ref": "#/$defs/A/title/0", "$defs": A_STRING}, id="pointer-into-a-text"),
    pytest.param({"$ref": "https://example.com/schema"}, id="remote"),
    pytest.param({"$ref": 1}, id="garbage"),
    pytest.param({"$ref": "#"}, id="itself"),
    pytest.param(of(child={"$ref": "#"}), id="recursive"),
    pytest.param(
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, id="each-other"
    ),
    pytest.param(nested(300), id="deep"),
    pytest.param(doubling("anyOf"), id="doubling"),
    pytest.param(None, id="none"),
    pytest.param([], id="list"),
]


@pytest.mark.parametrize("schema", LOST)
def test_what_has_no_typed_form(schema: object) -> None:
    assert typed(schema) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(["string", "integer", "number", "object", "array", "boolean", "null"])
schemas = st.recursive(
    st.fixed_dictionaries({"type": words | st.lists(words, max_size=3)})
    | st.fixed_dictionaries({"enum": st.lists(st.sampled_from(["a", "b", "", None, 1]), max_size=3)})
    | st.fixed_dictionaries({"const": st.sampled_from(["a", None, 1])})
    | st.fixed_dictionaries({"$ref": st.sampled_from(["#", "#/anyOf/0", "#/properties/a", "#/items"])})
    | st.fixed_dictionaries(
        {"type": st.just("integer"), "exclusiveMinimum": st.integers(-2, 2), "maximum": st.integers(-2, 2)}
    ),
    lambda inner: (
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"oneOf": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=2)})
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"maxItems": st.integers(0, 2)})
        | st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from(["a", "type", "$ref"]), inner, max_size=2),
            },
            optional={
                "required": st.lists(st.sampled_from(["a", "type"]), max_size=2),
                "additionalProperties": st.booleans(),
            },
        )
    ),
    max_leaves=6,
)
keyword_soup = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "enum",
            "const",
            "anyOf",
            "oneOf",
            "allOf",
            "$ref",
            "items",
            "properties",
            "required",
            "minimum",
            "title",
            "$id",
            "$anchor",
            "$defs",
            "$schema",
            "$dynamicRef",
        ]
    ),
    json_values,
    max_size=4,
)

MEMBERS = {
    *("type", "format", "title", "description", "nullable", "enum", "items", "minItems", "maxItems", "properties"),
    *("propertyOrdering", "required", "minProperties", "maxProperties", "minimum", "maximum", "minLength", "maxLength"),
    *("pattern", "anyOf", "example", "default"),
}


def assert_typed(found: Json) -> None:
    """What Google insists on (docs/protocol.md, P-606)."""
    assert found.keys() <= MEMBERS
    if "anyOf" in found:
        assert list(found) == ["anyOf"]
        assert len(found["anyOf"]) > 1
    else:
        assert found["type"] in ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT")
    assert ("items" in found) is (found.get("type") == "ARRAY")
    assert set(found.get("required", [])) <= set(found.get("propertyOrdering", []))
    assert list(found.get("properties", [])) == found.get("propertyOrdering", [])
    assert all(isinstance(word, str) and word for word in found.get("enum", []))
    for inner in (
        *found.get("anyOf", []),
        *found.get("properties", {}).values(),
        *[found[n] for n in ("items",) if n in found],
    ):
        assert_typed(inner)


def plain(found: Json) -> Json:
    """A typed Schema as JSON Schema again, objects closed."""
    if "anyOf" in found:
        return {"anyOf": [plain(inner) for inner in found["anyOf"]]}
    back: Json = {name: value for name, value in found.items() if name not in ("type", "nullable", "propertyOrdering")}
    back["type"] = found["type"].lower()
    if "items" in found:
        back["items"] = plain(found["items"])
    if "properties" in found:
        back["properties"] = {name: plain(inner) for name, inner in found["properties"].items()}
        back["additionalProperties"] = False
    return {"anyOf": [back, {"type": "null"}]} if found.get("nullable") else back


@given(schemas | keyword_soup | json_values)
def test_whatever_comes_the_typed_form_is_one_google_takes(schema: object) -> None:
    found = typed(schema)
    if found is not None:
        assert_typed(found)


samples = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", "c", 0.5]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "type", "$ref"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(schemas, st.lists(samples, min_size=5, max_size=5))
def test_what_the_typed_form_allows_the_schema_allows(schema: Json, values: list[Any]) -> None:
    found = typed(schema)
    if found is None:
        return
    narrower = Draft202012Validator(plain(found))
    for value in values:
        if narrower.is_valid(value):
            assert check(json.dumps(value), schema) == ""


@given(schemas | keyword_soup, json_values)
def test_check_never_raises(schema: object, value: object) -> None:
    check(json.dumps(value), schema)
