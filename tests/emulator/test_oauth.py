"""The sign-in: consent page, codes, PKCE, tokens and their end."""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gemini_proxy.emulator import Google, Reply, Request
from gemini_proxy.emulator.consent import PASTE_URI, allowed_redirect
from gemini_proxy.emulator.oauth import SCOPES, challenge_of
from tests.emulator.asking import Clock, body_of, form, google, post

LOOPBACK = "http://127.0.0.1:9999/oauth2callback"
VERIFIER = "v" * 64
ASK = {
    "redirect_uri": LOOPBACK,
    "access_type": "offline",
    "scope": " ".join(SCOPES),
    "state": "a state&more",
    "response_type": "code",
    "client_id": "client-1",
}
PKCE = {"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"}
CLIENT = {"client_id": "client-1", "client_secret": "not checked"}


def consent(server: Google, **params: str) -> Reply:
    return server.answer(Request("GET", "/o/oauth2/v2/auth", urlencode({**ASK, **params})))


def fields_of(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return {unescape(name): unescape(value) for name, value in found}


def decide(server: Google, decision: str = "allow", **params: str) -> Reply:
    page = consent(server, **params).body.decode()
    return form(server, "/o/oauth2/v2/auth", **fields_of(page), decision=decision)


def back_to(reply: Reply) -> dict[str, str]:
    assert reply.status == 302
    query = urlsplit(dict(reply.headers)["Location"]).query
    return {name: values[0] for name, values in parse_qs(query).items()}


def code_from(server: Google, **params: str) -> str:
    return back_to(decide(server, **params))["code"]


def exchange(server: Google, code: str, **fields: str) -> Reply:
    given = {**CLIENT, "code": code, "grant_type": "authorization_code", "redirect_uri": LOOPBACK, **fields}
    return form(server, "/token", **{name: value for name, value in given.items() if value})


def tokens(server: Google, **params: str) -> dict[str, Any]:
    answer: dict[str, Any] = body_of(exchange(server, code_from(server, **params)))
    return answer


def refresh(server: Google, token: str, **fields: str) -> Reply:
    given = {"refresh_token": token, "grant_type": "refresh_token", **CLIENT, **fields}
    return form(server, "/token", **{name: value for name, value in given.items() if value})


def oauth_error(reply: Reply) -> tuple[int, str, str]:
    body = body_of(reply)
    assert set(body) == {"error", "error_description"}
    return reply.status, body["error"], body["error_description"]


# The page


def test_the_page_shows_who_asks_for_what() -> None:
    reply = consent(google(), client_id="<client>")
    page = reply.body.decode()
    assert reply.status == 200
    assert "emulated.user@example.com" in page
    assert "&lt;client&gt;" in page
    assert all(scope in page for scope in SCOPES)
    assert fields_of(page) == {**ASK, "client_id": "<client>"}
    assert 'value="allow">Allow<' in page
    assert 'value="cancel">Cancel<' in page


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"client_id": ""}, "Missing required parameter: client_id"),
        ({"redirect_uri": ""}, "Missing required parameter: redirect_uri"),
        ({"scope": ""}, "Missing required parameter: scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"redirect_uri": "https://evil.example/cb"}, "redirect_uri_mismatch"),
        ({"code_challenge": PKCE["code_challenge"]}, "Unsupported code_challenge_method"),
        ({**PKCE, "code_challenge_method": "plain"}, "Unsupported code_challenge_method"),
        ({**PKCE, "code_challenge": "short"}, "Invalid code_challenge"),
        ({"code_challenge_method": "S256"}, "code_challenge is missing"),
    ],
)
def test_requests_that_get_no_page(change: dict[str, str], text: str) -> None:
    server = google()
    asked = consent(server, **change)
    posted = form(server, "/o/oauth2/v2/auth", **{**ASK, **change}, decision="allow")
    assert (asked.status, posted.status) == (400, 400)
    assert text in asked.body.decode()
    assert not server.oauth.codes


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("http://127.0.0.1:1/x", True),
        ("http://localhost/", True),
        ("http://[::1]:5/cb", True),
        (PASTE_URI, True),
        (PASTE_URI + "/x", False),
        ("https://127.0.0.1/", False),
        ("http://127.0.0.1.example/", False),
        ("http://[", False),
    ],
)
def test_redirects(uri: str, allowed: bool) -> None:
    assert allowed_redirect(uri) is allowed


