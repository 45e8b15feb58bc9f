"""The SQLite file behind a store: private, shared by processes, set aside when it is damaged. One thread writes.

Its methods raise what `TROUBLE` names.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path, PurePath

from gemini_proxy import files
from gemini_proxy.state import Entry, Limits

logger = logging.getLogger(__name__)

READ_WAIT = 0.05  # seconds that a request may wait for a file that another process has locked
WRITE_WAIT = 2.0  # the same for the writer, where nobody waits
HELPERS = ("-wal", "-shm")  # files that SQLite keeps beside its own
# ValueError: a complaint of SQLite's quotes the file, and Python cannot decode what is damaged in it.
TROUBLE = (sqlite3.Error, OSError, ValueError)

Changes = Mapping[str, Iterable[tuple[str, Entry | None]]]  # by table; None deletes

# Our statements are right, so what is wrong with them is that the table is not ours.
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}
# The table goes in before the journal mode changes, so that a file that is not empty has a table.
_SETUP = (
    """CREATE TABLE IF NOT EXISTS entries
    (space TEXT, key TEXT, value BLOB, expires REAL, size INTEGER, PRIMARY KEY (space, key))""",
    "CREATE INDEX IF NOT EXISTS entries_expire ON entries (expires)",
    "CREATE INDEX IF NOT EXISTS entries_size ON entries (space, expires, size)",
    "PRAGMA synchronous = NORMAL",  # a power cut may cost the last rows, never the file
)
_READERS_NEVER_WAIT = "PRAGMA journal_mode = WAL"  # needs memory that all processes share, so one machine
_PUT = "INSERT OR REPLACE INTO entries (space, key, value, expires, size) VALUES (?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM entries WHERE space = ? AND key = ?"
_EXPIRE = "DELETE FROM entries WHERE expires < ? OR typeof(expires) != 'real'"
_TOTAL = "SELECT count(*), total(size) FROM entries WHERE space = ?"
_SHRINK = """DELETE FROM entries WHERE rowid IN (
    SELECT id FROM (
        SELECT rowid AS id, row_number() OVER latest AS number, sum(size) OVER latest AS total
        FROM entries WHERE space = ? WINDOW latest AS (ORDER BY expires DESC, rowid DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE number > ? OR total > ?)"""
_FIND = """SELECT key, value, expires FROM entries
    WHERE space = ? AND key IN (SELECT value FROM json_each(?))
    AND typeof(value) = 'blob' AND typeof(expires) = 'real' AND expires >= ?"""


class Database:
    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path, self._now = path, now
        self._writer: sqlite3.Connection | None = None
        self._inode = 0  # of the file that `_writer` has open

    def find(self, space: str, keys: Iterable[str]) -> list[tuple[str, Entry]]:
        """Opens the file for one query (a tenth of a millisecond): it may have been set aside since the last one."""
        if not self._path.exists() or not self._path.stat().st_size:
            return []
        with closing(self._connection("ro", READ_WAIT)) as connection:
            rows = connection.execute(_FIND, (space, json.dumps(list(keys)), self._now()))
            return [(key, Entry(value, expires)) for key, value, expires in rows]

    def write(self, changes: Changes, limits: Mapping[str, Limits]) -> None:
        """All changes or none. Makes the file if there is none, even for no changes."""
        try:
            self._transact(changes, limits)
        except (sqlite3.DatabaseError, ValueError) as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _DAMAGED:
                raise
            self._set_aside()
            self._transact(changes, limits)

    def close(self) -> None:
        writer, self._writer = self._writer, None
        with suppress(sqlite3.Error):
            if writer:
                writer.close()

    def _transact(self, changes: Changes, limits: Mapping[str, Limits]) -> None:
        if not self._path.exists() or self._path.stat().st_ino != self._inode:
            self.close()  # the file has gone, or another process has set it aside
        with self._writer or self._connect() as writer:
            writer.execute("BEGIN IMMEDIATE")
            for space, entries in changes.items():
                for key, entry in entries:
                    if entry is None:
                        writer.execute(_DELETE, (space, key))
                    else:
                        writer.execute(_PUT, (space, key, entry.value, entry.expires, len(key) + len(entry.value)))
            writer.execute(_EXPIRE, (self._now(),))
            for space in changes:
                _shrink(writer, space, limits[space])

    def _connect(self) -> sqlite3.Connection:
        _make_private(self._path)
        self._inode = self._path.stat().st_ino
        self._writer = self._connection("rw", WRITE_WAIT)
        for statement in _SETUP:
            self._writer.execute(statement)
        if not _is_on_another_machine(self._path):
            self._writer.execute(_READERS_NEVER_WAIT)
        return self._writer

    def _connection(self, mode: str, wait: float) -> sqlite3.Connection:
        """Neither mode makes a file, so that none can be made with other rights than ours."""
        uri = f"{_address(self._path)}?mode={mode}"
        return sqlite3.connect(uri, timeout=wait, isolation_level=None, check_same_thread=False, uri=True)

    def _set_aside(self) -> None:
        """A new file takes the damaged one's place, unless another process has seen to that."""
        self.close()
        if self._path.stat().st_ino != self._inode:
            return
        for suffix in HELPERS:  # they would be read as the new file's
            files.remove(Path(f"{self._path}{suffix}"))
        files.replace(self._path, Path(f"{self._path}.corrupt"))
        logger.warning(
            "%s was damaged: it is %s.corrupt now, and a new one takes its place", self._path, self._path.name
        )


def _shrink(writer: sqlite3.Connection, space: str, limits: Limits) -> None:
    count, size = writer.execute(_TOTAL, (space,)).fetchone()
    if count > limits.entries or size > limits.size:
        writer.execute(_SHRINK, (space, limits.entries, limits.size))


def _address(path: PurePath) -> str:
    """As SQLite takes it: a server has no place of its own there, it belongs to the path."""
    address = path.as_uri()
    return address if address.startswith("file:///") else address.replace("file://", "file:////", 1)


def _is_on_another_machine(path: PurePath) -> bool:
    """A Windows path such as \\\\server\\share\\file."""
    return path.drive.startswith("\\\\")


def _make_private(path: Path) -> None:
    """Sees to it that the file exists and is its owner's alone, from the first byte; SQLite gives its helpers the same.

    A file that exists is never opened here: closing it would take away the locks that SQLite holds in this process.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    for name in (path, *(Path(f"{path}{suffix}") for suffix in HELPERS)):
        if name.exists() and name.stat().st_mode & 0o077:
            name.chmod(0o600)
