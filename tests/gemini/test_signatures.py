"""Memory of thought signatures, and the file that it lives in."""

import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from gemini_proxy.gemini import signatures
from gemini_proxy.gemini.signatures import DUMMY, LIFETIME, Remembered, SignatureMemory, from_foreign_id, valid

SIGNATURE = "CiQBjz1rXw+/8v0="
OTHER = "RW4gYW5kZXJlcg=="
KEPT = Remembered(SIGNATURE, "gemini-3-pro")


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "signatures?#.db"


@pytest.fixture
def opened(clock: Clock) -> Iterator[Callable[..., SignatureMemory]]:
    memories: list[SignatureMemory] = []

    def opened(path: Path | None) -> SignatureMemory:
        memories.append(SignatureMemory(path, clock))
        return memories[-1]

    yield opened
    for memory in memories:
        memory.close()


Opened = Callable[[Path | None], SignatureMemory]


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        pytest.param(SIGNATURE, True, id="standard"),
        pytest.param("Ab_-", True, id="url-safe"),
        pytest.param(DUMMY, True, id="C132-sentinel"),
        pytest.param("QQ==", True, id="two-paddings"),
        pytest.param("", False, id="C136-empty"),
        pytest.param(SIGNATURE[:-3], False, id="C136-truncated"),
        pytest.param("not base64!!", False, id="C136-not-base64"),
        pytest.param("QQ==QQ==", False, id="C136-concatenated"),
        pytest.param("Q===", False, id="C136-three-paddings"),
        pytest.param("=QQQ", False, id="C136-padding-in-front"),
        pytest.param("QQ\n=", False, id="C136-newline"),
        pytest.param("äöüß", False, id="C136-not-ascii"),
        pytest.param("\ud800abc", False, id="C183-lone-surrogate"),
    ],
)
def test_valid(signature: str, expected: bool) -> None:
    assert valid(signature) is expected


@pytest.mark.parametrize(
    ("call_id", "expected"),
    [
        pytest.param(f"call_1__thought__{SIGNATURE}", SIGNATURE, id="C128-thought"),
        pytest.param(f"call_1__sig__{SIGNATURE}", SIGNATURE, id="C128-sig"),
        pytest.param(f"call_1_TSIG_{SIGNATURE}", SIGNATURE, id="C128-tsig"),
        pytest.param("call_1_TSIG_abc", None, id="C128-not-base64"),
        pytest.param("call_1__thought__", None, id="C128-nothing-there"),
        pytest.param(f"call_1{SIGNATURE}", None, id="no-mark"),
        pytest.param("call_1", None, id="plain"),
    ],
)
def test_signature_in_a_foreign_id(call_id: str, expected: str | None) -> None:
    assert from_foreign_id(call_id) == expected


@pytest.fixture(params=[False, True], ids=["memory", "file"])
def memory(request: pytest.FixtureRequest, path: Path, opened: Opened) -> SignatureMemory:
    return opened(path if request.param else None)


def test_a_call_gets_its_signature_back_c131(memory: SignatureMemory) -> None:
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.remember("call_2", OTHER, "gemini-3-flash")
    assert memory.recall(["call_1", "unknown", "", "call_2"]) == {
        "call_1": KEPT,
        "call_2": Remembered(OTHER, "gemini-3-flash"),
    }
    assert memory.recall([]) == {}


def test_what_cannot_be_a_signature_is_not_kept_c136(memory: SignatureMemory) -> None:
    memory.remember("call_1", "nonsense!", "gemini-3-pro")
    memory.remember("", SIGNATURE, "gemini-3-pro")
    assert memory.recall(["call_1", ""]) == {}


def test_the_latest_signature_of_an_id_counts_c141(memory: SignatureMemory) -> None:
    memory.remember("call_1", OTHER, "gemini-3-pro")
    memory.flush()
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    assert memory.recall(["call_1"]) == {"call_1": KEPT}