def test_allow_leads_back_with_code_and_state() -> None:
    answer = back_to(decide(google(), redirect_uri=LOOPBACK + "?kept=1"))
    assert answer["kept"] == "1"
    assert answer["state"] == ASK["state"]
    assert answer["code"].startswith("4/0")


def test_cancel_leads_back_with_the_refusal() -> None:
    assert back_to(decide(google(), "cancel")) == {"state": ASK["state"], "error": "access_denied"}


def test_the_code_is_shown_where_it_is_to_be_pasted() -> None:
    server = google()
    page = decide(server, redirect_uri=PASTE_URI, **PKCE).body.decode()
    shown = re.search(r'<code id="code">([^<]+)</code>', page)
    assert shown is not None
    assert exchange(server, unescape(shown[1]), redirect_uri=PASTE_URI, code_verifier=VERIFIER).status == 200
    assert decide(server, "cancel", redirect_uri=PASTE_URI).status == 200


# The exchange


def test_a_code_becomes_tokens() -> None:
    server = google()
    reply = exchange(server, code_from(server))
    answer = body_of(reply)
    assert list(answer) == ["access_token", "expires_in", "refresh_token", "scope", "token_type", "id_token"]
    assert answer["expires_in"] == 3599
    assert "openid" in answer["scope"].split()
    assert reply.body.startswith(b'{\n  "access_token": "ya29.')
    assert dict(reply.headers)["Content-Type"] == "application/json; charset=utf-8"


def test_the_id_token_looks_like_one() -> None:
    header, payload, signature = tokens(google())["id_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims["email"] == "emulated.user@example.com"
    assert claims["aud"] == "client-1"
    assert claims["exp"] - claims["iat"] == 3599
    assert header
    assert signature


@pytest.mark.parametrize(
    ("change", "status", "error", "text"),
    [
        ({"client_id": "other"}, 401, "invalid_client", "The OAuth client was not found."),
        ({"client_secret": ""}, 400, "invalid_request", "client_secret is missing."),
        ({"redirect_uri": ""}, 400, "invalid_request", "Missing required parameter: redirect_uri"),
        ({"redirect_uri": LOOPBACK + "/"}, 400, "redirect_uri_mismatch", "Bad Request"),
        ({"code": "4/made-up"}, 400, "invalid_grant", "Malformed auth code."),
        ({"code_verifier": ""}, 400, "invalid_grant", "Missing code verifier."),
        ({"code_verifier": "w" * 64}, 400, "invalid_grant", "Invalid code verifier."),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", "Invalid grant_type: password"),
        ({"grant_type": ""}, 400, "invalid_request", "Missing required parameter: grant_type"),
    ],
)
def test_exchanges_that_fail(change: dict[str, str], status: int, error: str, text: str) -> None:
    server = google()
    fields = {"code_verifier": VERIFIER, "code": code_from(server, **PKCE), **change}
    assert oauth_error(exchange(server, **fields)) == (status, error, text)


def test_pkce() -> None:
    server = google()
    assert exchange(server, code_from(server, **PKCE), code_verifier=VERIFIER).status == 200


def test_the_challenge_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_code_works_once_even_when_the_first_try_was_wrong() -> None:
    server = google()
    code = code_from(server, **PKCE)
    assert exchange(server, code, code_verifier="wrong").status == 400
    assert oauth_error(exchange(server, code, code_verifier=VERIFIER)) == (400, "invalid_grant", "Bad Request")


def test_a_code_lives_ten_minutes() -> None:
    clock = Clock()
    server = google(clock)
    early, late = code_from(server), code_from(server)
    clock.time += 599
    assert exchange(server, early).status == 200
    clock.time += 1
    assert oauth_error(exchange(server, late))[1] == "invalid_grant"


def test_without_offline_access_there_is_no_refresh_token() -> None:
    assert "refresh_token" not in tokens(google(), access_type="online")


# Refresh


def test_a_refresh_brings_no_refresh_token() -> None:
    server = google()
    first = tokens(server)
    second = body_of(refresh(server, first["refresh_token"]))
    assert list(second) == ["access_token", "expires_in", "scope", "token_type", "id_token"]
    assert second["access_token"] != first["access_token"]


def test_refresh_tokens_may_rotate() -> None:
    server = google(rotate_refresh_token=True)
    first = tokens(server)
    second = body_of(refresh(server, first["refresh_token"]))
    assert oauth_error(refresh(server, first["refresh_token"]))[1] == "invalid_grant"
    assert refresh(server, second["refresh_token"]).status == 200


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"refresh_token": "1//made-up"}, (400, "invalid_grant", "Token has been expired or revoked.")),
        ({"client_id": "other"}, (401, "invalid_client", "The OAuth client was not found.")),
        ({"client_secret": ""}, (400, "invalid_request", "client_secret is missing.")),
    ],
)
def test_refreshes_that_fail(change: dict[str, str], answer: tuple[int, str, str]) -> None:
    server = google()
    fields = {"token": tokens(server)["refresh_token"], **change}
    token = fields.pop("refresh_token", fields.pop("token"))
    assert oauth_error(refresh(server, token, **fields)) == answer


