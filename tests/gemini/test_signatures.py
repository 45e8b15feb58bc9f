"""Memory of thought signatures, over any store."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from gemini_proxy.gemini.signatures import DUMMY, LIMITS, TABLE, Remembered, SignatureMemory, from_foreign_id, valid
from gemini_proxy.state import Entry, Limits
from gemini_proxy.state.memory import MemoryStore, MemoryTable
from gemini_proxy.state.sqlite import SqliteStore
from tests.state.clock import Clock

SIGNATURE = "CiQBjz1rXw+/8v0="
OTHER = "RW4gYW5kZXJlcg=="
KEPT = Remembered(SIGNATURE, "gemini-3-pro")


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        pytest.param(SIGNATURE, True, id="standard"),
        pytest.param("Ab_-", True, id="url-safe"),
        pytest.param(DUMMY, True, id="sentinel"),
        pytest.param("QQ==", True, id="two-paddings"),
        pytest.param("", False, id="empty"),
        pytest.param(SIGNATURE[:-3], False, id="truncated"),
        pytest.param("not base64!!", False, id="not-base64"),
        pytest.param("QQ==QQ==", False, id="concatenated"),
        pytest.param("Q===", False, id="three-paddings"),
        pytest.param("=QQQ", False, id="padding-in-front"),
        pytest.param("QQ\n=", False, id="newline"),
        pytest.param("äöüß", False, id="not-ascii"),
        pytest.param("\ud800abc", False, id="lone-surrogate"),
    ],
)
def test_valid(signature: str, expected: bool) -> None:
    assert valid(signature) is expected


@pytest.mark.parametrize(
    ("call_id", "expected"),
    [
        pytest.param(f"call_1__thought__{SIGNATURE}", SIGNATURE, id="thought"),
        pytest.param(f"call_1__sig__{SIGNATURE}", SIGNATURE, id="sig"),
        pytest.param(f"call_1_TSIG_{SIGNATURE}", SIGNATURE, id="tsig"),
        pytest.param("call_1_TSIG_abc", None, id="not-base64"),
        pytest.param("call_1__thought__", None, id="nothing-there"),
        pytest.param(f"call_1{SIGNATURE}", None, id="no-mark"),
        pytest.param("call_1", None, id="plain"),
    ],
)
def test_signature_in_a_foreign_id(call_id: str, expected: str | None) -> None:
    assert from_foreign_id(call_id) == expected


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path, clock)
    yield store
    store.close()


@pytest.fixture(params=["nowhere", "memory", "file"])
def memory(request: pytest.FixtureRequest, store: SqliteStore, clock: Clock) -> SignatureMemory:
    stores = {"nowhere": None, "memory": MemoryStore(clock), "file": store}
    kept = stores[request.param]
    return SignatureMemory(kept.table(TABLE, LIMITS) if kept else None, clock)


def test_a_call_gets_its_signature_back(memory: SignatureMemory) -> None:
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.remember("call_2", OTHER, "gemini-3-flash")
    assert memory.recall(["call_1", "unknown", "", "call_2"]) == {
        "call_1": KEPT,
        "call_2": Remembered(OTHER, "gemini-3-flash"),
    }
    assert memory.recall([]) == {}


def test_what_cannot_be_a_signature_is_not_kept(memory: SignatureMemory) -> None:
    memory.remember("call_1", "nonsense!", "gemini-3-pro")
    memory.remember("", SIGNATURE, "gemini-3-pro")
    assert memory.recall(["call_1", ""]) == {}


def test_the_latest_signature_of_an_id_counts(memory: SignatureMemory) -> None:
    memory.remember("call_1", OTHER, "gemini-3-pro")
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    assert memory.recall(["call_1"]) == {"call_1": KEPT}


def test_ids_and_families_may_be_anything(memory: SignatureMemory) -> None:
    ids = ["a|b:c", "x" * 5000, "'; DROP TABLE entries; --", "\ud800", "\0", "é"]
    for call_id in ids:
        memory.remember(call_id, SIGNATURE, "gemini 3 pro")
    memory.remember("odd", SIGNATURE, "\ud800")
    assert memory.recall([*ids, "odd"]) == {
        **dict.fromkeys(ids, Remembered(SIGNATURE, "gemini 3 pro")),
        "odd": Remembered(SIGNATURE, "?"),
    }


def test_a_signature_lives_for_a_day(memory: SignatureMemory, clock: Clock) -> None:
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    clock.time += 24 * 3600
    assert memory.recall(["call_1"]) == {"call_1": KEPT}
    clock.time += 1
    assert memory.recall(["call_1"]) == {}


def test_what_was_found_elsewhere_expires_with_its_first_day(store: SqliteStore, clock: Clock) -> None:
    table = store.table(TABLE, LIMITS)
    SignatureMemory(table, clock).remember("call_1", SIGNATURE, "gemini-3-pro")
    memory = SignatureMemory(table, clock)
    clock.time += 23 * 3600
    assert memory.recall(["call_1"]) == {"call_1": KEPT}
    clock.time += 3601
    assert memory.recall(["call_1"]) == {}


def test_what_is_in_use_outlives_what_is_not(clock: Clock) -> None:
    memory = SignatureMemory(None, clock, Limits(60, 2, 10_000))
    for call_id in ("a", "b", "c"):
        memory.remember(call_id, SIGNATURE, "gemini-3-pro")
        memory.recall(["a"])
    assert list(memory.recall(["a", "b", "c"])) == ["a", "c"]


def test_a_restart_forgets_nothing_and_asks_once(tmp_path: Path, clock: Clock) -> None:
    def life(work: Callable[[SignatureMemory, SqliteStore], None]) -> None:
        store = SqliteStore(tmp_path, clock)
        work(SignatureMemory(store.table(TABLE, LIMITS), clock), store)
        store.close()

    def second(memory: SignatureMemory, store: SqliteStore) -> None:
        assert memory.recall(["call_1"]) == {"call_1": KEPT}
        for file in tmp_path.iterdir():
            file.unlink()
        assert memory.recall(["call_1"]) == {"call_1": KEPT}  # from its own memory, this time

    life(lambda memory, store: memory.remember("call_1", SIGNATURE, "gemini-3-pro"))
    life(second)


def test_what_it_knows_it_does_not_ask_for(clock: Clock) -> None:
    asked: list[list[str]] = []

    class Counting(MemoryTable):
        def get(self, keys: Iterable[str]) -> dict[str, Entry]:
            asked.append(list(keys))
            return super().get(asked[-1])

    memory = SignatureMemory(Counting(LIMITS, clock), clock)
    memory.remember("call_1", SIGNATURE, "gemini-3-pro")
    memory.recall(["call_1"])
    memory.recall(["call_1", "call_2", "call_3"])
    assert asked == [["call_2", "call_3"]]


@pytest.mark.parametrize("value", [b"", b"nonsense", b"\xff\xff", b"nonsense! gemini-3-pro"])
def test_what_it_has_not_written_is_not_known(value: bytes, clock: Clock) -> None:
    table = MemoryStore(clock).table(TABLE, LIMITS)
    table.put("call_1", value)
    table.put("call_2", f"{SIGNATURE} gemini-3-pro".encode())
    memory = SignatureMemory(table, clock)
    if value == b"nonsense":  # base64 all the same, and of no family
        assert memory.recall(["call_1"]) == {"call_1": Remembered("nonsense", "")}
    else:
        assert memory.recall(["call_1", "call_2"]) == {"call_2": KEPT}
