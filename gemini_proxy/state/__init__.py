"""What outlives a request: values by key, each for a while.

This is the door, and all that a user of it knows. `memory` is the engine that forgets with the process; `sqlite` keeps a
file that all proxies of this machine share and that nobody but its owner can read. A user brings a name for its table,
the limits of that table, and turns what it keeps into bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Limits:
    """What one table may hold. The oldest values make room for new ones."""

    lifetime: float
    """Seconds from the `put` of a value until it is gone."""
    entries: int
    """How many values there may be."""
    size: int
    """How many bytes all keys and values may have together."""


@dataclass(frozen=True, slots=True)
class Entry:
    value: bytes
    expires: float
    """The last second, as `time.time()` counts, in which the value is known."""


class Table(Protocol):
    """Values of one kind. For one thread, the event loop: nothing here waits for a writer.

    What was put or deleted is so at once for this process, and a moment later for the others.
    """

    def get(self, keys: Iterable[str]) -> dict[str, Entry]:
        """What is known of these keys, which takes one query for all of them. Keys may be any text."""

    def put(self, key: str, value: bytes) -> bool:
        """Whether the value is kept, in place of an earlier one: not if it alone is larger than the table may be."""

    def delete(self, key: str) -> None:
        """Forgets a value; a key that is not known stays so."""


class Store(Protocol):
    """All tables of a process."""

    def table(self, name: str, limits: Limits) -> Table:
        """The table of this name. To be asked for once."""

    def open(self) -> None:
        """Prepares in the background what a first `put` would have to wait for."""

    def flush(self) -> None:
        """Waits until what was put is where it outlives the process, or until that has failed."""

    def close(self) -> None:
        """Flushes too; what is put later is not kept."""