# Using and ending tokens


def quota(server: Google, token: str) -> int:
    return post(server, "listExperiments", {}, token).status


def test_an_access_token_expires() -> None:
    clock = Clock()
    server = google(clock, any_token=False, token_lifetime=100)
    token = tokens(server)["access_token"]
    clock.time += 99
    assert quota(server, token) == 200
    clock.time += 1
    assert quota(server, token) == 401


def test_other_tokens_are_refused() -> None:
    server = google(any_token=False)
    missing = body_of(post(server, "listExperiments", {}, token=""))["error"]
    wrong = body_of(post(server, "listExperiments", {}, token="made-up"))["error"]
    assert missing["message"].startswith("Request is missing required authentication credential.")
    assert wrong["message"].startswith("Request had invalid authentication credentials. Expected OAuth 2")
    assert {missing["status"], wrong["status"]} == {"UNAUTHENTICATED"}
    server.settings.any_token = True
    assert quota(server, "made-up") == 200
    assert quota(server, "") == 401


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("place", ["query", "form"])
def test_revoking_one_token_ends_the_grant(which: str, place: str) -> None:
    server = google(any_token=False)
    answer = tokens(server)
    query, fields = (urlencode({"token": answer[which]}), {}) if place == "query" else ("", {"token": answer[which]})
    request = Request("POST", "/revoke", query, body=urlencode(fields).encode())
    assert server.answer(request).status == 200
    assert oauth_error(server.answer(request)) == (400, "invalid_token", "Token expired or revoked")
    assert quota(server, answer["access_token"]) == 401
    assert oauth_error(refresh(server, answer["refresh_token"]))[1] == "invalid_grant"


def test_tokeninfo() -> None:
    clock = Clock()
    server = google(clock, any_token=False)
    token = tokens(server)["access_token"]
    clock.time += 99.5
    info = body_of(server.answer(Request("POST", "/tokeninfo", headers={"authorization": f"Bearer {token}"})))
    assert info["expires_in"] == "3499"
    assert info["email"] == "emulated.user@example.com"
    assert all(isinstance(value, str) for value in info.values())
    assert body_of(form(server, "/tokeninfo", access_token=token)) == info
    assert oauth_error(form(server, "/tokeninfo", access_token="x")) == (400, "invalid_token", "Invalid Value")
    assert body_of(form(google(), "/tokeninfo", access_token="x"))["expires_in"] == "3599"


def test_userinfo() -> None:
    server = google(any_token=False)
    headers = {"authorization": f"Bearer {tokens(server)['access_token']}"}
    assert (
        body_of(server.answer(Request("GET", "/oauth2/v2/userinfo", headers=headers)))["email"] == server.settings.email
    )
    assert server.answer(Request("GET", "/oauth2/v2/userinfo")).status == 401


def test_all_that_was_issued_is_known() -> None:
    server = google()
    code = code_from(server)
    answer = body_of(exchange(server, code))
    assert {code, answer["access_token"], answer["refresh_token"], answer["id_token"]} <= server.oauth.issued


def test_tokens_without_the_pages() -> None:
    server = google(any_token=False)
    answer = server.grant("client-1")
    assert quota(server, str(answer["access_token"])) == 200
    server.oauth.expire_access()
    assert quota(server, str(answer["access_token"])) == 401
    assert refresh(server, str(answer["refresh_token"])).status == 200
    server.oauth.revoke_all()
    assert refresh(server, str(answer["refresh_token"])).status == 400
