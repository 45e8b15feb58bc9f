"""Values in a SQLite file that a thread of its own writes.

A value waits in memory until it is in the file, and is known from there meanwhile. Whatever happens to the file costs
persistence only: it is told once, and tried again.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from gemini_proxy import files
from gemini_proxy.state import Entry, Limits
from gemini_proxy.state.database import HELPERS, TROUBLE, WRITE_WAIT, Changes, Database
from gemini_proxy.state.memory import Bounded

logger = logging.getLogger(__name__)

FILE = "state.sqlite"
OLD_FILE = "signatures.sqlite"  # version 0.1's: a cache for a day, not worth reading
RETRY = 5.0  # seconds from a failure to the next try


class SqliteStore:
    """A store in a folder."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = folder.absolute() / FILE, now
        self._database = Database(self._path, now)
        self._limits: dict[str, Limits] = {}
        self._waiting: dict[str, Bounded] = {}  # by table
        self._lock, self._wake = threading.Lock(), threading.Event()  # of `_waiting`; held for moments
        self._writing = threading.Lock()  # held while the disk works
        self._thread: threading.Thread | None = None
        self._closed = self._warned = False
        self._rest_until = float("-inf")

    def table(self, name: str, limits: Limits) -> "SqliteTable":
        self._limits[name] = limits
        self._waiting[name] = Bounded(limits)
        return SqliteTable(self, name)

    def open(self) -> None:
        """Makes the file: a first value would wait for it, and be lost if we were killed."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="state", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        with self._writing:
            with self._lock:
                changes = {name: waiting.items() for name, waiting in self._waiting.items() if len(waiting)}
            if changes:
                self._attempt(changes)

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._thread:
            self._thread.join(2 * WRITE_WAIT)
        self.flush()
        self._database.close()

    def find(self, name: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Entries by key; keys are as the file has them."""
        wanted, found = set(keys), {}
        with self._lock:
            for key in [key for key in wanted if key in self._waiting[name]]:
                wanted.remove(key)
                if (entry := self._waiting[name].get(key)) and entry.expires >= self._now():
                    found[key] = entry
        return {**found, **self._read(name, wanted)} if wanted else found

    def change(self, name: str, key: str, value: bytes | None) -> bool:
        """Whether the change is on its way into the file; None deletes."""
        if self._closed:
            return False
        entry = Entry(value, self._now() + self._limits[name].lifetime) if value is not None else None
        with self._lock:
            self._waiting[name].put(key, entry)
            kept = key in self._waiting[name]
            if not kept:  # larger than the table may be
                self._waiting[name].put(key, None)
        self._wake.set()
        self.open()
        return kept

    def _read(self, name: str, keys: Iterable[str]) -> dict[str, Entry]:
        if self._now() < self._rest_until:
            return {}
        try:
            return dict(self._database.find(name, keys))
        except TROUBLE as error:
            self._rest_until = self._now() + RETRY
            self._warn(error)
        return {}

    def _run(self) -> None:
        self._remove_old_file()
        with self._writing:
            self._attempt({})  # the file is made before it is needed
        while not self._closed:
            self._wake.wait(RETRY if any(map(len, self._waiting.values())) else None)
            self._wake.clear()
            self.flush()

    def _attempt(self, changes: Changes) -> None:
        try:
            self._database.write(changes, self._limits)
        except TROUBLE as error:
            self._database.close()
            self._warn(error)
            return
        with self._lock:
            for name, entries in changes.items():
                waiting = self._waiting[name]
                for key, entry in entries:
                    if waiting.get(key) is entry:  # not put again meanwhile
                        waiting.pop(key)

    def _remove_old_file(self) -> None:
        old = self._path.with_name(OLD_FILE)
        for suffix in ("", *HELPERS, ".corrupt"):
            with suppress(OSError):  # a proxy of that version has it open, on Windows
                files.remove(Path(f"{old}{suffix}"))

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "Thought signatures and the like do not survive a restart now: %s cannot be used (%s)",
                self._path,
                error,
            )


class SqliteTable:
    def __init__(self, store: SqliteStore, name: str) -> None:
        self._store, self._name = store, name

    def get(self, keys: Iterable[str]) -> dict[str, Entry]:
        hashes = {key: _hash(key) for key in keys}
        found = self._store.find(self._name, hashes.values()) if hashes else {}
        return {key: found[hashed] for key, hashed in hashes.items() if hashed in found}

    def put(self, key: str, value: bytes) -> bool:
        return self._store.change(self._name, _hash(key), value)

    def delete(self, key: str) -> None:
        self._store.change(self._name, _hash(key), None)


def _hash(key: str) -> str:
    """Keys come from anywhere: any length, any characters. Their hash fits every index."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
