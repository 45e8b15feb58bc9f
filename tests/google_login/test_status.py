import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.status import account_in_words, iso, status_of
from gemini_proxy.google_login.token import Token

NOBODY = {"authenticated": False, "email": None, "projectId": None, "expiresAt": None}


def test_nobody() -> None:
    assert status_of(None, "ignored") == NOBODY
    problem = ProxyError(401, "google_login_required", "Sign in.")
    assert status_of(None, "ignored", problem) == {**NOBODY, "reason": "google_login_required", "message": "Sign in."}


def test_somebody() -> None:
    token = Token("a", expiry_date=1795352576857, email="user@example.com", project_id="p")
    expected = {
        "authenticated": True, "email": "user@example.com", "projectId": "p", "expiresAt": "2026-11-22T13:02:56.857Z",
    }  # fmt: skip
    assert status_of(token) == expected
    assert status_of(token, "configured")["projectId"] == "configured"


def test_what_is_unknown_is_null() -> None:
    assert status_of(Token("a")) == {**NOBODY, "authenticated": True}


def test_an_account_in_words() -> None:
    token = Token("a", email="user@example.com", project_id="p", tier="Standard")
    assert account_in_words(token) == "user@example.com, project p, Standard"
    assert account_in_words(token, "configured") == "user@example.com, project configured, Standard"
    assert account_in_words(Token("a")) == "an account whose address is unknown"


@pytest.mark.parametrize(
    ("date", "text"), [(0, "1970-01-01T00:00:00.000Z"), (None, None), (10**16, None), (-(10**16), None)]
)
def test_dates(date: int | None, text: str | None) -> None:
    assert iso(date) == text
