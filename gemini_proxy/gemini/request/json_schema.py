"""JSON Schema as Gemini reads it in `parametersJsonSchema` and `responseJsonSchema`.

It knows a part of the language. What it does not know it ignores, which changes the meaning, or refuses, which costs
the whole request; much of that can be said in words that it knows. Of its rules these matter here: `const` is ignored;
an `enum` counts only with a `type`; beside `$ref` stand `description`, `default` and what begins with `$`, or it is a
400; definitions are found under `$defs`; a reference that leads back to a schema around it has to stand below a
property that is not required.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]

MAX_DEPTH = 100  # schemas inside schemas; what lies deeper stays as it is
MAX_STEPS = 50_000  # of the search for cycles; a schema of more places stays as it is
SCHEMA = {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
SCHEMAS = {"anyOf", "oneOf", "allOf", "prefixItems", "items"}
NAMED_SCHEMAS = {"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"}
BESIDE_REF = ("description", "default")
TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
TYPES |= {list: "array", dict: "object"}


def readable(schema: Json) -> Json:
    """The schema in the words that Gemini knows, as far as there are any; what is given stays as it was."""
    renames = isinstance(schema.get("definitions"), dict) and "$defs" not in schema
    found: Json = _node(schema, renames, 0)
    if renames:
        found["$defs"] = found.pop("definitions")
    _break_cycles(found)
    return found


def as_object(schema: Json) -> Json | None:
    """The schema with the type of an object at its root, as the arguments of a function have to be. None for one that
    is not an object or has no members."""
    if "$ref" in schema:
        target = target_of(schema, schema["$ref"])
        rest = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**rest, **target} if isinstance(target, dict) else rest
    is_one = schema.get("type", "object") == "object" and "$ref" not in schema
    return {**schema, "type": "object"} if is_one and schema.get("properties") else None


def target_of(root: object, reference: object) -> object:
    """What a reference inside the document means, None where there is nothing. Nothing is ever fetched."""
    document, *steps = reference.split("/") if isinstance(reference, str) else [""]
    if document != "#":
        return None
    found = root
    for step in steps:
        name: Any = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isascii() and name.isdecimal():
            name = int(name[:6])
        try:
            found = found[name]  # type: ignore[index]
        except (LookupError, TypeError):
            return None
    return found


def _node(given: Any, renames: bool, depth: int) -> Any:
    if not isinstance(given, dict) or depth > MAX_DEPTH:
        return given
    schema = {name: _inner(name, value, renames, depth + 1) for name, value in given.items()}
    schema = _without_lone_all_of(schema)
    if isinstance(reference := schema.get("$ref"), str):
        schema = {
            k: v for k, v in schema.items() if k[:1] == "$" or k in BESIDE_REF or (renames and k == "definitions")
        }
        if renames and reference.startswith("#/definitions/"):
            schema["$ref"] = f"#/$defs/{reference.removeprefix('#/definitions/')}"
        return schema
    return _with_typed_values(schema)


def _inner(name: str, value: Any, renames: bool, depth: int) -> Any:
    if name in NAMED_SCHEMAS and isinstance(value, dict):
        return {key: _node(inner, renames, depth) for key, inner in value.items()}
    if name in SCHEMAS and isinstance(value, list):
        return [_node(inner, renames, depth) for inner in value]
    return _node(value, renames, depth) if name in SCHEMA else value


def _without_lone_all_of(schema: Json) -> Json:
    """Older generators write a described reference as an allOf of one, which Gemini does not know."""
    parts = schema.get("allOf")
    if not isinstance(parts, list) or len(parts) != 1 or not isinstance(parts[0], dict):
        return schema
    rest = {name: value for name, value in schema.items() if name != "allOf"}
    conflict = rest.keys() & parts[0].keys() - {"title", *BESIDE_REF}
    return schema if conflict else {**parts[0], **rest}


def _with_typed_values(schema: Json) -> Json:
    if "const" in schema and "enum" not in schema:
        value = schema.pop("const")
        if isinstance(value, str | int | float) and not isinstance(value, bool):  # enums of other kinds are refused
            schema["enum"] = [value]
        schema.setdefault("type", TYPES.get(type(value), "string"))
    elif isinstance(values := schema.get("enum"), list) and values and "type" not in schema:
        kinds = list(dict.fromkeys(TYPES.get(type(value), "string") for value in values))
        schema["type"] = kinds[0] if len(kinds) == 1 else kinds
    return schema


def _break_cycles(root: Json) -> None:
    """Takes the property that closes a cycle out of `required`: an answer without it is complained about later, while
    with it Gemini refuses the request."""
    steps = 0
    optional: dict[int, tuple[Json, set[str]]] = {}  # schemas, and their properties that close a cycle
    open_: set[int] = {id(root)}  # the schemas from the root to here
    seen: set[int] = {id(root)}
    path = [(root, _references(root))]
    while path:
        schema, references = path[-1]
        found = next(references, None)
        if found is None:
            open_.discard(id(schema))
            path.pop()
            continue
        reference, owner, name = found
        steps += 1 + reference.count("/")
        target = target_of(root, reference) if reference else None
        if steps > MAX_STEPS:
            return
        if not isinstance(target, dict):
            continue
        if id(target) in open_ and owner is not None:
            optional.setdefault(id(owner), (owner, set()))[1].add(name)
        elif id(target) not in seen:
            seen.add(id(target))
            open_.add(id(target))
            path.append((target, _references(target)))
    for schema, names in optional.values():
        schema["required"] = [name for name in schema["required"] if name not in names]
        if not schema["required"]:
            del schema["required"]


def _references(schema: Json) -> Iterator[tuple[str, Json | None, str]]:
    """Each reference in a schema that no optional property stands above, with the required property nearest above it
    and the schema of that; other places come with an empty reference, to be counted."""
    places: list[tuple[Any, Json | None, str]] = [(schema, None, "")]
    while places:
        here, owner, name = places.pop()
        if not isinstance(here, dict):
            continue
        yield str(here.get("$ref") or ""), owner, name
        for keyword, value in here.items():
            if keyword == "properties" and isinstance(value, dict):
                required = here.get("required")
                wanted = {key for key in required if isinstance(key, str)} if isinstance(required, list) else set()
                places += [(inner, here, key) for key, inner in value.items() if key in wanted]
            elif keyword in SCHEMAS and isinstance(value, list):
                places += [(inner, owner, name) for inner in value]
            elif keyword in SCHEMA:
                places.append((value, owner, name))
