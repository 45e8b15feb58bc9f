"""JSON Schema as the judge of what a model has written: bounded in work, and nothing is ever fetched."""

import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from referencing import Registry

Json = dict[str, Any]

MAX_STEPS = 50_000  # of one check: about half a second
# Keywords inside keywords: at Python's own limit the library's compiled part panics with what is no Exception.
MAX_LEVEL = 100
MAX_TEXT = 500_000  # characters of a text that is checked; longer than any answer can be


def check(text: str, schema: object) -> str:
    """Whether a JSON text is what the schema asks for: "", or one sentence that says where it is not.

    A schema that is none, or that is too much work, blames nobody. The sentence holds no value of the text.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return f"The answer is not valid JSON ({getattr(error, 'msg', 'a number or a depth out of bounds')})."
    if len(text) > MAX_TEXT or not isinstance(schema, dict | bool):
        return ""
    _work.set(_Work())
    try:
        plain = json.loads(json.dumps(schema), object_hook=_without_dialect)
        found = best_match(_JUDGE(plain, registry=Registry()).iter_errors(value))  # an empty registry fetches nothing
    except Exception:  # whatever a broken schema makes of the library: an unknown type, a wrong value, too much work
        return ""
    return f"The answer does not match the schema: {_broken_rule(found)}." if found else ""


class _TooMuch(Exception):
    """A check of more work than anybody should wait for."""


@dataclass
class _Work:
    steps: int = 0
    level: int = 0

    def add(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS or self.level > MAX_LEVEL:
            raise _TooMuch


_work: ContextVar[_Work] = ContextVar("work")
Rule = Callable[[Any, Any, Any, Any], Any]


def _counted(rule: Rule, cost: int) -> Rule:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        work = _work.get()
        work.level += 1
        try:
            work.add(cost)
            for error in rule(validator, value, instance, schema) or ():
                work.add(len(error.message) // 300)  # it quotes the value, and every branch of a choice does
                yield error
        finally:
            work.level -= 1

    return counted


def _additional(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if "patternProperties" not in schema:
        yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, value, instance, schema)


def _unique(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The library compares each with each."""
    items = (
        [json.dumps(item, sort_keys=True) for item in instance] if isinstance(instance, list) and value is True else []
    )
    if len(set(items)) < len(items):
        yield ValidationError("not unique")


def _skipped(validator: Any, value: Any, instance: Any, schema: Any) -> tuple[()]:
    return ()


# Patterns are not judged: they are ECMA's, which Python reads otherwise, and one can keep it busy for ever.
_RULES: dict[str, Rule] = {
    **Draft202012Validator.VALIDATORS,
    **dict.fromkeys(("pattern", "patternProperties", "unevaluatedProperties"), _skipped),
    "additionalProperties": _additional,
    "uniqueItems": _unique,
}
_JUDGE = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {name: _counted(rule, 5 if name == "$ref" else 1) for name, rule in _RULES.items()}
)


def _without_dialect(schema: Json) -> Json:
    """Without `$schema`, at which the library would change to other rules than ours."""
    return {name: value for name, value in schema.items() if name != "$schema" or not isinstance(value, str)}


def _broken_rule(error: ValidationError) -> str:
    if error.validator == "required":
        return f"{error.json_path[:200]}: {error.message[:200]}"
    wanted = json.dumps(error.validator_value)
    return f"{error.json_path[:200]} breaks {error.validator} {wanted if len(wanted) < 100 else ''}".strip()


def _refuse(word: str) -> float:
    raise ValueError(word)  # NaN and Infinity are Python's idea of JSON