def test_ids_may_be_anything_c127(path: Path, opened: Opened) -> None:
    ids = ["a|b:c", "x" * 5000, "'; DROP TABLE signatures; --", "\ud800", "\0", "é"]
    memory = opened(path)
    for call_id in ids:
        memory.remember(call_id, SIGNATURE, "gemini-3-pro")
    memory.close()
    assert opened(path).recall(ids) == dict.fromkeys(ids, KEPT)


def test_a_signature_lives_for_a_day_c139(memory: SignatureMemory, clock: Clock, path: Path, opened: Opened) -> None:
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.flush()
    clock.time += LIFETIME
    assert memory.recall(["call_1"]) == {"call_1": KEPT}
    clock.time += 1
    assert memory.recall(["call_1"]) == {}
    assert opened(path).recall(["call_1"]) == {}


def test_the_oldest_give_way_c139(path: Path, opened: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "LIMIT", 3)
    ids = [f"call_{i}" for i in range(5)]
    memory, forgetful = opened(path), opened(None)
    for call_id in ids:
        clock.time += 1
        memory.remember(call_id, SIGNATURE, "gemini-3-pro")
        forgetful.remember(call_id, SIGNATURE, "gemini-3-pro")
        memory.flush()
    assert list(opened(path).recall(ids)) == ids[2:]
    assert list(forgetful.recall(ids)) == ids[2:]


def test_what_is_in_use_outlives_what_is_not_c139(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "LIMIT", 2)
    memory = opened(None)
    for call_id in ("a", "b", "c"):
        memory.remember(call_id, SIGNATURE, "gemini-3-pro")
        memory.recall(["a"])
    assert list(memory.recall(["a", "b", "c"])) == ["a", "c"]


def test_a_restart_forgets_nothing(path: Path, opened: Opened) -> None:
    first = opened(path)
    first.remember("call_1", SIGNATURE, "gemini-3-pro")
    first.close()
    second = opened(path)
    assert second.recall(["call_1"]) == {"call_1": KEPT}
    path.unlink()
    assert second.recall(["call_1"]) == {"call_1": KEPT}  # from memory, this time


