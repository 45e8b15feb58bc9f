"""JSON Schema for structured output as Gemini's typed Schema.

Code Assist enforces responseSchema and was seen to ignore responseJsonSchema without a word, so the typed form is
worth some work, but only where it says the same. The measure is draft 2020-12: a keyword that the
draft does not know asserts nothing, and goes. Typed objects have no members but those that are named: that is what
`additionalProperties: false` says, and where more are allowed only members get lost that nobody has named.
"""

import sys
from collections.abc import Callable
from itertools import combinations
from typing import Any

from gemini_proxy.gemini.request.json_schema import target_of

Json = dict[str, Any]

MAX_SIZE = 200_000  # entries and characters of the typed form: references can make a large schema of a small one
MAX_DEPTH = 64
MAX_CHOICES = 64  # of oneOf, compared each with each

ANNOTATIONS = ("title", "description", "default", "example")
# They may stand beside a reference or a choice without adding a condition to it.
NEUTRAL = {*ANNOTATIONS, "examples", "deprecated", "readOnly", "writeOnly", "discriminator"} | {
    *("$schema", "$id", "$comment", "$defs", "definitions")
}
LOSSES = (  # what has no typed form
    *("if", "then", "else", "not", "patternProperties", "propertyNames", "prefixItems", "additionalItems", "contains"),
    *("minContains", "maxContains", "uniqueItems", "multipleOf", "dependentRequired", "dependentSchemas"),
    *("dependencies", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$recursiveRef", "$anchor"),
)
FORMATS = {"string": ("date-time",), "number": ("float", "double"), "integer": ("int32", "int64")}
HINTS = {"properties": "object", "required": "object", "items": "array"}  # the type of a schema that does not say it


class _Loss(Exception):
    """The typed Schema cannot say this, or this is no schema."""


def typed(schema: object) -> Json | None:
    """The typed Schema that means the same, None where there is none. Never raises, never takes long."""
    try:
        return _Converter(schema).node(schema)
    except _Loss:
        return None


class _Converter:
    """Keeps the root, for references, and what bounds the work: each schema is converted once, however often it is
    referred to, and its size counts each time."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._size = 0
        self._open: list[int] = []  # the nodes from the root to here
        self._known: dict[int, tuple[Json, int]] = {}  # nodes that are done, and their sizes

    def node(self, given: object) -> Json:
        schema = _object(given)
        found, size = self._known.get(id(schema)) or (None, 0)
        self._spend(size)
        if found is not None:
            return found
        before = self._size
        self._spend(10 + sum(len(value) for value in schema.values() if isinstance(value, str | list | dict)))
        _must(len(self._open) < MAX_DEPTH and id(schema) not in self._open)
        _must(all(schema.get(keyword) in (None, False) for keyword in LOSSES))
        self._open.append(id(schema))
        found = self._form(schema)
        self._open.pop()
        self._known[id(schema)] = found, self._size - before
        return found

    def _spend(self, size: int) -> None:
        self._size += size
        _must(self._size <= MAX_SIZE)

    def _form(self, schema: Json) -> Json:
        for keyword in ("$ref", "allOf", "oneOf", "anyOf"):
            if keyword in schema:
                beside = {name: value for name, value in schema.items() if name != keyword}
                _must(beside.keys() <= NEUTRAL)
                if keyword in ("oneOf", "anyOf"):
                    return self._choice(_list(schema[keyword]), keyword == "oneOf", beside)
                target = self._target(schema["$ref"]) if keyword == "$ref" else _only(schema["allOf"])
                return self._union(beside, [self.node(target)], null=False)
        if "const" in schema:
            _must("enum" not in schema)
            return self._form({**{k: v for k, v in schema.items() if k != "const"}, "enum": [schema["const"]]})
        return self._simple(schema)

    def _target(self, reference: object) -> object:
        found = target_of(self._root, reference)
        _must(found is not None)
        return found

    def _choice(self, given: list[Any], one: bool, beside: Json) -> Json:
        """anyOf; oneOf means the same where no value can be of two branches."""
        branches = [self.node(branch) for branch in given if not _is_null(branch)]
        nulls = len(given) - len(branches)
        if one:
            _must(len(branches) <= MAX_CHOICES and all(self._disjoint(a, b) for a, b in combinations(branches, 2)))
            _must(nulls + sum("nullable" in _flat(branch)[0] for branch in branches) <= 1)
        return self._union(beside, branches, null=nulls > 0)

    def _simple(self, schema: Json) -> Json:
        """A schema with a type, or several."""
        kind = schema.get("type", _implied_type(schema))
        if isinstance(kind, list):
            _must(len(kind) <= 7)  # so many types are there
            null = "null" in kind and ("enum" not in schema or None in _list(schema["enum"]))
            branches = [self._simple({**schema, "type": word}) for word in map(_text, kind) if word != "null"]
            return self._union({}, branches, null)
        kind = _text(kind).lower()
        _must(kind in KEYWORDS and (kind == "string" or "enum" not in schema))  # the typed enum has strings only
        _must(kind != "number" or not schema.keys() & {"exclusiveMinimum", "exclusiveMaximum"})
        found = {"type": kind.upper(), **_notes(schema, kind)}
        found |= {name: read(schema[name]) for name, read in KEYWORDS[kind].items() if name in schema}
        found |= {"integer": _limits, "array": self._items, "object": self._members}.get(kind, _nothing)(schema)
        return found | {"nullable": True} if schema.get("nullable") is True else found

    def _items(self, schema: Json) -> Json:
        return {"items": self.node(schema.get("items"))}  # Google refuses an array without

    def _members(self, schema: Json) -> Json:
        """With their order: without one Gemini goes by the alphabet. Names are names, whatever they spell."""
        properties = _object(schema.get("properties"))
        required = list(dict.fromkeys(map(_text, _list(schema.get("required", [])))))
        _must(bool(properties) and properties.keys() >= set(required))
        _must(schema.get("additionalProperties", True) in (True, False, {}))
        found: Json = {"properties": {name: self.node(inner) for name, inner in properties.items()}}
        found["propertyOrdering"] = list(properties)
        return found | ({"required": required} if required else {})

    def _union(self, beside: Json, branches: list[Json], null: bool) -> Json:
        """One branch, or anyOf and nothing else: beside it Google takes no other field, so all goes into the branches."""
        flat = [choice | {"nullable": True} if null else choice for branch in branches for choice in _flat(branch)]
        self._spend(10 * len(flat))
        notes = _notes(beside, "")
        _must(bool(flat))
        if len(flat) == 1:
            return flat[0] | notes
        return {"anyOf": [{name: notes[name] for name in notes if name == "description"} | choice for choice in flat]}

    def _disjoint(self, a: Json, b: Json) -> bool:
        if "anyOf" in a or "anyOf" in b:
            return all(self._disjoint(x, y) for x in _flat(a) for y in _flat(b))
        self._spend(10 + len(a.get("enum", ())) + len(b.get("enum", ())))
        if a["type"] != b["type"]:
            return {a["type"], b["type"]} != {"INTEGER", "NUMBER"}
        if "enum" in a and "enum" in b:
            return set(a["enum"]).isdisjoint(b["enum"])
        both = set(a.get("required", ())).intersection(b.get("required", ()))  # a discriminator, say
        return any(self._disjoint(a["properties"][name], b["properties"][name]) for name in both)


def _flat(branch: Json) -> list[Json]:
    choices: list[Json] = branch.get("anyOf", [branch])
    return choices


def _notes(schema: Json, kind: str) -> Json:
    """What is said about values. A format that Gemini does not know asserts nothing; the model may read of it."""
    found = {name: schema[name] for name in ANNOTATIONS if name in schema}
    _must(all(isinstance(found.get(name, ""), str) for name in ("title", "description")))
    if isinstance(word := schema.get("format"), str) and kind in FORMATS:
        if word in FORMATS[kind]:
            found["format"] = word
        elif kind == "string":
            found["description"] = f"{found.get('description', '')} (format: {word})".strip()
    return found


def _implied_type(schema: Json) -> Any:
    if "enum" in schema:
        return ["string", "null"]
    return next((kind for hint, kind in HINTS.items() if hint in schema), None)


def _is_null(branch: object) -> bool:
    if not isinstance(branch, dict):
        return False
    return branch.get("type") in ("null", ["null"]) or branch.get("const", 0) is None or branch.get("enum") == [None]


def _limits(schema: Json) -> Json:
    """Of whole numbers: exclusive limits are others, one further in."""
    found: Json = {}
    if "exclusiveMinimum" in schema:
        found["minimum"] = max(_whole(schema["exclusiveMinimum"]) + 1, _number(schema.get("minimum", -sys.maxsize)))
    if "exclusiveMaximum" in schema:
        found["maximum"] = min(_whole(schema["exclusiveMaximum"]) - 1, _number(schema.get("maximum", sys.maxsize)))
    return found


def _nothing(schema: Json) -> Json:
    return {}


def _must(condition: bool) -> None:
    if not condition:
        raise _Loss


def _object(value: Any) -> Json:
    _must(isinstance(value, dict))
    return value  # type: ignore[no-any-return]


def _list(value: Any) -> list[Any]:
    _must(isinstance(value, list))
    return value  # type: ignore[no-any-return]


def _text(value: Any) -> str:
    _must(isinstance(value, str))
    return value  # type: ignore[no-any-return]


def _only(value: Any) -> Any:
    """Older generators write a described reference as an allOf of one; of two no typed form is known."""
    _must(len(_list(value)) == 1)
    return value[0]


def _number(value: Any) -> Any:
    _must(isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max)
    return value


def _whole(value: Any) -> int:
    number = int(_number(value))
    _must(number == value)
    return number


def _count(value: Any) -> int:
    _must(0 <= _whole(value) < 2**63)
    return int(value)


def _words(value: Any) -> list[str]:
    words = list(dict.fromkeys(_text(word) for word in _list(value) if word is not None))
    _must(bool(words) and "" not in words)  # Google refuses the empty string
    return words


_RANGE: dict[str, Callable[[Any], Any]] = {"minimum": _number, "maximum": _number}
# What each type takes, and how its value is read. With another type JSON Schema gives a keyword no meaning.
KEYWORDS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "string": {"enum": _words, "minLength": _count, "maxLength": _count, "pattern": _text},
    "number": _RANGE,
    "integer": _RANGE,
    "boolean": {},
    "array": {"minItems": _count, "maxItems": _count},
    "object": {"minProperties": _count, "maxProperties": _count},
}
