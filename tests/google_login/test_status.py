import pytest

from gemini_proxy.google_login.status import iso, status_of
from gemini_proxy.google_login.token import Token

NOBODY = {"authenticated": False, "email": None, "projectId": None, "expiresAt": None}


def test_nobody() -> None:
    assert status_of(None, "ignored") == NOBODY


def test_somebody() -> None:
    token = Token("a", expiry_date=1795352576857, email="user@example.com", project_id="p")
    expected = {
        "authenticated": True, "email": "user@example.com", "projectId": "p", "expiresAt": "2026-11-22T13:02:56.857Z",
    }  # fmt: skip
    assert status_of(token) == expected
    assert status_of(token, "configured")["projectId"] == "configured"


def test_what_is_unknown_is_null() -> None:
    assert status_of(Token("a")) == {**NOBODY, "authenticated": True}


@pytest.mark.parametrize(
    ("date", "text"), [(0, "1970-01-01T00:00:00.000Z"), (None, None), (10**16, None), (-(10**16), None)]
)
def test_dates(date: int | None, text: str | None) -> None:
    assert iso(date) == text
