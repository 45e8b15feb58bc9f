"""The store in a SQLite file: private, shared by processes, and never in the way."""

import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from gemini_proxy.state import Limits
from gemini_proxy.state import database as databases
from gemini_proxy.state import sqlite as engine
from gemini_proxy.state.database import Database
from gemini_proxy.state.sqlite import FILE, SqliteStore, SqliteTable
from tests.state.clock import Clock

LIMITS = Limits(lifetime=60, entries=1000, size=10_000_000)
SECRET = b"s3cret"


class Life:
    """A process, as far as its state goes."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.store = SqliteStore(folder, clock)
        self.table: SqliteTable = self.store.table("values", LIMITS)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.table.put(key, SECRET)
        self.store.flush()

    def knows(self, *keys: str) -> list[str]:
        found = self.table.get(keys)
        assert {entry.value for entry in found.values()} <= {SECRET}
        return list(found)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state?#"


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / FILE


Start = Callable[[], Life]


@pytest.fixture
def start(folder: Path, clock: Clock) -> Iterator[Start]:
    lives: list[Life] = []

    def start() -> Life:
        lives.append(Life(folder, clock))
        return lives[-1]

    yield start
    for life in lives:
        life.store.close()


def stop(life: Life) -> None:
    life.store.close()


def test_a_restart_forgets_nothing(start: Start) -> None:
    first = start()
    first.table.put("1", SECRET)
    stop(first)
    assert start().knows("1", "2") == ["1"]


def test_the_writer_needs_no_flush(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Semaphore(0)
    write = Database.write

    def noticed(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        if arguments[1]:  # not the empty write that makes the file
            written.release()

    monkeypatch.setattr(Database, "write", noticed)
    life = start()
    for key in ("1", "2"):  # the second one finds the thread asleep
        life.table.put(key, SECRET)
        assert written.acquire(timeout=10)
    assert start().knows("1", "2") == ["1", "2"]


def test_nobody_waits_for_the_writer(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is on its way to the disk is known, whether or not it has arrived."""
    begun, go_on = threading.Event(), threading.Event()
    write = Database.write

    def slow(*arguments: object) -> None:
        if arguments[1]:
            begun.set()
            assert go_on.wait(10)
        write(*arguments)  # type: ignore[arg-type]

    life = start()
    life.put("old", "gone")
    monkeypatch.setattr(Database, "write", slow)
    life.table.put("1", SECRET)
    assert begun.wait(10)
    life.table.put("2", SECRET)
    life.table.put("1", SECRET)
    life.table.delete("gone")
    assert life.knows("1", "2", "old", "gone") == ["1", "2", "old"]
    go_on.set()
    life.store.flush()
    assert life.knows("1", "2", "old", "gone") == ["1", "2", "old"]
    assert start().knows("1", "2", "old", "gone") == ["1", "2", "old"]


