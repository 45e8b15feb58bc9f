"""What can be set, asked for and answered is in the README."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.dialects.openai_embeddings.dialect import OpenAIEmbeddings
from gemini_proxy.gemini.answer.reader import BROKEN
from gemini_proxy.mitm import network
from gemini_proxy.settings import SETTINGS, Setting
from gemini_proxy.upstreams.code_assist import eligibility

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = ["/health", "/auth/login", "/auth/status", "/auth/logout"]
ROUTES = [*OpenAIChat.routes, *OpenAIEmbeddings.routes, *PAGES]
CODE = re.compile(r"[a-z]+(_[a-z]+)+")
# Which argument of what makes an error is its code.
MAKERS = {"ProxyError": (1,), "bad_request": (2,), "_refusal": (0, 2)}


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.field)
def test_every_setting_is_documented(row: Setting) -> None:
    line = next((line for line in README.splitlines() if line.startswith("|") and f"`{row.option}`" in line), "")
    for name in row.environment:
        assert f"`{name}`" in line, f"README.md lacks {name}"


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.field)
def test_every_setting_is_in_the_example(row: Setting) -> None:
    assert f"{row.environment[0]}=" in (ROOT / ".env.example").read_text()


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_documented(route: str) -> None:
    assert route.partition("/{")[0] in README


def codes() -> set[str]:
    """The codes of all errors that the package makes: in the calls that make one, in rows with a status, in tables."""
    found = (
        {code for code, _ in eligibility.REASONS.values()}
        | {code for _, code, _ in network.BROKEN}
        | {network.UNREACHABLE, network.TLS_ERROR}
        | set(map(str.lower, BROKEN))
    )
    for path in (ROOT / "gemini_proxy").rglob("*.py"):
        if "emulator" not in path.parts:
            found |= set(_codes_in(ast.parse(path.read_text())))
    return found


def _codes_in(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for place in MAKERS.get(node.func.id, ()):
                yield from _code(node.args[place : place + 1])
        elif isinstance(node, ast.Tuple):
            for status, code in zip(node.elts, node.elts[1:], strict=False):
                if isinstance(status, ast.Constant) and isinstance(status.value, int) and 400 <= status.value < 600:
                    yield from _code([code])
        elif isinstance(node, ast.FunctionDef) and any(argument.arg == "code" for argument in node.args.args):
            yield from _code(node.args.defaults)


def _code(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            yield node.value


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_code_is_documented(code: str) -> None:
    rows = [line for line in README.splitlines() if line.startswith("|") and f"`{code}`" in line]
    assert rows, f"README.md has no row for {code}"


def test_the_codes_are_found() -> None:
    for code in ("google_login_required", "remote_media_disabled", "invalid_json", "malformed_function_call"):
        assert code in codes()


@pytest.mark.parametrize("text", ["README.md", "CONTRIBUTING.md", "SECURITY.md", ".env.example"])
def test_examples_say_127_0_0_1(text: str) -> None:
    """`localhost` costs a client two seconds for each connection on Windows."""
    assert not re.search(r"https?://localhost|curl [^|`]*localhost", (ROOT / text).read_text())
