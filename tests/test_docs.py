"""What can be set, asked for and answered is in the README, and what the documents say exists."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.dialects.openai_embeddings.dialect import OpenAIEmbeddings
from gemini_proxy.gemini.answer.reader import BROKEN
from gemini_proxy.mitm import network
from gemini_proxy.settings import OTHERS, ROWS, SETTINGS, Setting
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


DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
FACTS = {
    "docs/protocol.md": "P",
    "docs/mapping.md": "M",
}  # documents with numbered rows, and what the numbers begin with
ROW = re.compile(r"^\| ([PM]-\d+) \|", re.MULTILINE)
NUMBERS = r"[PM]-\d{3,4}(?:(?:, | to | and )[PM]-\d{3,4})*"
CITATION = re.compile(rf"docs/[a-z]+\.md(?:, (?:{NUMBERS}|section \d+))?")
PATH = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py|(?:docs|tests|scripts|gemini_proxy|samples)/[\w./]*)`")
ROUTE = re.compile(r"(?<![\w.])(/(?:v1/|auth/|health)[\w/{}…]*)")


def rows_of(document: str) -> list[str]:
    return ROW.findall((ROOT / document).read_text())


def sources() -> Iterator[Path]:
    yield from (ROOT / "gemini_proxy").rglob("*.py")
    yield from (ROOT / "tests").rglob("*.py")
    yield from ROOT.glob("*.py")


def headings_of(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(("document", "letter"), FACTS.items())
def test_numbers_of_facts_are_given_once(document: str, letter: str) -> None:
    rows = rows_of(document)
    assert len(rows) > 50
    assert len(rows) == len(set(rows))
    assert {row[0] for row in rows} == {letter}
    assert len(rows) == len(re.findall(rf"^\| {letter}-", (ROOT / document).read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_numbers_in_documents_exist(document: str) -> None:
    known = {row for name in FACTS for row in rows_of(name)}
    assert set(re.findall(r"\b[PM]-\d{3,4}\b", (ROOT / document).read_text())) <= known


def test_citations_in_the_code_resolve() -> None:
    known = {name: {*rows_of(name), *headings_of((ROOT / name).read_text())} for name in FACTS}
    for path in sources():
        if path == Path(__file__):
            continue
        for citation in CITATION.findall(path.read_text()):
            document, _, place = citation.partition(", ")
            assert (ROOT / document).is_file(), f"{path.name} cites {document}"
            for number in re.findall(r"[PM]-\d+", place):
                assert number in known[document], f"{path.name} cites {citation}"
            if place.startswith("section "):
                start = f"{place.removeprefix('section ')}-"
                assert any(heading.startswith(start) for heading in known[document]), f"{path.name} cites {citation}"


# Numbers of documents that no clone has: a reader could not follow them.
LOST = re.compile(r"\b(C\d{2,3}|protocol \d+(\.\d+)?|(mapping|conformance) [A-Z](\.\d+)?)\b|\btest\w*_c\d{2,3}(_|\b)")


def test_no_citation_leads_out_of_the_clone() -> None:
    for path in sources():
        if path != Path(__file__):
            text = re.sub(r"# noqa: [A-Z]+\d+", "", path.read_text())
            assert not LOST.search(text), f"{path.name} cites {LOST.search(text)}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_resolve(document: str) -> None:
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (ROOT / document).parent / file if file else ROOT / document
        assert linked.is_file(), f"{document} links to {target}"
        assert not anchor or anchor in headings_of(linked.read_text()), f"{document} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_documents_name_exist(document: str) -> None:
    """Named from the root, or from the package where that is shorter; NAME is what a reader puts in."""
    for name in PATH.findall((ROOT / document).read_text()):
        found = (ROOT / name).exists() or (ROOT / "gemini_proxy" / name).exists()
        assert found or "/NAME/" in name, f"{document} names {name}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_routes_that_documents_name_exist(document: str) -> None:
    """A path, or the beginning of one where the document leaves the rest open."""
    for route in ROUTE.findall((ROOT / document).read_text()):
        start = re.split("[{…]", route)[0]
        open_end = start != route or start.endswith("/")
        found = start in texts() or (open_end and any(text.startswith(start.rstrip("/")) for text in texts()))
        assert found, f"{document} names {route}"


@cache
def texts() -> frozenset[str]:
    """All that stands in quotes in the package, the emulator of Google left out."""
    return frozenset(
        node.value
        for path in (ROOT / "gemini_proxy").rglob("*.py")
        if "emulator" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("document", DOCUMENTS)
def test_settings_that_documents_name_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    ours = set(re.findall(r"\b(?:GEMINI|PROXY)_[A-Z_]*[A-Z]\b", text))
    slips = {"GEMINI_API_KYE"}  # an example of one
    assert {name for name in ours if not OTHERS.match(name)} - slips <= ROWS.keys()
    assert set(re.findall(r"--set (gemini_\w+)", text)) <= {row.option for row in SETTINGS}


@pytest.mark.parametrize("text", ["README.md", "CONTRIBUTING.md", "SECURITY.md", ".env.example"])
def test_examples_say_127_0_0_1(text: str) -> None:
    """`localhost` costs a client two seconds for each connection on Windows."""
    assert not re.search(r"https?://localhost|curl [^|`]*localhost", (ROOT / text).read_text())
