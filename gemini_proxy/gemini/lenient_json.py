"""JSON as Google and clients were seen to write it: what no strict reader takes and still can mean one thing only."""

import json
import re
from decimal import Decimal
from typing import Any

from pydantic_core import from_json

DEPTH = 200  # as deep as the strict reader goes, and not deeper than what is written for the client can be
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|-?\d[\d.eE+-]*', re.DOTALL)  # `"?`: an open text is looked through once
_LONG_NUMBER = re.compile(r"\d[\d.]{15}|\d[eE][+-]?\d")


def json_in(text: bytes) -> Any:
    """What a JSON text of Google's says, read leniently where it has to be. Raises ValueError."""
    try:
        return from_json(text)
    except ValueError:
        return damaged_json_in(text)


def damaged_json_in(text: bytes) -> Any:
    """What a JSON text says: bytes that are no UTF-8 and halves of surrogate pairs are U+FFFD, control characters stay.

    Raises ValueError.
    """
    return _read(text.decode("utf-8", "replace"))


def json_from(text: bytes | str) -> Any:
    """What a JSON text of a client's says. Half an emoji, as clients make that cut texts by length, becomes U+FFFD; a
    line break inside a string, as models write them, is one.

    Raises ValueError, with the strict reader's words and place.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        try:
            return _read(text if isinstance(text, str) else text.decode(), _refuse)
        except ValueError:
            raise error from None


def with_long_numbers_as_text(text: str) -> str:
    """A JSON text in which numbers that Google would not keep are strings: it keeps each as a double, in which
    9007199254740993 is 9007199254740992, and 1e400 nothing at all."""
    return _TOKENS.sub(lambda found: _kept(found[0]), text) if _LONG_NUMBER.search(text) else text


def _kept(token: str) -> str:
    if token[0] == '"':
        return token
    try:
        return token if Decimal(repr(float(token))) == Decimal(token) else f'"{token}"'
    except (ValueError, ArithmeticError):  # no number: a reader of JSON will say so
        return token


def _read(text: str, constant: Any = None) -> Any:
    """`constant` makes something of NaN and Infinity, which are Python's idea of JSON."""
    try:
        return _whole(json.loads(text, strict=False, parse_constant=constant), DEPTH)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(word: str) -> None:
    raise ValueError(word)


def _whole(value: Any, depth: int) -> Any:
    """The value with no half of a surrogate pair in it."""
    if isinstance(value, str):
        return _HALF_A_PAIR.sub("\ufffd", value)
    if not isinstance(value, list | dict):
        return value
    if not depth:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [_whole(item, depth - 1) for item in value]
    return {_whole(name, depth): _whole(item, depth - 1) for name, item in value.items()}
