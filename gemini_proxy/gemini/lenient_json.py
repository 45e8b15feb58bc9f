"""JSON as Google was seen to write it: what no strict reader takes and still can mean one thing only."""

import json
import re
from typing import Any

from pydantic_core import from_json

DEPTH = 200  # as deep as the strict reader goes, and not deeper than what is written for the client can be
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def json_in(text: bytes) -> Any:
    """What a JSON text says, read leniently where it has to be. Raises ValueError."""
    try:
        return from_json(text)
    except ValueError:
        return damaged_json_in(text)


def damaged_json_in(text: bytes) -> Any:
    """What a JSON text says: bytes that are no UTF-8 and halves of surrogate pairs are U+FFFD, control characters stay.

    Raises ValueError.
    """
    try:
        return _whole(json.loads(text.decode("utf-8", "replace"), strict=False), DEPTH)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


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
