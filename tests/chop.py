"""Every way to cut bytes that a network might find."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from hypothesis import strategies as st


def pieces(data: bytes, borders: Iterable[int]) -> list[bytes]:
    """`data` cut at `borders`."""
    places = [0, *sorted(set(borders) & set(range(1, len(data)))), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def every_cut(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and in two at each position."""
    yield [data]
    yield pieces(data, range(len(data)))
    for place in range(1, len(data)):
        yield [data[:place], data[place:]]


def assert_same_for_every_cut(data: bytes, read: Callable[[list[bytes]], object], expected: object) -> None:
    for cut in every_cut(data):
        assert read(cut) == expected, cut


def cuts(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """Random cuts of `data`, for property tests."""
    return st.sets(st.integers(1, max(1, len(data) - 1))).map(lambda borders: pieces(data, borders))
