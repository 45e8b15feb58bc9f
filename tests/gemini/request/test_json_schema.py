"""JSON Schema in the words that Gemini knows."""

import time
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.gemini.request.json_schema import as_object, readable, target_of
from gemini_proxy.gemini.request.schema import typed

REF = "#/$defs/a"
SAID_OTHERWISE: list[Any] = [
    ({"const": "step", "title": "Kind"}, {"enum": ["step"], "type": "string", "title": "Kind"}),
    ({"const": 5}, {"enum": [5], "type": "integer"}),
    ({"const": True}, {"type": "boolean"}),
    ({"const": None}, {"type": "null"}),
    ({"const": {"a": 1}}, {"type": "object"}),
    ({"enum": ["a", "b"]}, {"enum": ["a", "b"], "type": "string"}),
    ({"enum": ["a", None, 1]}, {"enum": ["a", None, 1], "type": ["string", "null", "integer"]}),
    ({"enum": ["a"], "type": "string"}, {"enum": ["a"], "type": "string"}),
    ({"enum": []}, {"enum": []}),
    (
        {
            "$ref": REF,
            "title": "A",
            "readOnly": True,
            "minLength": 2,
            "description": "d",
            "default": 1,
            "$comment": "c",
        },
        {"$ref": REF, "description": "d", "default": 1, "$comment": "c"},
    ),
    ({"allOf": [{"$ref": REF}], "description": "d", "title": "t"}, {"$ref": REF, "description": "d"}),
    ({"allOf": [{"minLength": 1}], "minLength": 2}, {"allOf": [{"minLength": 1}], "minLength": 2}),
    ({"allOf": [{"type": "string"}, {"minLength": 2}]}, {"allOf": [{"type": "string"}, {"minLength": 2}]}),
    ({"properties": {"const": {"const": "a"}}}, {"properties": {"const": {"enum": ["a"], "type": "string"}}}),
    (
        {"properties": {"$ref": {"type": "string"}, "title": {}}},
        {"properties": {"$ref": {"type": "string"}, "title": {}}},
    ),
    ({"default": {"const": 1}, "examples": [{"const": 1}]}, {"default": {"const": 1}, "examples": [{"const": 1}]}),
    ({"definitions": {"a": {}}, "$ref": "#/definitions/a"}, {"$defs": {"a": {}}, "$ref": "#/$defs/a"}),
    (
        {"type": ["string", "null"], "items": True, "anyOf": [1]},
        {"type": ["string", "null"], "items": True, "anyOf": [1]},
    ),
]


@pytest.mark.parametrize(("given_schema", "expected"), SAID_OTHERWISE)
def test_what_gemini_does_not_know_is_said_otherwise(given_schema: Any, expected: Any) -> None:
    before = deepcopy(given_schema)
    assert readable(given_schema) == expected
    assert given_schema == before
    for keyword in ("items", "additionalProperties"):
        assert readable({keyword: before}) == {keyword: expected} or "definitions" in before
    for keyword in ("anyOf", "prefixItems"):
        assert readable({keyword: [before]}) == {keyword: [expected]} or "definitions" in before


