"""Who may know whom: imports point down, and mitmproxy has one importer."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "gemini_proxy"

BOTTOM = {"errors", "version"}
PURE = {*BOTTOM, "http", "sse", "files"}
HUB = {*PURE, "gemini"}
# What both halves of the hub, the way of a request and that of an answer, may know; neither knows the other.
WORDS = {"wire", "family", "models", "model_names", "names", "signatures", "transcript", "inline", "lenient_json"}
HUB_WORDS = {*PURE, *(f"gemini.{name}" for name in (*WORDS, "status", "embeddings"))}
CONTRACTS = {*HUB, "exchange"}
NETWORK = {"outbound", "unreachable", "content_coding"}
SIGN_IN = {*PURE, *NETWORK, "google_login", "settings", "setting_values", "user_agent", "login_command"}
HOST = {*BOTTOM, *NETWORK, "http", "exchange", "settings", "setting_values", "upstreams", "app", "mitm"}

# Longest prefix wins. What is not here may import nothing of ours.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "http": {"errors"},
    "sse": set(),
    "login_command": set(),
    "setting_values": set(),
    "env_file": {"setting_values"},
    "settings": {"setting_values", "env_file", "files"},
    "user_agent": {"version"},
    "outbound": {"errors"},
    "unreachable": {"outbound"},
    "content_coding": set(),
    "files": set(),
    "state": {"files", "state"},
    "gemini": HUB_WORDS,
    # its memory knows the door, and no engine that works with files
    "gemini.signatures": {*HUB_WORDS, "state.Entry", "state.Limits", "state.Table", "state.memory"},
    "gemini.request": {*HUB_WORDS, "gemini.request"},
    "gemini.answer": {*HUB_WORDS, "gemini.answer"},
    "exchange": {*HUB, "redact"},
    "redact": set(),
    "dialects": {*CONTRACTS, "settings", "dialects"},
    "dialects.openai_errors": PURE,
    "dialects.openai_chat": {*CONTRACTS, "settings", "dialects.openai_chat", "dialects.openai_errors"},
    "dialects.openai_embeddings": {*CONTRACTS, "settings", "dialects.openai_embeddings", "dialects.openai_errors"},
    "upstreams": {*CONTRACTS, "settings", "setting_values", "google_login", "upstreams"},
    "upstreams.code_assist": {*CONTRACTS, *SIGN_IN, "upstreams.code_assist"},
    "upstreams.gemini_api": {*CONTRACTS, "user_agent", "upstreams.gemini_api"},
    "google_login": SIGN_IN,
    "app": {*CONTRACTS, *SIGN_IN, "state", "dialects", "upstreams", "app"},  # not mitm: it runs without a host
    "app.demo": {*SIGN_IN, "emulator"},
    "mitm": HOST,
    "mitm.gate": {*HOST, "dialects.openai_errors"},  # it answers where there is no app
    "emulator": {"emulator"},  # a mistake that it shared with the proxy would pass its own test
}
# Libraries that only some may know.
ONLY = {
    "mitmproxy": {"mitm"},
    "httpx": {"outbound", "unreachable", "google_login.client", "app.remote_media"},
    "jsonschema": {"gemini.answer.schema_check"},
    "referencing": {"gemini.answer.schema_check"},
    "sqlite3": {"state.database"},
    "dotenv": {"env_file"},
    "pydantic": {"gemini", "dialects", "upstreams", "sse"},
}
MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_in(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    name = name_of(path)
    row = max((row for row in MAY_IMPORT if is_in(name, {row})), key=len, default="")
    for imported in imports_of(path):
        library, _, rest = imported.partition(".")
        if library == PACKAGE and rest:
            assert is_in(rest, MAY_IMPORT.get(row, set())), f"{name} imports {rest}"
        elif library in ONLY:
            assert is_in(name, ONLY[library]), f"{name} imports {library}"


def test_the_emulator_needs_the_standard_library_alone() -> None:
    import sys

    for path in (ROOT / PACKAGE / "emulator").rglob("*.py"):
        outside = {name.partition(".")[0] for name in imports_of(path)} - sys.stdlib_module_names - {PACKAGE}
        assert not outside, f"{path.name} imports {outside}"
