"""Tool names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.gemini.names import ToolNames

STRICT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
LONG = "mcp__filesystem__" + "x" * 80

names = st.text(max_size=80) | st.text("ab._-1 :", max_size=6) | st.text(st.characters(), max_size=5)


@pytest.mark.parametrize("name", ["f", "_", "get_weather", "get-weather", "a" * 64, "A1"])
def test_a_valid_name_stays(name: str) -> None:
    assert ToolNames().to_wire(name) == name


ROWS = [
    pytest.param("fs.read", r"fs_read_[0-9a-f]{8}", id="dot"),
    pytest.param("ns:read", r"ns_read_[0-9a-f]{8}", id="colon"),
    pytest.param("read file", r"read_file_[0-9a-f]{8}", id="space"),
    pytest.param("1st", r"_1st_[0-9a-f]{8}", id="leading-digit"),
    pytest.param("-f", r"_-f_[0-9a-f]{8}", id="leading-dash"),
    pytest.param("天气", r"__[0-9a-f]{8}", id="unicode"),
    pytest.param("\ud800", r"__[0-9a-f]{8}", id="lone-surrogate"),
    pytest.param("f\n", r"f__[0-9a-f]{8}", id="newline-at-the-end"),
    pytest.param("", r"_[0-9a-f]{8}", id="empty"),
    pytest.param(LONG, LONG[:55] + r"_[0-9a-f]{8}", id="long"),
    pytest.param("١st", r"_st_[0-9a-f]{8}", id="digit-of-another-script"),
]


@pytest.mark.parametrize(("name", "pattern"), ROWS)
def test_another_name_becomes_readable_and_comes_back(name: str, pattern: str) -> None:
    tools = ToolNames([name])
    wire = tools.to_wire(name)
    assert re.fullmatch(pattern, wire)
    assert STRICT.fullmatch(wire)
    assert tools.to_client(wire) == name


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("a.b", "a:b", id="read-the-same"),
        pytest.param(LONG, LONG + "y", id="same-beginning"),
        pytest.param("a.b", ToolNames().to_wire("a.b"), id="spelled-like-a-hash"),
        pytest.param(ToolNames().to_wire("a.b"), "a.b", id="spelled-like-a-hash-and-first"),
    ],
)
def test_names_that_read_the_same_stay_apart(first: str, second: str) -> None:
    tools = ToolNames([first, second])
    assert tools.to_wire(first) != tools.to_wire(second)
    assert [tools.to_client(tools.to_wire(name)) for name in (first, second)] == [first, second]


@given(st.lists(names, max_size=12))
def test_every_list_of_names_comes_back(told: list[str]) -> None:
    tools = ToolNames(told)
    wires = {name: tools.to_wire(name) for name in told}
    assert len(set(wires.values())) == len(wires)
    assert all(STRICT.fullmatch(wire) for wire in wires.values())
    assert all(tools.to_client(wire) == name for name, wire in wires.items())
    assert all(tools.declared(wire) for wire in wires.values())


@given(st.lists(names, max_size=6), names)
def test_a_name_reads_the_same_in_every_request(others: list[str], name: str) -> None:
    assert ToolNames([*others, name]).to_wire(name) == ToolNames([name]).to_wire(name)


@pytest.mark.parametrize(
    ("wire", "name", "declared"),
    [
        pytest.param("read", "read", True, id="plain"),
        pytest.param("default_api:read", "read", True, id="colon"),
        pytest.param("default_api.read", "read", True, id="dot"),
        pytest.param("default_api:" + ToolNames().to_wire("fs.write"), "fs.write", True, id="restored-too"),
        pytest.param("default_api:other", "default_api:other", False, id="rest-not-declared"),
        pytest.param("other", "other", False, id="unknown"),
        pytest.param("fs.write", "fs.write", False, id="not-the-wire-form"),
        pytest.param("", "", False, id="no-name"),
        pytest.param("default_api_x", "default_api_x", True, id="declared-with-such-a-beginning"),
    ],
)
def test_what_gemini_calls(wire: str, name: str, declared: bool) -> None:
    tools = ToolNames(["read", "fs.write", "default_api_x"])
    assert tools.to_client(wire) == name
    assert tools.declared(wire) is declared


def test_a_declared_name_with_the_prefix_keeps_it() -> None:
    tools = ToolNames(["read", "default_api:read"])
    assert tools.to_client(tools.to_wire("default_api:read")) == "default_api:read"


def test_a_name_of_the_history_comes_back_but_is_not_declared() -> None:
    tools = ToolNames(["read"])
    wire = tools.to_wire("fs.gone")
    assert tools.to_client(wire) == "fs.gone"
    assert not tools.declared(wire)
    assert tools.to_client(f"default_api:{wire}") == f"default_api:{wire}"