def node(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def required(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: inner.get("required") for name, inner in schema["$defs"].items()}


CYCLES: list[Any] = [
    pytest.param({"a": node("b", b=ref("a"))}, {"a": None}, id="itself"),
    pytest.param({"a": node("b", "c", b={"anyOf": [ref("a"), {"type": "null"}]}, c={})}, {"a": ["c"]}, id="nullable"),
    pytest.param({"a": node("b", b={"type": "array", "items": ref("a")})}, {"a": None}, id="list"),
    pytest.param(
        {"a": node("b", b={"items": ref("b")}), "b": node("n", "a", n={}, a={"anyOf": [ref("a")]})},
        {"a": ["b"], "b": ["n"]},
        id="each-other",
    ),
    pytest.param({"a": node(b=ref("a"))}, {"a": None}, id="optional-already"),
    pytest.param({"a": node("x", x=node(b=ref("a")))}, {"a": ["x"]}, id="optional-inside"),
    pytest.param(
        {"a": node("b", "c", b=ref("b"), c=ref("b")), "b": node("x", x={})}, {"a": ["b", "c"], "b": ["x"]}, id="none"
    ),
    pytest.param({"a": {"items": ref("a")}}, {"a": None}, id="no-property"),
    pytest.param({"a": node("b", b=ref("gone"))}, {"a": ["b"]}, id="dangling"),
]


@pytest.mark.parametrize(("definitions", "expected"), CYCLES)
def test_a_cycle_is_closed_by_a_property_that_is_not_required(definitions: Any, expected: Any) -> None:
    for root in (ref("a"), node("x", x=ref("a"))):
        assert required(readable({**root, "$defs": definitions})) == expected


def test_a_cycle_through_the_root() -> None:
    assert "required" not in readable(node("a", a={"$ref": "#"}))
    inner = readable(node("a", a=node("b", b={"$ref": "#/properties/a"})))
    assert "required" not in inner["properties"]["a"]


def test_a_cycle_behind_many_references_to_the_same() -> None:
    chain: Any = {f"d{i}": node("a", "b", a=ref(f"d{i + 1}"), b=ref(f"d{i + 1}")) for i in range(40)}
    found = readable({**ref("d0"), "$defs": {**chain, "d40": node("a", "c", a=ref("d0"), c={})}})
    assert required(found)["d40"] == ["c"]
    assert required(found)["d0"] == ["a", "b"]


def test_as_an_object() -> None:
    members: Any = {"properties": {"a": {}}}
    assert as_object(members) == {"type": "object", **members}
    assert as_object({**ref("x"), "description": "d", "$defs": {"x": members}}) == {
        "type": "object",
        "description": "d",
        "$defs": {"x": members},
        **members,
    }
    for other in (
        {"type": "array"},
        {"type": "object"},
        {"anyOf": [members]},
        ref("x"),
        {"$defs": {"x": ref("x")}, **ref("x")},
    ):
        assert as_object(other) is None


@pytest.mark.parametrize("reference", ["https://example.com/a", "#a", "a", "", "#/x", "#/$defs/a/99999999", 5, None])
def test_a_reference_to_nothing(reference: Any) -> None:
    assert target_of({"$defs": {"a": [1]}}, reference) is None


def branches(depth: int, width: int) -> Any:
    chain = {f"d{i}": {"anyOf": [ref(f"d{i + 1}")] * width} for i in range(depth)}
    return {**node("x", x=ref("d0")), "$defs": {**chain, f"d{depth}": {"type": "string"}}}


def members(depth: int) -> Any:
    chain: Any = {f"d{i}": node("a", "b", a=ref(f"d{i + 1}"), b=ref(f"d{i + 1}")) for i in range(depth)}
    return {**node("x", x=ref("d0")), "$defs": {**chain, f"d{depth}": {"type": "string"}}}


def alternatives(count: int) -> Any:
    def one(letter: str) -> Any:
        return node("k", k={"anyOf": [{"type": "string", "enum": [f"{letter}{i}"]} for i in range(count)]})

    return {"oneOf": [one("a"), one("b")]}


def nested(depth: int, bulk: int) -> Any:
    """Many references, each to a schema that holds all the others."""
    inner: Any = node(
        *(f"r{i}" for i in range(bulk)), **{f"r{i}": {"$ref": "#" + "/properties/a" * (i % depth)} for i in range(bulk)}
    )
    for _ in range(depth):
        inner = node("a", a=inner)
    return inner


@pytest.mark.parametrize(
    "schema",
    [
        branches(30, 2),
        branches(10, 2),
        branches(9, 9),
        members(10),
        members(30),
        alternatives(3_000),
        nested(60, 3_000),
    ],
    ids=["branches", "few-branches", "wide-branches", "members", "more-members", "alternatives", "nested"],
)
def test_no_schema_takes_long(schema: Any) -> None:
    began = time.process_time()
    typed(schema)
    readable(schema)
    assert time.process_time() - began < 1  # where each reference is followed, it is minutes


words = st.sampled_from(
    ["$ref", "$defs", "properties", "required", "items", "anyOf", "allOf", "const", "enum", "type", "a"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["#", "#/$defs/a", "#/properties/a", "object", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(words, values, max_size=5))
def test_anything_is_read_without_an_error(schema: dict[str, Any]) -> None:
    before = deepcopy(schema)
    found = readable(schema)
    assert readable(found) == found
    assert schema == before
    as_object(found)
