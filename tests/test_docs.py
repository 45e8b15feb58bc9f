"""What can be set and asked for is in the README."""

from pathlib import Path

import pytest

from gemini_proxy.settings import SETTINGS, Setting

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ROUTES = [
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/models",
    "/health",
    "/auth/login",
    "/auth/status",
    "/auth/logout",
]


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
    assert route in README
