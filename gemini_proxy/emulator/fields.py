"""Reads JSON as the messages of v1internal, as strict as Google's reader about names and types.

Both lowerCamelCase and snake_case are read, and lowerCamelCase is handed on (docs/protocol.md, P-304).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from gemini_proxy.emulator.errors import invalid, invalid_payload
from gemini_proxy.emulator.messages import Request
from gemini_proxy.emulator.protos import ENUMS, MESSAGES, ONE_OF, TYPE_URL

# Query parameters every Google API has; another name is refused as if it were a field.
SYSTEM_PARAMS = ("alt", "$alt", "prettyPrint", "fields", "quotaUser")


def check_params(request: Request, *more: str) -> None:
    for name in request.params:
        if name not in (*SYSTEM_PARAMS, *more):
            text = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
            raise invalid_payload([("", f"{text}Field '{name}' could not be found in request message.")])


def read_request(message: str, request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if request.body and kind != "application/json":
        # A form type makes Google read the body as a form and not find the fields; own words.
        raise invalid(f"Invalid content type '{kind}': application/json is expected.")
    return read(message, request.body)


def read(message: str, body: bytes) -> dict[str, Any]:
    """The body as a message with lowerCamelCase names, or GoogleError with every fault in it."""
    try:
        value = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise invalid_payload([("", "Invalid JSON payload received. Unexpected token.")]) from None
    reader = Reader()
    if not isinstance(value, dict):
        raise invalid_payload([("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')])
    result = reader.message(message, value, "")
    if reader.violations:
        raise invalid_payload(reader.violations)
    return result


def _refuse_constant(word: str) -> float:
    raise ValueError(word)  # NaN and Infinity are Python's idea of JSON, not Google's


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)


@cache
def names_of(message: str) -> dict[str, str]:
    """Every accepted spelling -> the lowerCamelCase name."""
    return {spelling: name for name in MESSAGES[message] for spelling in (name, snake(name))}


class Reader:
    """Walks a JSON value beside the table and notes what does not fit; paths are printed as Google prints them."""

    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []

    def message(self, message: str, value: dict[str, Any], path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for spelling, item in value.items():
            name = names_of(message).get(spelling)
            if name is None:
                self._unknown(spelling, path)
            elif item is not None:  # null means "not given" in proto JSON
                result[name] = self._field(MESSAGES[message][name], item, path, name)
        self._one_of(message, result, path)
        return result

    def _field(self, kind: str, value: Any, path: str, name: str) -> Any:
        at = f"{path}.{snake(name)}" if path else snake(name)
        if kind.startswith("[]"):
            # Google also takes a lone object for a list; nothing that is tested here should lean on that.
            if not isinstance(value, list):
                return self._wrong(kind[2:], value, at)
            return [self._value(kind[2:], item, f"{at}[{i}]") for i, item in enumerate(value)]
        if kind.startswith("{}"):
            return self._map(kind[2:], value, at)
        if isinstance(value, list) and kind != "Value":
            return self._say(
                path,
                f'Invalid JSON payload received. Unknown name "{name}"{_at(path)}: '
                "Proto field is not repeating, cannot start list.",
            )
        return self._value(kind, value, at)

    def _map(self, kind: str, value: Any, at: str) -> Any:
        if not isinstance(value, dict):
            return self._wrong("Struct", value, at)
        return {key: self._value(kind, item, f"{at}[{i}].value") for i, (key, item) in enumerate(value.items())}

    def _value(self, kind: str, value: Any, at: str) -> Any:
        if kind in MESSAGES:
            return self.message(kind, value, at) if isinstance(value, dict) else self._wrong(kind, value, at)
        if kind == "Type" and isinstance(value, str):
            value = value.upper()  # of all enums this one is read in lower case too
        if kind in ENUMS:
            return value if isinstance(value, str) and value in ENUMS[kind] else self._wrong(kind, value, at)
        if kind == "bytes":
            return self._bytes(value, at)
        return value if SCALARS[kind](value) else self._wrong(kind, value, at)

    def _bytes(self, value: Any, at: str) -> Any:
        if not isinstance(value, str):
            return self._wrong("bytes", value, at)
        if decoded(value) is None:
            shown = value if len(value) < 60 else value[:60] + "…"
            text = f"Invalid value at '{at}' (TYPE_BYTES), Base64 decoding failed for {json.dumps(shown)}"
            return self._say(at, text)
        return value

    def _one_of(self, message: str, result: dict[str, Any], path: str) -> None:
        given = [name for name in ONE_OF.get(message, ()) if name in result]
        for name in given[1:]:
            text = f"oneof field 'data' is already set. Cannot set '{name}'"
            self._say(path, f"Invalid value at '{path}' (oneof), {text}")

    def _unknown(self, name: str, path: str) -> None:
        self._say(path, f'Invalid JSON payload received. Unknown name "{name}"{_at(path)}: Cannot find field.')

    def _wrong(self, kind: str, value: Any, at: str) -> None:
        label = f"TYPE_{kind.upper()}" if kind in SCALARS or kind == "bytes" else TYPE_URL + kind
        shown = json.dumps(value, ensure_ascii=False)
        self._say(at, f"Invalid value at '{at}' ({label}), {shown[:80]}")

    def _say(self, at: str, text: str) -> None:
        self.violations.append((at, text))


def _at(path: str) -> str:
    return f" at '{path}'" if path else ""


def _is_int(value: Any, bits: int) -> bool:
    if not _is_float(value) or value != int(value):
        return False
    return bool(-(2 ** (bits - 1)) <= value < 2 ** (bits - 1))


def _is_int64(value: Any) -> bool:
    """proto JSON writes int64 as strings (docs/protocol.md, P-304), so a string of digits is right too."""
    return bool(re.fullmatch(r"-?\d{1,19}", value)) if isinstance(value, str) else _is_int(value, 64)


def _is_float(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


SCALARS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int32": lambda value: _is_int(value, 32),
    "int64": _is_int64,
    "float": _is_float,
    "Struct": lambda value: isinstance(value, dict),
    "Value": lambda value: True,
}


def decoded(text: str) -> bytes | None:
    """Bytes of standard or URL-safe base64, padded or not, as proto JSON reads them; None if it is neither."""
    plain = text.translate({ord("-"): "+", ord("_"): "/"})
    try:
        return base64.b64decode(plain.rstrip("=") + "=" * (-len(plain.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def parts_of(contents: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a conversation with its place in Google's spelling."""
    for i, content in enumerate(contents):
        for j, part in enumerate(content.get("parts", [])):
            yield f"contents[{i}].parts[{j}]", part
