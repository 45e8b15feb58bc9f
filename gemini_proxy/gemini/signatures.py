"""Memory of thought signatures: clients send back a call's id, Gemini wants its signature too.

A signature is opaque reasoning state: it is kept from other users of the machine, and out of every log.
"""

import re
import string
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gemini_proxy.state import Entry, Limits, Table
from gemini_proxy.state.memory import Bounded

DUMMY = "skip_thought_signature_validator"  # Google takes it in place of a signature that is lost
TABLE = "signatures"  # its name in the store
LIMITS = Limits(lifetime=24 * 3600.0, entries=10_000, size=64 * 1024 * 1024)

_ALPHABET = (string.ascii_letters + string.digits + "+/-_").encode()  # standard and URL-safe
_FOREIGN_ID = re.compile(r"(?:__thought__|__sig__|_TSIG_)(.+)", re.DOTALL)


def valid(signature: str) -> bool:
    """Whether this can be a whole signature: base64 of either alphabet, with its padding."""
    text = signature.encode("utf-8", "replace")
    padding = text.translate(None, _ALPHABET)
    return bool(text) and len(text) % 4 == 0 and padding in (b"", b"=", b"==") and text.endswith(padding)


def from_foreign_id(call_id: str) -> str | None:
    """The signature that another proxy has put into the id of a call."""
    found = _FOREIGN_ID.search(call_id)
    return found[1] if found and valid(found[1]) else None


@dataclass(frozen=True, slots=True)
class Remembered:
    """`family` is that of the model that signed: to another one the signature means nothing."""

    signature: str
    family: str


class SignatureMemory:
    """Signatures by the ids of their calls, for one day; `table` is where they outlive us, None for nowhere.

    To be used from one thread, the event loop: it looks into its own memory first.
    """

    def __init__(self, table: Table | None, now: Callable[[], float] = time.time, limits: Limits = LIMITS) -> None:
        self._table, self._now, self._lifetime = table, now, limits.lifetime
        self._recent = Bounded(limits)

    def remember(self, call_id: str, signature: str, family: str) -> None:
        """Ids are unique over all conversations; one that comes again stands for its latest call."""
        if not call_id or not valid(signature):
            return
        value = f"{signature} {family}".encode("utf-8", "replace")
        self._recent.put(call_id, Entry(value, self._now() + self._lifetime))
        if self._table:
            self._table.put(call_id, value)

    def recall(self, call_ids: Iterable[str]) -> dict[str, Remembered]:
        """What is known of these calls. What another process or an earlier life remembered takes one query."""
        call_ids = list(call_ids)
        if self._table and (missing := [call_id for call_id in call_ids if call_id not in self._recent]):
            for call_id, entry in self._table.get(missing).items():
                self._recent.put(call_id, entry)
        now, known = self._now(), {}
        for call_id in call_ids:
            recent = self._recent.get(call_id)
            if recent and recent.expires >= now and (signed := _read(recent)):
                self._recent.put(call_id, recent)  # what is in use outlives what is not
                known[call_id] = signed
        return known


def _read(entry: Entry) -> Remembered | None:
    """None for what we have not written."""
    signature, _, family = entry.value.decode("utf-8", "replace").partition(" ")
    return Remembered(signature, family) if valid(signature) else None
