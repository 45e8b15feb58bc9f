"""Rules of tools, their configuration and the two kinds of schema."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from gemini_proxy.emulator.errors import invalid
from gemini_proxy.emulator.models import Family

Json = dict[str, Any]
FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
CALLING_MODES = ("ANY", "VALIDATED")


def declarations_in(request: Json) -> list[Json]:
    return [declared for tool in request.get("tools", []) for declared in tool.get("functionDeclarations", [])]


def has_tool(request: Json, name: str) -> bool:
    return any(name in tool for tool in request.get("tools", []))


def check_tools(request: Json, family: Family) -> None:
    for i, tool in enumerate(request.get("tools", [])):
        for j, declared in enumerate(tool.get("functionDeclarations", [])):
            _declaration(declared, f"tools[{i}].function_declarations[{j}]")
    names = [declared["name"] for declared in declarations_in(request)]
    for name, count in Counter(names).items():
        if count > 1:
            raise invalid(f"Duplicate function declaration found: {name}")
    _mixture(request, family)
    _calling(request.get("toolConfig", {}).get("functionCallingConfig", {}), names)


def _declaration(declared: Json, place: str) -> None:
    if not FUNCTION_NAME.fullmatch(declared.get("name", "")):
        raise invalid(
            f"* GenerateContentRequest.{place}.name: Invalid function name. Must start with a letter or an "
            "underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), "
            "with a maximum length of 128."
        )
    for typed, untyped in (("parameters", "parameters_json_schema"), ("response", "response_json_schema")):
        camel = f"{typed}JsonSchema"
        if typed in declared and camel in declared:
            raise invalid(f"* GenerateContentRequest.{place}: {typed} and {untyped} are mutually exclusive.")
        if camel in declared and not isinstance(declared[camel], dict):
            raise invalid(f"* GenerateContentRequest.{place}.{untyped}: must be a JSON Schema object.")  # own words
        if camel in declared:
            check_json_schema(declared[camel])
        if typed in declared:
            check_schema(declared[typed], f"{place}.{typed}")
    if declared.get("parameters", {}).get("type", "OBJECT") != "OBJECT":
        raise invalid(f"* GenerateContentRequest.{place}.parameters: schema should be of type OBJECT")


def _mixture(request: Json, family: Family) -> None:
    built_in = any(has_tool(request, name) for name in ("googleSearch", "urlContext", "codeExecution"))
    if not (built_in and declarations_in(request)):
        return
    if not family.gemini_3:
        raise invalid("Multiple tools are supported only when they are all search tools.")
    if not request.get("toolConfig", {}).get("includeServerSideToolInvocations"):
        raise invalid(
            "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."
        )


def _calling(config: Json, names: list[str]) -> None:
    mode, allowed = config.get("mode", "AUTO"), config.get("allowedFunctionNames", [])
    if mode in CALLING_MODES and not names:
        raise invalid("Function calling config is set without function_declarations.")
    if allowed and mode not in CALLING_MODES:
        raise invalid(
            "Function calling config: allowed_function_names should only be set when function calling mode is ANY."
        )
    for name in allowed:
        if name not in names:
            raise invalid(
                f"Function calling config: allowed_function_names contains {name}, "
                "which is not in function_declarations."  # own words
            )


def check_schema(schema: Json, place: str) -> None:
    """The typed subset is not only narrower than JSON Schema, it also insists on more."""
    kind = schema.get("type", "TYPE_UNSPECIFIED")
    at = f"* GenerateContentRequest.{place}"
    if kind == "TYPE_UNSPECIFIED" and "anyOf" not in schema:
        raise invalid(
            f"{at}: schema didn't specify the schema type field. When using any_of, it must be the only field set."
        )
    if kind == "ARRAY" and "items" not in schema:
        raise invalid(f"{at}.items: missing field.")
    if schema.get("enum") and kind != "STRING":
        raise invalid(f"{at}.enum: only allowed for STRING type")
    if "" in schema.get("enum", []):
        raise invalid(f"{at}.enum[{schema['enum'].index('')}]: cannot be empty")
    _defined(schema, "required", f"{at}.required")
    _defined(schema, "propertyOrdering", f"{at}.property_ordering")
    for name, inner in _inside(schema):
        check_schema(inner, f"{place}.{name}")


def check_json_schema(schema: Any) -> None:
    """Of the untyped kind little is refused: what Google does not know it ignores."""
    for node in _schemas(schema):
        beside = [name for name in node if not name.startswith("$") and name not in ("description", "default")]
        if "$ref" in node and beside:
            name = str(node["$ref"]).rpartition("/")[2]
            raise invalid(
                f"Schema.ref '{name}' was set alongside unsupported fields. If a schema node has Schema.ref set, then "
                "only description and default can be set alongside it; other fields they would be replaced by the "
                "expanded reference."
            )


def _schemas(schema: Any) -> Iterator[Json]:
    places = [schema]
    while places:
        here = places.pop()
        if isinstance(here, list):
            places += here
        elif isinstance(here, dict):
            yield here
            for keyword, value in here.items():
                if keyword in ("properties", "$defs") and isinstance(value, dict):
                    places += value.values()
                elif keyword in ("items", "anyOf", "oneOf", "prefixItems", "additionalProperties"):
                    places.append(value)


def _defined(schema: Json, field: str, at: str) -> None:
    for i, name in enumerate(schema.get(field, [])):
        if name not in schema.get("properties", {}):
            raise invalid(f"{at}[{i}]: property is not defined")


def _inside(schema: Json) -> Iterator[tuple[str, Json]]:
    yield from ((f"properties[{name}]", inner) for name, inner in schema.get("properties", {}).items())
    yield from ((f"any_of[{i}]", inner) for i, inner in enumerate(schema.get("anyOf", [])))
    if "items" in schema:
        yield "items", schema["items"]
