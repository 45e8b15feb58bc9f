"""Tool names that every route to Gemini accepts, and the way back to the client's own."""

import hashlib
import re
from collections.abc import Iterable

# The strict subset; some routes also take dots, colons and 128 characters, others answer those with a 400.
_VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 64
_DIGITS = 8  # of the hash: enough for a request's few hundred tools, and short enough to leave room for the name
_PREFIXES = ("default_api:", "default_api.")  # how Gemini names its own tool module, and at times ours


class ToolNames:
    """The tool names of one request: those it declares, then those its history mentions.

    A name's wire form depends on the name alone, so that the history of a later request reads as its declarations
    do. Only if two names of one request want the same form does the second get another: it takes a declared name that
    is spelled like another one's hash.
    """

    def __init__(self, declared: Iterable[str] = ()) -> None:
        self._wire: dict[str, str] = {}
        self._client: dict[str, str] = {}
        self._declared = {self.to_wire(name) for name in declared}

    def to_wire(self, name: str) -> str:
        """The name for Gemini; from now on `to_client` knows the way back."""
        if name not in self._wire:
            wire = name if _VALID.fullmatch(name) else _encoded(name)
            attempt = 0
            while wire in self._client:
                attempt += 1
                wire = _encoded(name, attempt)
            self._wire[name], self._client[wire] = wire, name
        return self._wire[name]

    def declare_new(self, name: str) -> str:
        """A name for a function of our own, which no function of the client's has."""
        while name in self._client:
            name += "_"
        self._declared.add(self.to_wire(name))
        return name

    def to_client(self, wire: str) -> str:
        """The client's name of a tool that Gemini calls; one that nobody knows stays as it is."""
        known = self._known(wire)
        return self._client.get(known, known)

    def declared(self, wire: str) -> bool:
        """Whether Gemini may call this: not every name of the history is still declared."""
        return self._known(wire) in self._declared

    def _known(self, wire: str) -> str:
        """Without the prefix, if what follows is declared."""
        if wire not in self._client:
            for prefix in _PREFIXES:
                if wire.removeprefix(prefix) in self._declared:
                    return wire.removeprefix(prefix)
        return wire


def _encoded(name: str, attempt: int = 0) -> str:
    """What is readable of the name, and a hash that keeps names apart that read the same."""
    original = name.encode("utf-8", "surrogatepass") + b"\0" * attempt
    digest = hashlib.sha256(original).hexdigest()[:_DIGITS]
    readable = _FOREIGN.sub("_", name[:_LONGEST])
    if readable[:1].isdigit() or readable.startswith("-"):
        readable = f"_{readable}"
    return f"{readable[: _LONGEST - _DIGITS - 1]}_{digest}"
