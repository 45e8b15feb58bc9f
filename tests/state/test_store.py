"""What every engine behind the door does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.state import Entry, Limits, Store
from gemini_proxy.state.memory import Bounded, MemoryStore
from gemini_proxy.state.sqlite import SqliteStore
from tests.state.clock import Clock

LIMITS = Limits(lifetime=60, entries=100, size=10_000_000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    store: Store = MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path, clock)
    yield store
    store.close()


def values(entries: dict[str, Entry]) -> dict[str, bytes]:
    return {key: entry.value for key, entry in entries.items()}


@pytest.mark.parametrize("flushed", [False, True])
def test_many_values_in_one_query(store: Store, clock: Clock, flushed: bool) -> None:
    table = store.table("a", LIMITS)
    assert table.put("one", b"1")
    assert table.put("two", b"\xff\0" * 1_000_000)
    if flushed:
        store.flush()
    assert table.get(key for key in ("two", "none", "one", "two")) == {
        "two": Entry(b"\xff\0" * 1_000_000, clock.time + 60),
        "one": Entry(b"1", clock.time + 60),
    }
    assert table.get([]) == {}


@pytest.mark.parametrize("flushed", [False, True])
def test_the_latest_value_counts_until_it_is_deleted(store: Store, flushed: bool) -> None:
    table = store.table("a", LIMITS)
    for value in (b"1", b"2"):
        table.put("key", value)
        if flushed:
            store.flush()
        assert values(table.get(["key"])) == {"key": value}
    for _ in range(2):
        table.delete("key")
        if flushed:
            store.flush()
        assert table.get(["key"]) == {}
    table.put("key", b"3")
    assert values(table.get(["key"])) == {"key": b"3"}


@pytest.mark.parametrize("flushed", [False, True])
def test_tables_do_not_mix(store: Store, flushed: bool) -> None:
    first, second = store.table("a", LIMITS), store.table("b", Limits(60, 2, 1000))
    first.put("key", b"1")
    first.put("more", b"1")
    second.put("key", b"2")
    second.delete("more")
    if flushed:
        store.flush()
    assert values(first.get(["key", "more"])) == {"key": b"1", "more": b"1"}
    assert values(second.get(["key", "more"])) == {"key": b"2"}


@pytest.mark.parametrize("flushed", [False, True])
def test_a_value_lives_as_long_as_its_table_says(store: Store, clock: Clock, flushed: bool) -> None:
    short, long = store.table("a", LIMITS), store.table("b", Limits(120, 100, 1000))
    short.put("key", b"1")
    long.put("key", b"1")
    if flushed:
        store.flush()
    clock.time += 60
    assert list(short.get(["key"])) == ["key"]
    clock.time += 0.5
    assert short.get(["key"]) == {}
    assert list(long.get(["key"])) == ["key"]


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("limits", [Limits(60, 3, 1_000_000), Limits(60, 100, 700)], ids=["entries", "size"])
def test_the_oldest_give_way(store: Store, clock: Clock, limits: Limits, flushed: bool) -> None:
    table = store.table("a", limits)
    keys = [f"{i}" for i in range(5)]
    for key in keys:
        clock.time += 1
        table.put(key, b"x" * 200)
        if flushed:
            store.flush()
    assert list(table.get(keys)) == keys[2:]


@pytest.mark.parametrize("flushed", [False, True])
def test_a_value_that_no_room_can_be_made_for(store: Store, flushed: bool) -> None:
    table = store.table("a", Limits(60, 10, 1000))
    table.put("other", b"1")
    table.put("key", b"1")
    if flushed:
        store.flush()
    assert not table.put("key", b"x" * 1001)
    store.flush()
    assert table.get(["key"]) == {}


def test_keys_may_be_any_text(store: Store) -> None:
    keys = ["", "a|b", "x" * 5000, "'; DROP TABLE entries; --", "\ud800", "\0", "é"]
    table = store.table("a", Limits(60, 100, 100_000))
    for number, key in enumerate(keys):
        table.put(key, str(number).encode())
    store.flush()
    assert values(table.get(keys)) == {key: str(number).encode() for number, key in enumerate(keys)}


STEPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 40)), max_size=30)


@given(STEPS, st.integers(1, 5), st.integers(1, 80))
def test_bounded_never_holds_more_than_it_may(steps: list[tuple[str, int | None]], entries: int, size: int) -> None:
    """And holds what was put last, in order, if there is room for it at all."""
    held = Bounded(Limits(60, entries, size))
    for key, length in steps:
        held.put(key, None if length is None else Entry(b"x" * length, 0))
        sizes = [len(k) + (len(e.value) if e else 0) for k, e in held.items()]
        assert len(held) <= entries
        assert sum(sizes) == held._size <= size
        assert (1 + (length or 0) <= size) == (key in held) == (key in [k for k, _ in held.items()[-1:]])
