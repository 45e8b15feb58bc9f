"""Memory of thought signatures: clients send back a call's id, Gemini wants its signature too.

A signature is opaque reasoning state: it is kept from other users of the machine, and out of every log.
"""

import hashlib
import json
import logging
import os
import re
import sqlite3
import string
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

logger = logging.getLogger(__name__)

DUMMY = "skip_thought_signature_validator"  # Google takes it in place of a signature that is lost
LIFETIME = 24 * 3600.0  # seconds
LIMIT = 10_000  # signatures, in memory and in the file
READ_WAIT = 0.05  # seconds that a request may wait for a file that another process has locked
WRITE_WAIT = 2.0  # the same for the writer, where nobody waits
RETRY = 5.0  # seconds from a failure to the next try

_ALPHABET = (string.ascii_letters + string.digits + "+/-_").encode()  # standard and URL-safe
_FOREIGN_ID = re.compile(r"(?:__thought__|__sig__|_TSIG_)(.+)", re.DOTALL)
# Our statements are right, so what is wrong with them is that the table is not ours.
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}
# ValueError: a complaint of SQLite's quotes the file, and Python cannot decode what is damaged in it.
_TROUBLE = (sqlite3.Error, OSError, ValueError)
Row = tuple[str, str, str, float]  # hash of the call's id, signature, family, when it was stored
# The table goes in before the mode changes, so that a file that is not empty has a table.
_SETUP = (
    "CREATE TABLE IF NOT EXISTS signatures (id TEXT PRIMARY KEY, signature TEXT, family TEXT, stored REAL)",
    "CREATE INDEX IF NOT EXISTS signatures_stored ON signatures (stored)",
    "PRAGMA synchronous = NORMAL",  # a power cut may cost the last rows, never the file
)
_READERS_NEVER_WAIT = "PRAGMA journal_mode = WAL"  # needs memory that all processes share, so one machine
_INSERT = "INSERT OR REPLACE INTO signatures VALUES (?, ?, ?, ?)"
_EXPIRE = "DELETE FROM signatures WHERE stored < ? OR typeof(stored) != 'real'"
_SHRINK = "DELETE FROM signatures WHERE id IN (SELECT id FROM signatures ORDER BY stored DESC LIMIT -1 OFFSET ?)"
_FIND = """SELECT id, signature, family, stored FROM signatures
    WHERE id IN (SELECT value FROM json_each(?)) AND stored >= ? AND typeof(stored) = 'real'"""


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
    """Signatures by the ids of their calls, for one day; `path` is the file to share them by, None for none.

    To be used from one thread, the event loop: it looks into its own memory first, and never waits for a writer.
    """

    def __init__(self, path: Path | None, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._recent: OrderedDict[str, Row] = OrderedDict()
        self._file = _File(path.absolute(), now) if path else None

    def open(self) -> None:
        """Makes the file in the background: a first signature would wait for it, and be lost if we were killed."""
        if self._file:
            self._file.start()

    def remember(self, call_id: str, signature: str, family: str) -> None:
        """Ids are unique over all conversations; one that comes again stands for its latest call."""
        if not call_id or not valid(signature):
            return
        self._keep(row := (_key(call_id), signature, family, self._now()))
        if self._file:
            self._file.add(row)

    def recall(self, call_ids: Iterable[str]) -> dict[str, Remembered]:
        """What is known of these calls. What another process or an earlier life remembered takes one query."""
        keys = {_key(call_id): call_id for call_id in call_ids}
        if self._file and (missing := [key for key in keys if key not in self._recent]):
            for row in self._file.find(missing):
                self._keep(row)
        oldest = self._now() - LIFETIME
        found = {}
        for key, call_id in keys.items():
            if (known := self._recent.get(key)) and known[3] >= oldest:
                self._recent.move_to_end(key)
                found[call_id] = Remembered(known[1], known[2])
        return found

    def flush(self) -> None:
        """Waits until everything is in the file, or until that has failed."""
        if self._file:
            self._file.flush()

    def close(self) -> None:
        """Flushes too; what comes later stays in memory."""
        if self._file:
            self._file.close()

    def _keep(self, row: Row) -> None:
        self._recent[row[0]] = row
        self._recent.move_to_end(row[0])
        if len(self._recent) > LIMIT:
            self._recent.popitem(last=False)


def _key(call_id: str) -> str:
    """Ids come from anywhere: any length, any characters. Their hash fits every index."""
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class _File:
    """The database behind a memory. Whatever happens to it costs persistence only: it is told once, and tried again."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path, self._now = path, now
        self._waiting: deque[Row] = deque(maxlen=LIMIT)
        self._lock, self._wake = threading.Lock(), threading.Event()  # of `_waiting`; held for moments
        self._writing = threading.Lock()  # of `_writer`, held while the disk works
        self._writer: sqlite3.Connection | None = None
        self._inode = 0  # of the file that `_writer` has open
        self._thread: threading.Thread | None = None
        self._closed = self._warned = False
        self._rest_until = float("-inf")

    def add(self, row: Row) -> None:
        if self._closed:
            return
        with self._lock:
            self._waiting.append(row)
        self._wake.set()
        self.start()

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="signatures", daemon=True)
            self._thread.start()

    def find(self, keys: list[str]) -> list[Row]:
        """Opens the file for one query (a tenth of a millisecond): it may have been set aside since the last one."""
        if self._now() < self._rest_until:
            return []
        try:
            if self._path.exists() and self._path.stat().st_size:
                with closing(self._connection("ro", READ_WAIT)) as connection:
                    rows = connection.execute(_FIND, (json.dumps(keys), self._now() - LIFETIME))
                    return [row for row in rows if isinstance(row[1], str) and isinstance(row[2], str)]
        except _TROUBLE as error:
            self._rest_until = self._now() + RETRY
            self._warn(error)
        return []

    def flush(self) -> None:
        with self._writing:
            with self._lock:
                rows, self._waiting = self._waiting, deque(maxlen=LIMIT)
            if rows:
                self._attempt(rows)

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._thread:
            self._thread.join(2 * WRITE_WAIT)
        self.flush()
        self._disconnect()

    def _run(self) -> None:
        with self._writing:
            self._attempt([])  # the file is made before it is needed
        while not self._closed:
            self._wake.wait(RETRY if self._waiting else None)
            self._wake.clear()
            self.flush()

    def _attempt(self, rows: Iterable[Row]) -> None:
        try:
            self._write(rows)
        except _TROUBLE as error:
            self._disconnect()
            with self._lock:
                self._waiting = deque([*rows, *self._waiting], maxlen=LIMIT)
            self._warn(error)

    def _write(self, rows: Iterable[Row]) -> None:
        try:
            self._transact(rows)
        except (sqlite3.DatabaseError, ValueError) as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _DAMAGED:
                raise
            self._set_aside()
            self._transact(rows)

    def _transact(self, rows: Iterable[Row]) -> None:
        if not self._path.exists() or self._path.stat().st_ino != self._inode:
            self._disconnect()  # the file has gone, or another process has set it aside
        with self._writer or self._connect() as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.executemany(_INSERT, rows)
            writer.execute(_EXPIRE, (self._now() - LIFETIME,))
            writer.execute(_SHRINK, (LIMIT,))

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

    def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        with suppress(sqlite3.Error):
            if writer:
                writer.close()

    def _set_aside(self) -> None:
        """A new file takes the damaged one's place, unless another process has seen to that."""
        self._disconnect()
        if self._path.stat().st_ino != self._inode:
            return
        for suffix in ("-wal", "-shm"):  # they would be read as the new file's
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        os.replace(self._path, f"{self._path}.corrupt")
        logger.warning("%s with thought signatures was damaged: it is %s.corrupt now", self._path, self._path.name)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("Thought signatures do not survive a restart now: %s cannot be used (%s)", self._path, error)


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
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if name.exists() and name.stat().st_mode & 0o077:
            name.chmod(0o600)
