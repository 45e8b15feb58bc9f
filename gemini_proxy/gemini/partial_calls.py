"""Function calls whose arguments come in pieces, where the request asked for that (C98).

The pieces name their places by JSON path, not in the order of a JSON text, so they make one whole call here.
"""

import re
from typing import Any

from gemini_proxy.gemini.wire import FunctionCall

VALUES = ("stringValue", "numberValue", "boolValue")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


class PartialCall:
    """One call on its way; what comes after the first piece has no name."""

    def __init__(self) -> None:
        self.name = self.id = self.signature = ""
        self.args: dict[str, Any] = {}
        self._open: set[str] = set()  # paths of strings that go on

    def add(self, call: FunctionCall, signature: str) -> None:
        self.name = self.name or call.get("name") or ""
        self.id = self.id or call.get("id") or ""
        self.signature = self.signature or signature
        self.args |= call.get("args") or {}
        pieces = call.get("partialArgs")
        for piece in pieces if isinstance(pieces, list) else []:
            if isinstance(piece, dict) and isinstance(path := piece.get("jsonPath"), str):
                self._put(path, next((piece[name] for name in VALUES if name in piece), None))
                (self._open.add if piece.get("willContinue") is True else self._open.discard)(path)

    def _put(self, path: str, value: Any) -> None:
        steps = [
            int(place) if place else name or quoted or double for name, place, quoted, double in _STEP.findall(path)
        ]
        holder: Any = self.args
        for step, following in zip(steps, [*steps[1:], None], strict=False):
            if following is None:
                before = _at(holder, step)
                goes_on = path in self._open and isinstance(before, str) and isinstance(value, str)
                _set(holder, step, before + value if goes_on else value)
            elif not isinstance(inner := _at(holder, step), dict | list):
                _set(holder, step, inner := [] if isinstance(following, int) else {})
                holder = inner
            else:
                holder = inner


def _at(holder: Any, step: str | int) -> Any:
    if isinstance(holder, list):
        return holder[step] if isinstance(step, int) and step < len(holder) else None
    return holder.get(step)


def _set(holder: Any, step: str | int, value: Any) -> None:
    """Lists grow by one; a piece for a place further on has no meaning and is left out."""
    if isinstance(holder, dict):
        holder[str(step)] = value
    elif isinstance(step, int) and step < len(holder):
        holder[step] = value
    elif step == len(holder):
        holder.append(value)
