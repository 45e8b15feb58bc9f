"""Google's OAuth 2.0 as values: addresses, forms and answers of the authorization code flow
(docs/protocol.md, section 1)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.token import is_text
from gemini_proxy.settings import CLIENT_ID, Settings

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
SCOPES = (  # in the Gemini CLI's order; Google adds `openid` to what it grants (docs/protocol.md, P-102)
    CLOUD_PLATFORM,
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
)
# A page of Google's that shows the code, to be copied where no browser can come back to us (docs/protocol.md, P-105).
PASTE_REDIRECT = "https://codeassist.google.com/authcode"

OWN_CLIENT = "GEMINI_OAUTH_CLIENT_ID and GEMINI_OAUTH_CLIENT_SECRET"
# OAuth's words (RFC 6749, 4.1.2.1 and 5.2; Google adds some) -> status, our code, what happened and what to do.
ERRORS: dict[str, tuple[int, str, str]] = {
    "access_denied": (
        400,
        "consent_refused",
        "Access was not granted on Google's page, so nothing was stored. Start the sign-in again to grant it.",
    ),
    "admin_policy_enforced": (
        403,
        "blocked_by_administrator",
        "This Google Workspace's administrator blocks the application. Ask the administrator to allow it, or "
        "use another account.",
    ),
    "org_internal": (
        403,
        "oauth_client_rejected",
        f"The OAuth client accepts only accounts of its own organisation. Use such an account, or change {OWN_CLIENT}.",
    ),
    "invalid_client": (401, "oauth_client_rejected", f"Google does not know the OAuth client. Check {OWN_CLIENT}."),
    "unauthorized_client": (
        401,
        "oauth_client_rejected",
        f"The sign-in belongs to another OAuth client. Sign in again, or restore {OWN_CLIENT}.",
    ),
    "redirect_uri_mismatch": (
        400,
        "oauth_redirect_rejected",
        "The OAuth client does not allow the address that Google should redirect to. Open /auth/login under "
        f"http://localhost or http://127.0.0.1, or check {OWN_CLIENT}.",
    ),
}
CODE_REJECTED = (
    400,
    "login_code_rejected",
    "Google did not accept the code: it was used before, is too old, or belongs to another sign-in. Start the sign-in "
    "again.",
)
SIGN_IN_DEAD = (
    401,
    "google_login_required",
    "Google no longer accepts the sign-in: it was revoked, has expired, or the password was changed.",
)


@dataclass(frozen=True)
class Google:
    """Where Google's sign-in lives and as which OAuth client we come; `base` replaces all hosts, the paths stay."""

    client_id: str
    client_secret: str = field(repr=False)
    base: str = ""

    @classmethod
    def from_settings(cls, settings: Settings) -> "Google":
        return cls(settings.client_id, settings.client_secret, settings.google_url)

    def client_of(self, extra: Mapping[str, Any]) -> "Google":
        """As the client that a sign-in from elsewhere was made for, where it names one."""
        client_id, secret = extra.get("client_id"), extra.get("client_secret")
        if not is_text(client_id, "client_id") or not is_text(secret, "client_secret"):
            return self
        return replace(self, client_id=client_id, client_secret=secret)

    @property
    def auth_url(self) -> str:
        return f"{self.base or 'https://accounts.google.com'}/o/oauth2/v2/auth"

    @property
    def token_url(self) -> str:
        return f"{self.base or 'https://oauth2.googleapis.com'}/token"

    @property
    def tokeninfo_url(self) -> str:
        return f"{self.base or 'https://oauth2.googleapis.com'}/tokeninfo"

    @property
    def revoke_url(self) -> str:
        return f"{self.base or 'https://oauth2.googleapis.com'}/revoke"

    @property
    def userinfo_url(self) -> str:
        return f"{self.base or 'https://www.googleapis.com'}/oauth2/v2/userinfo"

    def authorization_url(self, redirect_uri: str, state: str, challenge: str) -> str:
        """The page that asks for consent; fields in the Gemini CLI's order (docs/protocol.md, P-107).

        Installed applications are always given a refresh token, so the Gemini CLI sends no `prompt` and neither do
        we for its client. A client of the user's own may be a web client, which gets one at the first consent only,
        unless it asks for consent anew.
        """
        query = {
            "redirect_uri": redirect_uri,
            "access_type": "offline",
            "scope": " ".join(SCOPES),
            "code_challenge_method": "S256",
            "code_challenge": challenge,
            "state": state,
            "response_type": "code",
            "client_id": self.client_id,
        }
        if self.client_id != CLIENT_ID:
            query["prompt"] = "consent"
        return f"{self.auth_url}?{urlencode(query, quote_via=quote)}"

    def exchange_form(self, code: str, verifier: str, redirect_uri: str) -> dict[str, str]:
        """A code for tokens, to be posted to `token_url`; fields in the Gemini CLI's order."""
        return {
            "client_id": self.client_id,
            "code_verifier": verifier,
            "code": code,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "client_secret": self.client_secret,
        }

    def refresh_form(self, refresh_token: str) -> dict[str, str]:
        """A new access token, to be posted to `token_url`; fields in the Gemini CLI's order."""
        return {
            "refresh_token": refresh_token,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "grant_type": "refresh_token",
        }

    def revoke_form(self, token: str) -> dict[str, str]:
        """The end of a grant, to be posted to `revoke_url`. In the body (RFC 7009, 2.1): addresses end up in logs."""
        return {"token": token}


def tokens_for_code(status: int, body: bytes, retry_after: float | None = None) -> dict[str, Any]:
    """The answer to `exchange_form`. Raises ProxyError 400 `login_code_rejected` for a code used before."""
    return _tokens(status, body, CODE_REJECTED, retry_after)


def tokens_for_refresh(status: int, body: bytes, retry_after: float | None = None) -> dict[str, Any]:
    """The answer to `refresh_form`. Raises ProxyError 401 `google_login_required` when the sign-in is over."""
    return _tokens(status, body, SIGN_IN_DEAD, retry_after)


def redirect_error(query: Mapping[str, str]) -> ProxyError:
    """Why Google came back without a code, by what it says in `error` and `error_description`."""
    if not query.get("error"):
        text = "Google came back without a code. Nothing was stored. Start the sign-in again."
        return ProxyError(400, "login_code_missing", text, retry=False)
    return _refusal(query["error"], query.get("error_description", ""), CODE_REJECTED, 400)


def _tokens(status: int, body: bytes, invalid_grant: tuple[int, str, str], retry_after: float | None) -> dict[str, Any]:
    answer = _object(body)
    if status == 200 and answer.get("access_token") and is_text(answer["access_token"], "access_token"):
        return answer
    error, description = answer.get("error"), answer.get("error_description")
    if 400 <= status < 500 and status != 429 and isinstance(error, str):
        raise _refusal(error, description if isinstance(description, str) else "", invalid_grant)
    text = f"Google's sign-in gave an unexpected answer (status {status}). Try again in a moment."
    raise ProxyError(503, "google_unavailable", text, retry=True, retry_after=retry_after)


def _refusal(error: str, description: str, invalid_grant: tuple[int, str, str], unforeseen: int = 502) -> ProxyError:
    known = invalid_grant if error == "invalid_grant" else ERRORS.get(error)
    if known is None:
        said = ": ".join(filter(None, (error, description)))[:300]
        text = f"Google's sign-in was refused for an unknown reason: {said}"
        return ProxyError(unforeseen, "oauth_error", text, retry=False)
    status, code, text = known
    return ProxyError(status, code, text, retry=False)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
