"""Values in the memory of this process, for as long as it runs."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from gemini_proxy.state import Entry, Limits


class Bounded:
    """Entries by key within the limits of a table. What was put last stays longest; None stands for a deletion."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: OrderedDict[str, Entry | None] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def items(self) -> list[tuple[str, Entry | None]]:
        return list(self._entries.items())

    def put(self, key: str, entry: Entry | None) -> None:
        self.pop(key)
        self._entries[key] = entry
        self._size += _size(key, entry)
        while len(self._entries) > self._limits.entries or self._size > self._limits.size:
            oldest, dropped = self._entries.popitem(last=False)
            self._size -= _size(oldest, dropped)

    def pop(self, key: str) -> None:
        if key in self._entries:
            self._size -= _size(key, self._entries.pop(key))


class MemoryStore:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def table(self, name: str, limits: Limits) -> "MemoryTable":
        return MemoryTable(limits, self._now)

    def open(self) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class MemoryTable:
    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits, self._now = limits, now
        self._entries = Bounded(limits)

    def get(self, keys: Iterable[str]) -> dict[str, Entry]:
        now = self._now()
        return {key: entry for key in keys if (entry := self._entries.get(key)) and entry.expires >= now}

    def put(self, key: str, value: bytes) -> bool:
        self._entries.put(key, Entry(value, self._now() + self._limits.lifetime))
        return key in self._entries

    def delete(self, key: str) -> None:
        self._entries.pop(key)


def _size(key: str, entry: Entry | None) -> int:
    return len(key) + (len(entry.value) if entry is not None else 0)
