import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.flow import Google, redirect_error, tokens_for_code, tokens_for_refresh
from gemini_proxy.settings import resolve


def google(**env: str) -> Google:
    return Google.from_settings(resolve(env))


def test_real_addresses() -> None:
    real = google()
    assert real.auth_url == "https://accounts.google.com/o/oauth2/v2/auth"
    assert real.token_url == "https://oauth2.googleapis.com/token"
    assert real.tokeninfo_url == "https://oauth2.googleapis.com/tokeninfo"
    assert real.revoke_url == "https://oauth2.googleapis.com/revoke"
    assert real.userinfo_url == "https://www.googleapis.com/oauth2/v2/userinfo"


def test_one_base_replaces_the_hosts_and_keeps_the_paths() -> None:
    real, moved = google(), google(GEMINI_GOOGLE_URL="http://127.0.0.1:8099/")
    for name in ("auth_url", "token_url", "tokeninfo_url", "revoke_url", "userinfo_url"):
        assert getattr(moved, name) == "http://127.0.0.1:8099" + urlsplit(getattr(real, name)).path


def test_authorization_url_in_the_gemini_clis_order() -> None:
    url = google().authorization_url("http://127.0.0.1:3000/auth/callback", "the-state", "the-challenge")
    scope = " ".join(
        f"https://www.googleapis.com/auth/{name}" for name in ("cloud-platform", "userinfo.email", "userinfo.profile")
    )
    assert parse_qsl(urlsplit(url).query) == [
        ("redirect_uri", "http://127.0.0.1:3000/auth/callback"),
        ("access_type", "offline"),
        ("scope", scope),
        ("code_challenge_method", "S256"),
        ("code_challenge", "the-challenge"),
        ("state", "the-state"),
        ("response_type", "code"),
        ("client_id", google().client_id),
    ]
    assert "+" not in url


def test_a_client_of_ones_own_asks_for_consent_anew() -> None:
    url = google(GEMINI_OAUTH_CLIENT_ID="mine").authorization_url("http://localhost/auth/callback", "s", "c")
    assert dict(parse_qsl(urlsplit(url).query))["prompt"] == "consent"


def test_forms_in_the_gemini_clis_order() -> None:
    forms = Google("id", "secret")
    exchange = forms.exchange_form("code", "verifier", "http://localhost/cb")
    assert list(exchange.items()) == [
        ("client_id", "id"),
        ("code_verifier", "verifier"),
        ("code", "code"),
        ("grant_type", "authorization_code"),
        ("redirect_uri", "http://localhost/cb"),
        ("client_secret", "secret"),
    ]
    assert list(forms.refresh_form("refresh")) == ["refresh_token", "client_id", "client_secret", "grant_type"]
    assert forms.revoke_form("t") == {"token": "t"}


def test_repr_hides_the_secret() -> None:
    assert "hush" not in repr(Google("id", "hush"))


def test_good_answers() -> None:
    answer = {"access_token": "ya29.x", "expires_in": 3599}
    assert tokens_for_code(200, json.dumps(answer).encode()) == answer
    assert tokens_for_refresh(200, json.dumps(answer).encode()) == answer


INVALID_GRANT = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(400, INVALID_GRANT, (401, "google_login_required", False)),
        (400, {**INVALID_GRANT, "error_subtype": "invalid_rapt"}, (401, "google_login_required", False)),
        (401, {"error": "invalid_client"}, (401, "oauth_client_rejected", False)),
        (400, {"error": "unauthorized_client"}, (401, "oauth_client_rejected", False)),
        (403, {"error": "admin_policy_enforced"}, (403, "blocked_by_administrator", False)),
        (400, {"error": "brand_new_word", "error_description": "Why."}, (502, "oauth_error", False)),
        (400, {"error": {"code": 400}}, (503, "google_unavailable", True)),
        (429, {"error": "rate_limit"}, (503, "google_unavailable", True)),
        (500, {"error": "internal_failure"}, (503, "google_unavailable", True)),
        (200, {"error": "odd"}, (503, "google_unavailable", True)),
        (200, {"access_token": 7}, (503, "google_unavailable", True)),
        (200, [], (503, "google_unavailable", True)),
        (302, {}, (503, "google_unavailable", True)),
    ],
)
def test_refusals_of_a_refresh(status: int, body: Any, expected: tuple[int, str, bool]) -> None:
    with pytest.raises(ProxyError) as caught:
        tokens_for_refresh(status, json.dumps(body).encode())
    assert (caught.value.status, caught.value.code, caught.value.retry) == expected


def test_a_page_in_place_of_json() -> None:
    with pytest.raises(ProxyError) as caught:
        tokens_for_refresh(200, b"<html>Log in to the hotel's network</html>")
    assert caught.value.code == "google_unavailable"


def test_a_code_used_twice_says_so() -> None:
    with pytest.raises(ProxyError) as caught:
        tokens_for_code(400, json.dumps(INVALID_GRANT).encode())
    assert (caught.value.status, caught.value.code) == (400, "login_code_rejected")


@pytest.mark.parametrize(
    ("query", "status", "code", "word"),
    [
        ({"error": "access_denied"}, 400, "consent_refused", "not granted"),
        ({"error": "admin_policy_enforced"}, 403, "blocked_by_administrator", "administrator"),
        ({"error": "odd", "error_description": "Because."}, 400, "oauth_error", "odd: Because."),
        ({}, 400, "login_code_missing", "without a code"),
    ],
)
def test_coming_back_without_a_code(query: dict[str, str], status: int, code: str, word: str) -> None:
    error = redirect_error(query)
    assert (error.status, error.code) == (status, code)
    assert word in error.message


@pytest.mark.parametrize("read", [tokens_for_code, tokens_for_refresh])
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"access_token":"a\\r\\nb: c"}', b'{"access_token":"\\ud800"}', b'{"access_token":["a"]}'],
)
def test_an_answer_that_is_none_means_later(read: Callable[..., Any], body: bytes) -> None:
    with pytest.raises(ProxyError) as caught:
        read(200, body, 7)
    assert (caught.value.code, caught.value.retry, caught.value.retry_after) == ("google_unavailable", True, 7)