def test_a_change_during_the_write_is_not_lost(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    life = start()
    write = Database.write

    def meanwhile(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(Database, "write", write)
        life.table.delete("1")

    life.store._thread = threading.current_thread()  # the one that writes is this one
    life.put("0")
    monkeypatch.setattr(Database, "write", meanwhile)
    life.put("1")
    assert life.knows("1") == []
    life.store.flush()
    life.store._thread = None
    assert start().knows("0", "1") == ["0"]


def test_a_deletion_reaches_the_other_processes(start: Start) -> None:
    ours, theirs = start(), start()
    ours.put("1", "2")
    assert theirs.knows("1", "2") == ["1", "2"]
    ours.table.delete("1")
    ours.store.flush()
    assert theirs.knows("1", "2") == ["2"]


def test_after_closing_nothing_is_written(start: Start, path: Path) -> None:
    life = start()
    stop(life)
    assert not life.table.put("1", SECRET)
    life.store.flush()
    assert life.knows("1") == []
    assert not path.exists()


def test_expired_values_leave_the_file(start: Start, clock: Clock, path: Path) -> None:
    life = start()
    life.put("1")
    clock.time += 61
    life.put("2")
    stop(life)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.execute("SELECT count(*), sum(size) FROM entries")) == [(1, 32 + len(SECRET))]


# Another process: puts something, says so, and goes on writing until it is killed.
PROCESS = """
import itertools, sys
from pathlib import Path
from gemini_proxy.state import Limits
from gemini_proxy.state.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), lambda: 1_000_000.0)
table = store.table("values", Limits(60, 1000, 10_000_000))
table.put("theirs", b"s3cret")
store.flush()
print(list(table.get(["ours"])), flush=True)
for i in itertools.count():
    table.put(f"{i % 100}", b"A" * 4000)
    store.flush()
    if i == 20:
        print("writing", flush=True)
"""


def test_two_processes_share_a_file_and_one_is_killed_while_it_writes(folder: Path, path: Path, start: Start) -> None:
    ours = start()
    ours.put("ours")
    command = [sys.executable, "-c", PROCESS, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        assert process.stdout.readline() == "['ours']\n"
        assert ours.knows("theirs") == ["theirs"]
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    ours.put("more")
    stop(ours)
    assert list(start().table.get(["ours", "theirs", "more", "0", "20"])) == ["ours", "theirs", "more", "0", "20"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def rights(path: Path) -> dict[str, str]:
    return {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in (path.parent, *path.parent.iterdir())}


def test_the_file_and_its_helpers_are_the_owners_alone(path: Path, start: Start) -> None:
    old = os.umask(0)
    try:
        start().put("1")
    finally:
        os.umask(old)
    assert rights(path) == {
        path.parent.name: "0o700",
        path.name: "0o600",
        f"{path.name}-wal": "0o600",
        f"{path.name}-shm": "0o600",
    }


def test_it_is_never_open_to_others_not_even_empty(path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    connect = sqlite3.connect

    def connected(*arguments: object, **options: object) -> sqlite3.Connection:
        seen.append(oct(stat.S_IMODE(path.stat().st_mode)))
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        return connection

    monkeypatch.setattr(sqlite3, "connect", connected)
    start().put("1")
    assert seen == ["0o600"]


def test_a_file_that_others_could_read_is_closed_to_them(path: Path, start: Start) -> None:
    path.parent.mkdir(0o700)
    path.touch(0o644)
    start().put("1")
    assert rights(path)[path.name] == "0o600"


def damage_head(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def damage_body(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


@pytest.mark.parametrize("damage", [damage_head, damage_body])
def test_a_damaged_file_is_set_aside(
    damage: Callable[[Path], None], path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    first = start()
    first.put("1")
    stop(first)
    damage(path)
    second = start()
    assert second.knows("1") == []
    second.put("2")
    assert start().knows("2") == ["2"]
    assert Path(f"{path}.corrupt").exists()
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.WARNING]
    assert SECRET.decode() not in caplog.text


def damage_schema(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"PRIMARY KEY", b"PRIMARY \xb3EY"))


TABLES = [
    "CREATE TABLE entries (other TEXT)",
    "CREATE TABLE entries (space TEXT, key INTEGER PRIMARY KEY, value BLOB, expires REAL, size INTEGER)",
    "CREATE TABLE entries (space TEXT, key TEXT, value BLOB CHECK (value = ''), expires REAL, size INTEGER)",
    "CREATE VIEW entries AS SELECT 1 AS id",
]


def of_another_make(sql: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(sql)

    return damage


@pytest.mark.parametrize("damage", [damage_schema, *map(of_another_make, TABLES)])
def test_a_file_whose_table_is_not_ours_is_set_aside(damage: Callable[[Path], None], path: Path, start: Start) -> None:
    first = start()
    first.put("1")
    stop(first)
    damage(path)
    second = start()
    assert second.knows("1") == []
    second.put("2")
    stop(second)
    assert start().knows("2") == ["2"]


@pytest.mark.parametrize(
    "change", ["expires = 'x'", "expires = x'ff'", "expires = NULL", "value = 5.5", "value = 'text'", "value = NULL"]
)
def test_a_row_that_cannot_be_read_is_not_known(change: str, path: Path, start: Start) -> None:
    first = start()
    first.put("1")
    stop(first)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"UPDATE entries SET {change}")
    second = start()
    assert second.knows("1") == []
    second.put("2")
    stop(second)
    with closing(sqlite3.connect(path)) as connection:  # a time that is none would stand in the file for ever
        assert list(connection.execute("SELECT DISTINCT typeof(expires) FROM entries")) == [("real",)]
    assert start().knows("1", "2") == ["2"]


def test_the_address_of_a_path_on_a_server() -> None:
    path = PureWindowsPath(r"\\server\share\state\state.sqlite")
    assert databases._address(path) == "file:////server/share/state/state.sqlite"
    assert databases._is_on_another_machine(path)
    for here in (PureWindowsPath(r"C:\state\s.sqlite"), PurePosixPath("/state/s.sqlite"), PurePosixPath("//state/s")):
        assert databases._address(here).startswith("file:///")
        assert not databases._is_on_another_machine(here)


def test_no_write_ahead_log_on_another_machine(path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "_is_on_another_machine", lambda path: True)
    start().put("1")
    assert not Path(f"{path}-wal").exists()
    assert start().knows("1") == ["1"]


def test_another_process_has_set_the_file_aside(path: Path, start: Start) -> None:
    life = start()
    life.put("1")
    for file in list(path.parent.iterdir()):
        file.rename(f"{file}.corrupt")
    life.put("2")
    assert start().knows("1", "2") == ["2"]


def test_a_damaged_file_that_has_been_replaced_stays(path: Path, clock: Clock) -> None:
    path.parent.mkdir()
    path.write_bytes(b"new")
    database = Database(path, clock)
    database._inode = path.stat().st_ino + 1
    database._set_aside()
    assert path.read_bytes() == b"new"


def test_a_locked_file_costs_persistence_until_it_is_free(
    path: Path, start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "WRITE_WAIT", 0.01)
    monkeypatch.setattr(databases, "READ_WAIT", 0.01)
    life = start()
    life.put("1")
    with closing(sqlite3.connect(path, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        life.put("2")
        life.put("3")
        assert life.knows("1", "2", "3") == ["1", "2", "3"]
    life.store.flush()
    assert start().knows("1", "2", "3") == ["1", "2", "3"]
    assert len(caplog.records) == 1
    assert "database is locked" in caplog.text


def test_a_reader_waits_but_a_moment(path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a file in which readers wait for writers, as on another machine."""
    monkeypatch.setattr(databases, "_is_on_another_machine", lambda path: True)
    start().put("1")
    other = start()
    with closing(sqlite3.connect(path, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        assert other.knows("1") == []
        assert time.monotonic() - begun < 1


def test_reading_rests_after_a_failure(
    path: Path, start: Start, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first = start()
    first.put("1")
    stop(first)
    good = path.read_bytes()
    damage_head(path)
    life = start()
    assert life.knows("1") == []
    path.write_bytes(good)
    assert life.knows("1") == []
    clock.time += engine.RETRY
    assert life.knows("1") == ["1"]
    assert len(caplog.records) == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    life = Life(tmp_path / "file" / "state", clock)
    life.put("key_1")
    life.put("key_2")
    assert life.knows("key_1", "key_2", "key_3") == ["key_1", "key_2"]
    life.store.close()
    assert len(caplog.records) == 1
    assert "do not survive a restart" in caplog.text
    assert SECRET.decode() not in caplog.text
    assert "key_" not in caplog.text


def test_a_link_to_nowhere_is_not_followed(path: Path, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "elsewhere")
    start().put("1")
    assert not (path.parent / "elsewhere").exists()
    assert len(caplog.records) == 1


def test_the_file_is_there_before_the_first_value(path: Path, clock: Clock) -> None:
    store = SqliteStore(path.parent, clock)
    store.open()
    store.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_of_version_0_1_goes(folder: Path, start: Start) -> None:
    folder.mkdir()
    for name in ("signatures.sqlite", "signatures.sqlite-wal", "signatures.sqlite.corrupt", "other"):
        (folder / name).touch()
    life = start()
    life.store.open()
    stop(life)
    assert sorted(file.name for file in folder.iterdir()) == ["other", FILE]
