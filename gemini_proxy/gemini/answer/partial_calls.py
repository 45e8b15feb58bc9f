"""Function calls whose arguments come in pieces, where the request asked for that.

The pieces name their places by JSON path, not in the order of a JSON text, so they make one whole call here.
"""

import re
from itertools import pairwise
from typing import Any

from gemini_proxy.gemini.wire import FunctionCall

VALUES: dict[str, type | tuple[type, ...]] = {"stringValue": str, "numberValue": (int, float), "boolValue": bool}
DEEPEST = 64  # steps of a path: what is deeper than about 200 cannot be written as JSON
LOST = "Google sent unreadable arguments of a function call."
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
_PATH = re.compile(rf"\$(?:{_STEP.pattern})+")


class PartialCall:
    """One call on its way; what comes after the first piece has no name."""

    def __init__(self) -> None:
        self.name = self.id = self.signature = ""
        self._args: dict[str, Any] = {}
        self._open: dict[str, list[str]] = {}  # strings that go on: path -> what has come; joined once

    @property
    def args(self) -> dict[str, Any]:
        """All that has come."""
        for path in [*self._open]:
            self._close(path)
        return self._args

    def add(self, call: FunctionCall, signature: str) -> str:
        """What went wrong with a piece that cannot be put in its place, "" for a good one."""
        name = call.get("name") or ""
        if self.name and name and name != self.name:
            return "A function call of Google's began before the one before had ended."
        self.name = self.name or name
        self.id = self.id or call.get("id") or ""
        self.signature = self.signature or signature
        self._args |= call.get("args") or {}
        pieces = call.get("partialArgs")
        return "" if pieces is None or (isinstance(pieces, list) and all(map(self._add, pieces))) else LOST

    def _add(self, piece: Any) -> bool:
        path = piece.get("jsonPath") if isinstance(piece, dict) else None
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            return False
        kind = next((name for name in VALUES if name in piece), None)
        value = piece[kind] if kind else None
        if kind and (not isinstance(value, VALUES[kind]) or (kind == "numberValue" and isinstance(value, bool))):
            return False
        goes_on = piece.get("willContinue") is True
        if path in self._open and isinstance(value, str):
            self._open[path].append(value)
        else:
            self._open.pop(path, None)
            if not self._put(path, value):
                return False
            if isinstance(value, str):
                self._open[path] = [value]
        return goes_on or self._close(path)

    def _close(self, path: str) -> bool:
        pieces = self._open.pop(path, None)
        return self._put(path, "".join(pieces)) if pieces and len(pieces) > 1 else True

    def _put(self, path: str, value: Any) -> bool:
        """Whether there is such a place, or can be made."""
        steps = [
            int(place) if place else name or quoted or double for name, place, quoted, double in _STEP.findall(path)
        ]
        if len(steps) > DEEPEST:
            return False
        holder: Any = self._args
        for step, following in pairwise(steps):
            inner = _at(holder, step)
            if not isinstance(inner, dict | list):
                inner = [] if isinstance(following, int) else {}
                if not _set(holder, step, inner):
                    return False
            holder = inner
        return _set(holder, steps[-1], value)


def _at(holder: Any, step: str | int) -> Any:
    if isinstance(holder, list):
        return holder[step] if isinstance(step, int) and step < len(holder) else None
    return holder.get(step)


def _set(holder: Any, step: str | int, value: Any) -> bool:
    """Whether it could be set: lists grow by one, and a place further on has no meaning."""
    if isinstance(holder, dict):
        holder[str(step)] = value
    elif isinstance(step, int) and step < len(holder):
        holder[step] = value
    elif step == len(holder):
        holder.append(value)
    else:
        return False
    return True