def test_the_writer_needs_no_flush(path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    write = signatures._File._write

    def noticed(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        if arguments[1]:  # not the empty write that makes the file
            written.set()

    monkeypatch.setattr(signatures._File, "_write", noticed)
    opened(path).remember("call_1", SIGNATURE, "gemini-3-pro")
    assert written.wait(10)
    assert opened(path).recall(["call_1"]) == {"call_1": KEPT}


def test_after_closing_nothing_is_written(path: Path, opened: Opened) -> None:
    memory = opened(path)
    memory.close()
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.flush()
    assert memory.recall(["call_1"]) == {"call_1": KEPT}
    assert not path.exists()


# Another process: remembers, says so, and goes on writing until it is killed.
PROCESS = """
import itertools, sys
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath
from gemini_proxy.gemini.signatures import SignatureMemory
memory = SignatureMemory(Path(sys.argv[1]), lambda: 1_000_000.0)
memory.remember("call_theirs", "RW4gYW5kZXJlcg==", "gemini-3-flash")
memory.flush()
print(memory.recall(["call_ours"]), flush=True)
for i in itertools.count():
    memory.remember(f"call_{i}", "A" * 4000, "gemini-3-flash")
    memory.flush()
    if i == 20:
        print("writing", flush=True)
"""


def test_two_processes_share_a_file_and_one_is_killed_while_it_writes(path: Path, opened: Opened) -> None:
    ours = opened(path)
    ours.remember("call_ours", SIGNATURE, "gemini-3-pro")
    ours.flush()
    command = [sys.executable, "-c", PROCESS, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        assert SIGNATURE in process.stdout.readline()
        assert ours.recall(["call_theirs"]) == {"call_theirs": Remembered(OTHER, "gemini-3-flash")}
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    ours.remember("call_more", SIGNATURE, "gemini-3-pro")
    ours.close()
    ids = ["call_ours", "call_theirs", "call_more", "call_0", "call_20"]
    assert list(opened(path).recall(ids)) == ids
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def rights(path: Path) -> dict[str, str]:
    return {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in (path.parent, *path.parent.iterdir())}


def test_the_file_and_its_helpers_are_the_owners_alone_c139(path: Path, opened: Opened) -> None:
    old = os.umask(0)
    try:
        memory = opened(path)
        memory.remember("call_1", SIGNATURE, "gemini-3-pro")
        memory.flush()
    finally:
        os.umask(old)
    assert rights(path) == {
        "state": "0o700",
        path.name: "0o600",
        f"{path.name}-wal": "0o600",
        f"{path.name}-shm": "0o600",
    }


def test_it_is_never_open_to_others_not_even_empty(path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    connect = sqlite3.connect

    def connected(*arguments: object, **options: object) -> sqlite3.Connection:
        seen.append(oct(stat.S_IMODE(path.stat().st_mode)))
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        return connection

    monkeypatch.setattr(sqlite3, "connect", connected)
    memory = opened(path)
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.flush()
    assert seen == ["0o600"]


def test_a_file_that_others_could_read_is_closed_to_them(path: Path, opened: Opened) -> None:
    path.parent.mkdir(0o700)
    path.touch(0o644)
    memory = opened(path)
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.flush()
    assert rights(path)[path.name] == "0o600"


def damage_head(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def damage_body(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


@pytest.mark.parametrize("damage", [damage_head, damage_body])
def test_a_damaged_file_is_set_aside(
    damage: Callable[[Path], None], path: Path, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened(path)
    first.remember("call_1", SIGNATURE, "gemini-3-pro")
    first.close()
    damage(path)
    second = opened(path)
    assert second.recall(["call_1"]) == {}
    second.remember("call_2", SIGNATURE, "gemini-3-pro")
    second.flush()
    assert opened(path).recall(["call_2"]) == {"call_2": KEPT}
    assert Path(f"{path}.corrupt").exists()
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.WARNING]
    assert SIGNATURE not in caplog.text


def damage_schema(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"PRIMARY KEY", b"PRIMARY \xb3EY"))


TABLES = [
    "CREATE TABLE signatures (other TEXT)",
    "CREATE TABLE signatures (id INTEGER PRIMARY KEY, signature TEXT, family TEXT, stored REAL)",
    "CREATE TABLE signatures (id TEXT PRIMARY KEY, signature TEXT CHECK (signature = ''), family TEXT, stored REAL)",
    "CREATE VIEW signatures AS SELECT 1 AS id",
]


def of_another_make(sql: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(sql)

    return damage


@pytest.mark.parametrize("damage", [damage_schema, *map(of_another_make, TABLES)])
def test_a_file_whose_table_is_not_ours_is_set_aside(
    damage: Callable[[Path], None], path: Path, opened: Opened
) -> None:
    first = opened(path)
    first.remember("call_1", SIGNATURE, "gemini-3-pro")
    first.close()
    damage(path)
    second = opened(path)
    assert second.recall(["call_1"]) == {}
    second.remember("call_2", SIGNATURE, "gemini-3-pro")
    second.close()
    assert opened(path).recall(["call_2"]) == {"call_2": KEPT}


@pytest.mark.parametrize(
    "change", ["stored = 'x'", "stored = x'ff'", "stored = NULL", "signature = 5.5", "family = x'ff'"]
)
def test_a_row_that_cannot_be_read_is_not_known(change: str, path: Path, opened: Opened) -> None:
    first = opened(path)
    first.remember("call_1", SIGNATURE, "gemini-3-pro")
    first.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"UPDATE signatures SET {change}")
    second = opened(path)
    known = second.recall(["call_1"])
    assert known in ({}, {"call_1": Remembered("5.5", "gemini-3-pro")})  # SQLite makes a text of the number
    second.remember("call_2", SIGNATURE, "gemini-3-pro")
    second.close()
    with closing(sqlite3.connect(path)) as connection:  # a time that is none would stand in the file for ever
        assert list(connection.execute("SELECT DISTINCT typeof(stored) FROM signatures")) == [("real",)]
    third = opened(path)
    assert third.recall(["call_2"]) == {"call_2": KEPT}
    assert third.recall(["call_1"]) == known


def test_the_address_of_a_path_on_a_server() -> None:
    path = PureWindowsPath(r"\\server\share\state\signatures.sqlite")
    assert signatures._address(path) == "file:////server/share/state/signatures.sqlite"
    assert signatures._is_on_another_machine(path)
    for here in (PureWindowsPath(r"C:\state\s.sqlite"), PurePosixPath("/state/s.sqlite"), PurePosixPath("//state/s")):
        assert signatures._address(here).startswith("file:///")
        assert not signatures._is_on_another_machine(here)


def test_no_write_ahead_log_on_another_machine(path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "_is_on_another_machine", lambda path: True)
    memory = opened(path)
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.flush()
    assert not Path(f"{path}-wal").exists()
    assert opened(path).recall(["call_1"]) == {"call_1": KEPT}


def test_another_process_has_set_the_file_aside(path: Path, opened: Opened) -> None:
    memory = opened(path)
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.flush()
    for file in list(path.parent.iterdir()):
        file.rename(f"{file}.corrupt")
    memory.remember("call_2", SIGNATURE, "gemini-3-pro")
    memory.flush()
    assert opened(path).recall(["call_2"]) == {"call_2": KEPT}


def test_a_damaged_file_that_has_been_replaced_stays(path: Path, opened: Opened) -> None:
    path.parent.mkdir()
    path.write_bytes(b"new")
    file = signatures._File(path, Clock())
    file._inode = path.stat().st_ino + 1
    file._set_aside()
    assert path.read_bytes() == b"new"


def test_a_locked_file_costs_persistence_until_it_is_free(
    path: Path, opened: Opened, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signatures, "WRITE_WAIT", 0.01)
    monkeypatch.setattr(signatures, "READ_WAIT", 0.01)
    memory = opened(path)
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.flush()
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    memory.remember("call_2", SIGNATURE, "gemini-3-pro")
    memory.flush()
    memory.remember("call_3", SIGNATURE, "gemini-3-pro")
    memory.flush()
    assert list(memory.recall(["call_1", "call_2", "call_3"])) == ["call_1", "call_2", "call_3"]
    lock.close()
    memory.flush()
    assert list(opened(path).recall(["call_1", "call_2", "call_3"])) == ["call_1", "call_2", "call_3"]
    assert len(caplog.records) == 1
    assert "database is locked" in caplog.text


def test_reading_rests_after_a_failure(
    path: Path, opened: Opened, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened(path)
    first.remember("call_1", SIGNATURE, "gemini-3-pro")
    first.close()
    good = path.read_bytes()
    damage_head(path)
    memory = opened(path)
    assert memory.recall(["call_1"]) == {}
    path.write_bytes(good)
    assert memory.recall(["call_1"]) == {}
    clock.time += signatures.RETRY
    assert memory.recall(["call_1"]) == {"call_1": KEPT}
    assert len(caplog.records) == 1


def test_a_path_that_cannot_be_written(tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    memory = opened(tmp_path / "file" / "signatures.db")
    for call_id in ("call_1", "call_2"):
        memory.remember(call_id, SIGNATURE, "gemini-3-pro")
        memory.flush()
    assert list(memory.recall(["call_1", "call_2", "call_3"])) == ["call_1", "call_2"]
    assert len(caplog.records) == 1
    assert SIGNATURE not in caplog.text
    assert "call_" not in caplog.text


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path, opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    memory = opened(tmp_path / "link")
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.flush()
    assert not (tmp_path / "elsewhere").exists()
    assert len(caplog.records) == 1


def test_the_file_is_there_before_the_first_signature(tmp_path: Path) -> None:
    path = tmp_path / "state" / "signatures.sqlite"
    memory = SignatureMemory(path)
    memory.open()
    memory.close()
    assert path.stat().st_mode & 0o777 == 0o600
