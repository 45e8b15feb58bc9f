"""Structured output: C146 to C152, C197, C198."""

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
    pytest.param({"type": "string"}, STRING, id="C148-string"),
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
    pytest.param(
        {"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}, id="C146-format"
    ),
    pytest.param(
        {"type": "string", "format": "email", "description": "Yours"},
        {"type": "STRING", "description": "Yours (format: email)"},
        id="C146-format-unknown-to-gemini",
    ),
    pytest.param({"type": "integer", "format": "int64"}, {"type": "INTEGER", "format": "int64"}, id="C146-int64"),
    pytest.param({"type": "integer", "format": "uint8"}, INTEGER, id="C146-uint8"),
    pytest.param(
        {"type": "string", "title": "T", "description": "D", "default": "x", "example": "y"},
        {"type": "STRING", "title": "T", "description": "D", "default": "x", "example": "y"},
        id="C145-annotations",
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
        id="C145-what-asserts-nothing-goes",
    ),
    pytest.param({"type": "string", "nullable": True}, {"type": "STRING", "nullable": True}, id="C150-nullable"),
    pytest.param({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}, id="C150-type-list"),
    pytest.param({"type": ["string"]}, STRING, id="C150-type-list-of-one"),
    pytest.param({"type": ["string", "integer"]}, {"anyOf": [STRING, INTEGER]}, id="C150-several-types"),
    pytest.param(
        {"type": ["string", "integer", "null"], "minLength": 2, "description": "D"},
        {
            "anyOf": [
                {"type": "STRING", "description": "D", "minLength": 2, "nullable": True},
                {"type": "INTEGER", "description": "D", "nullable": True},
            ]
        },
        id="C150-several-types-and-null",
    ),
    pytest.param(
        {"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}, id="C150-optional"
    ),
    pytest.param(
        {"anyOf": [{"type": "string", "title": "I"}, {"type": "null"}], "title": "O", "default": None},
        {"type": "STRING", "title": "O", "default": None, "nullable": True},
        id="C150-optional-as-pydantic-writes-it",
    ),
    pytest.param(
        {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "D"},
        {"anyOf": [{"description": "D", **STRING}, {"description": "D", **INTEGER}]},
        id="C150-any-of-stands-alone",
    ),
    pytest.param(
        {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"const": None}]},
        {"anyOf": [{**STRING, "nullable": True}, {**INTEGER, "nullable": True}]},
        id="C150-nested-any-of",
    ),
    pytest.param(
        {"oneOf": [{"type": "string"}, {"enum": [None]}]}, {"type": "STRING", "nullable": True}, id="C150-one-of-null"
    ),
    pytest.param(
        {"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [STRING, INTEGER]}, id="C150-one-of-types"
    ),
    pytest.param(
        {"oneOf": [tagged("a"), tagged("b")], "discriminator": {"propertyName": "kind"}},
        {"anyOf": [typed_tagged("a"), typed_tagged("b")]},
        id="C150-one-of-tagged",
    ),
    pytest.param(
        {"allOf": [{"$ref": "#/$defs/A"}], "title": "B", "$defs": A_STRING},
        {**STRING, "title": "B"},
        id="C150-all-of-one",
    ),
    pytest.param({"enum": ["a", "b", "a"]}, {"type": "STRING", "enum": ["a", "b"]}, id="C151-enum"),
    pytest.param({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}, id="C151-null-in-enum"),
    pytest.param(
        {"type": ["string", "null"], "enum": ["a", None]},
        {"type": "STRING", "enum": ["a"], "nullable": True},
        id="C151-null-in-both",
    ),
    pytest.param(
        {"type": ["string", "null"], "enum": ["a"]}, {"type": "STRING", "enum": ["a"]}, id="C151-null-in-type-only"
    ),
    pytest.param({"const": "a"}, {"type": "STRING", "enum": ["a"]}, id="C151-const"),
    pytest.param({"$ref": "#/$defs/A", "$defs": A_STRING}, {**STRING, "title": "A"}, id="C148-ref"),
    pytest.param(
        {"$ref": "#/definitions/A", "description": "D", "definitions": A_STRING},
        {**STRING, "title": "A", "description": "D"},
        id="C148-definitions-and-description",
    ),
    pytest.param(
        {**of(a={"$ref": "#/$defs/x~1y%20~0"}, b={"$ref": "#/properties/a"}), "$defs": {"x/y ~": {"type": "string"}}},
        typed_of(a=STRING, b=STRING),
        id="C148-escaped-pointer-used-twice",
    ),
    pytest.param(
        {"anyOf": [{"type": "string"}, {"$ref": "#/anyOf/0"}]},
        {"anyOf": [STRING, STRING]},
        id="C148-pointer-into-a-list",
    ),
    pytest.param(
        {**of(b={"type": "string"}, a={"type": "integer"}), "required": ["a"], "additionalProperties": False},
        {**typed_of(b=STRING, a=INTEGER), "required": ["a"]},
        id="C146-closed-object-keeps-its-order",
    ),
    pytest.param({**of(a={"type": "string"}), "additionalProperties": True}, typed_of(a=STRING), id="C146-open-object"),
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
        id="C147-properties-named-like-keywords",
    ),
    pytest.param(
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2, "uniqueItems": False},
        {"type": "ARRAY", "minItems": 1, "maxItems": 2, "items": STRING},
        id="C198-root-array",
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
    pytest.param({"type": "object"}, id="C146-map"),
    pytest.param({"type": "object", "additionalProperties": {"type": "string"}}, id="C146-map-of-strings"),
    pytest.param(
        {**of(a={"type": "string"}), "additionalProperties": {"type": "string"}}, id="C146-others-have-a-schema"
    ),
    pytest.param({**of(a={"type": "string"}), "patternProperties": {"^x": {}}}, id="C146-pattern-properties"),
    pytest.param({**of(a={"type": "string"}), "propertyNames": {"maxLength": 3}}, id="C146-property-names"),
    pytest.param({**of(a={"type": "string"}), "if": {}, "then": {}}, id="C146-if-then"),
    pytest.param({**of(a={"type": "string"}), "required": ["b"]}, id="required-but-not-defined"),
    pytest.param({**of(a={"type": "string"}), "anyOf": [{"required": ["a"]}]}, id="C150-any-of-with-conditions-beside"),
    pytest.param(of(a={}), id="anything-in-a-property"),
    pytest.param({"not": {"type": "string"}}, id="C146-not"),
    pytest.param({"type": "number", "multipleOf": 2}, id="multiple-of"),
    pytest.param({"type": "number", "exclusiveMinimum": 0}, id="exclusive-minimum-of-a-fraction"),
    pytest.param({"type": "integer", "exclusiveMinimum": 0.5}, id="exclusive-minimum-is-a-fraction"),
    pytest.param({"type": "integer", "minimum": 10**400}, id="number-too-large"),
    pytest.param({"type": "string", "minLength": -1}, id="negative-length"),
    pytest.param({"type": "string", "minLength": True}, id="boolean-length"),
    pytest.param({"type": "string", "title": 1}, id="title-is-no-text"),
    pytest.param({"type": "array"}, id="C152-no-items"),
    pytest.param({"type": "array", "items": True}, id="C152-any-items"),
    pytest.param({"type": "array", "items": [{"type": "string"}]}, id="C152-tuple-of-old-drafts"),
    pytest.param({"type": "array", "prefixItems": [{"type": "string"}], "items": False}, id="C152-tuple"),
    pytest.param({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, id="unique-items"),
    pytest.param({"enum": [1, 2]}, id="C151-integer-enum"),
    pytest.param({"type": "integer", "enum": [1, 2]}, id="C151-typed-integer-enum"),
    pytest.param({"enum": ["a", 1]}, id="C151-mixed-enum"),
    pytest.param({"enum": ["a", ""]}, id="C151-empty-string"),
    pytest.param({"enum": []}, id="C151-empty-enum"),
    pytest.param({"const": 1}, id="C151-const-integer"),
    pytest.param({"const": None}, id="C151-const-null"),
    pytest.param({"const": "a", "enum": ["a", "b"]}, id="C151-const-and-enum"),
    pytest.param({"anyOf": []}, id="C150-any-of-nothing"),
    pytest.param({"anyOf": [{"type": "null"}]}, id="C150-any-of-null"),
    pytest.param({"anyOf": "x"}, id="C150-any-of-garbage"),
    pytest.param({"anyOf": [True, {"type": "string"}]}, id="C150-any-of-anything"),
    pytest.param({"oneOf": [{"type": "string"}, {"type": "string", "minLength": 2}]}, id="C150-one-of-overlaps"),
    pytest.param({"oneOf": [{"type": "integer"}, {"type": "number"}]}, id="C150-one-of-numbers"),
    pytest.param({"oneOf": [tagged("a"), tagged("a")]}, id="C150-one-of-same-tag"),
    pytest.param({"oneOf": [{"type": ["string", "null"]}, {"type": "null"}]}, id="C150-one-of-two-nulls"),
    pytest.param(
        {"oneOf": [{"type": "string"}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}]}, id="C150-one-of-any-of"
    ),
    pytest.param({"allOf": [{"type": "string"}, {"minLength": 2}]}, id="C150-all-of-two"),
    pytest.param({"$ref": "#/$defs/A", "minLength": 2, "$defs": A_STRING}, id="C148-condition-beside-a-reference"),
    pytest.param({"$ref": "#/$defs/B", "$defs": A_STRING}, id="C148-nothing-there"),
    pytest.param({"$ref": "#/$defs/A/title/0", "$defs": A_STRING}, id="C148-pointer-into-a-text"),
    pytest.param({"$ref": "https://example.com/schema"}, id="C148-remote"),
    pytest.param({"$ref": 1}, id="C148-garbage"),
    pytest.param({"$ref": "#"}, id="C149-itself"),
    pytest.param(of(child={"$ref": "#"}), id="C149-recursive"),
    pytest.param(
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, id="C149-each-other"
    ),
    pytest.param(nested(300), id="C149-deep"),
    pytest.param(doubling("anyOf"), id="C149-doubling"),
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
    """What Google insists on (protocol 8.7)."""
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
def test_whatever_comes_the_typed_form_is_one_google_takes_c183(schema: object) -> None:
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
def test_check_never_raises_c183(schema: object, value: object) -> None:
    check(json.dumps(value), schema)
