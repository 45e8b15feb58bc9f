import platform
import re
import sysconfig

import pytest

from gemini_proxy import user_agent as module
from gemini_proxy.user_agent import node_arch, node_platform, user_agent
from gemini_proxy.version import VERSION


def test_layout_of_the_gemini_cli() -> None:
    pattern = rf"gemini-proxy/{re.escape(VERSION)}/gemini-2\.5-pro \([a-z0-9]+; [a-z0-9]+; mitmproxy\)"
    assert re.fullmatch(pattern, user_agent("gemini-2.5-pro"))


def test_nobody_is_asked_who_could_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, `platform` asks a service that may hang."""

    def hang() -> None:
        raise AssertionError

    expected = user_agent("")
    monkeypatch.setattr(platform, "uname", hang)
    assert user_agent("") == expected
    monkeypatch.setattr(module, "UNAME", None)
    for name, arch in (("win-amd64", "x64"), ("win-arm64", "arm64"), ("win32", "ia32")):
        monkeypatch.setattr(sysconfig, "get_platform", lambda name=name: name)
        assert f"; {arch}; mitmproxy)" in user_agent("")


def test_without_a_model() -> None:
    assert re.fullmatch(rf"gemini-proxy/{re.escape(VERSION)} \([a-z0-9]+; [a-z0-9]+; mitmproxy\)", user_agent(""))


def test_the_users_own_replaces_it() -> None:
    assert user_agent("gemini-2.5-pro", "mine/1") == "mine/1"


@pytest.mark.parametrize("model", ["a\r\nx-evil: 1", "models/ü", "a (b)", "x" * 5000])
def test_a_model_cannot_break_the_header(model: str) -> None:
    agent = user_agent(model)
    assert agent.isascii()
    assert agent.isprintable()
    assert len(agent) < 200
    assert agent.count("(") == 1
    assert agent.partition(" (")[0].count("/") == 2


@pytest.mark.parametrize(
    ("ours", "nodes"), [("linux", "linux"), ("darwin", "darwin"), ("win32", "win32"), ("freebsd14", "freebsd")]
)
def test_platform_as_node_spells_it(ours: str, nodes: str) -> None:
    assert node_platform(ours) == nodes


@pytest.mark.parametrize(
    ("ours", "nodes"),
    [("x86_64", "x64"), ("AMD64", "x64"), ("aarch64", "arm64"), ("arm64", "arm64"), ("riscv64", "riscv64"), ("", "unknown")],
)  # fmt: skip
def test_arch_as_node_spells_it(ours: str, nodes: str) -> None:
    assert node_arch(ours) == nodes
