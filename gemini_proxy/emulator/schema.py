"""A sample value that is valid for a JSON schema or a typed Schema: what "structured output" answers."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
SOFT_DEPTH = 4  # below this only what is required
HARD_DEPTH = 40  # a schema that requires itself has no finite value
FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1M",
    "email": "user@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: Any) -> Any:
    return Sampler(schema).value(schema, 0)


class Sampler:
    """Keeps the root, for `$ref`."""

    def __init__(self, root: Any) -> None:
        self.root = root

    def value(self, schema: Any, depth: int, name: str = "") -> Any:
        if not isinstance(schema, dict) or depth > HARD_DEPTH:
            return None if depth > HARD_DEPTH else f"sample {name}".strip()
        if "$ref" in schema:
            return self.value({**self._target(schema["$ref"]), **_without(schema, "$ref")}, depth + 1, name)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if "allOf" in schema:
            return self.value(self._merged(schema), depth, name)
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self._choice(schema, key, depth, name)
        return self._typed(schema, depth, name)

    def _typed(self, schema: Json, depth: int, name: str) -> Any:
        kind = self._type(schema, depth)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind in ("integer", "number"):
            return _number(schema, kind)
        if kind == "boolean":
            return True
        return None if kind == "null" else _string(schema, name)

    def _target(self, ref: str) -> Json:
        """Where a local reference points; `#` alone is the root."""
        node = self.root
        for step in ref.lstrip("#").strip("/").split("/") if ref not in ("#", "#/") else []:
            step = step.replace("~1", "/").replace("~0", "~")
            node = node.get(step, {}) if isinstance(node, dict) else {}
        return node if isinstance(node, dict) else {}

    def _merged(self, schema: Json) -> Json:
        merged = _without(schema, "allOf")
        for part in schema["allOf"]:
            if "$ref" in part:
                part = {**self._target(part["$ref"]), **_without(part, "$ref")}
            if "allOf" in part:
                part = self._merged(part)
            required = [*merged.get("required", []), *part.get("required", [])]
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            merged = {**merged, **part, "required": required, "properties": properties}
        return merged

    def _choice(self, schema: Json, key: str, depth: int, name: str) -> Any:
        """The first branch; deep down the one that ends soonest."""
        branches = [{**_without(schema, key), **branch} for branch in schema[key] if isinstance(branch, dict)]
        if depth > SOFT_DEPTH:
            branches.sort(key=lambda branch: _weight(branch))
        else:
            branches.sort(key=lambda branch: _kinds(branch) == ["null"])
        return self.value(branches[0], depth + 1, name) if branches else None

    def _type(self, schema: Json, depth: int) -> str:
        kinds = _kinds(schema)
        if depth > SOFT_DEPTH and ("null" in kinds or schema.get("nullable")):
            return "null"
        return next((kind for kind in kinds if kind != "null"), kinds[0] if kinds else "string")

    def _object(self, schema: Json, depth: int) -> Json:
        properties: Json = schema.get("properties", {})
        required = schema.get("required", [])
        order = [n for n in schema.get("propertyOrdering", []) if n in properties]
        names = [*order, *(n for n in properties if n not in order), *(n for n in required if n not in properties)]
        result = {
            n: self.value(properties.get(n, {}), depth + 1, n) for n in names if n in required or depth < SOFT_DEPTH
        }
        extra = schema.get("additionalProperties")
        least = int(schema.get("minProperties", 0)) or (1 if isinstance(extra, dict) and not properties else 0)
        while len(result) < least:
            result[f"key_{len(result) + 1}"] = self.value(extra, depth + 1, "value")
        return result

    def _array(self, schema: Json, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems", [])
        items = schema.get("items", {})
        least = int(schema.get("minItems", 0))
        count = max(least, len(fixed), 1 if depth < SOFT_DEPTH and items is not False else 0)
        count = min(count, int(schema.get("maxItems", count)))
        values = [
            self.value(fixed[i] if i < len(fixed) else items, depth + 1, f"item {i + 1}" if i else "item")
            for i in range(count)
        ]
        return _all_different(values) if schema.get("uniqueItems") else values


def _without(schema: Json, key: str) -> Json:
    return {name: value for name, value in schema.items() if name != key}


def _kinds(schema: Json) -> list[str]:
    """Type words in lower case: the typed Schema writes them in upper case."""
    given = schema.get("type")
    if given is None:
        hints = (("properties", "object"), ("items", "array"), ("prefixItems", "array"), ("minimum", "number"))
        return [kind for key, kind in hints if key in schema] or []
    return [str(kind).lower() for kind in (given if isinstance(given, list) else [given])]


def _weight(branch: Json) -> int:
    if "$ref" in branch:
        return 3
    return {"object": 2, "array": 1}.get((_kinds(branch) or [""])[0], 0)


def _string(schema: Json, name: str) -> str:
    text = FORMATS.get(str(schema.get("format", "")), f"sample {name}".strip())
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    text = text.ljust(least, "x")
    return text if most is None else text[: int(most)]


def _number(schema: Json, kind: str) -> float | int:
    low, high = schema.get("minimum"), schema.get("maximum")
    if not isinstance(low, int | float) and isinstance(schema.get("exclusiveMinimum"), int | float):
        low = schema["exclusiveMinimum"] + (1 if kind == "integer" else 0.5)
    if not isinstance(high, int | float) and isinstance(schema.get("exclusiveMaximum"), int | float):
        high = schema["exclusiveMaximum"] - (1 if kind == "integer" else 0.5)
    value = 1 if kind == "integer" else 1.5
    value = value if low is None else max(value, low)
    value = value if high is None else min(value, high)
    step = schema.get("multipleOf")
    return value if not step else -(-value // step) * step


def _all_different(values: list[Any]) -> list[Any]:
    """Numbers go up, texts get a number; other duplicates are left as they are."""
    seen: list[Any] = []
    for i, value in enumerate(values):
        while value in seen and isinstance(value, int | float | str) and not isinstance(value, bool):
            value = f"{value} {i + 1}" if isinstance(value, str) else value + 1
        seen.append(value)
    return seen
