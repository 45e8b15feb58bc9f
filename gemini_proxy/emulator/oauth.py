"""Google's OAuth: tokens and the grants behind them (RFC 6749, RFC 7636, RFC 7009; docs/protocol.md, section 1)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gemini_proxy.emulator.messages import Reply, Request, json_reply
from gemini_proxy.emulator.settings import Settings

OAUTH_JSON = "application/json; charset=utf-8"
CODE_LIFETIME = 600
SCOPES = tuple(  # what Gemini CLI asks for, in its order (docs/protocol.md, P-102)
    f"https://www.googleapis.com/auth/{name}" for name in ("cloud-platform", "userinfo.email", "userinfo.profile")
)


@dataclass
class Grant:
    """What one user allowed one client; revoking any of its tokens ends all of them."""

    client_id: str
    scope: str
    offline: bool = True
    alive: bool = True


@dataclass(frozen=True)
class Code:
    grant: Grant
    redirect_uri: str
    challenge: str
    expires: float


@dataclass(frozen=True)
class Access:
    grant: Grant
    expires: float


class OAuthError(Exception):
    """RFC 6749 5.2: a JSON body with two members, and not the google.rpc.Status of the other hosts."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.reply = json_reply({"error": error, "error_description": description}, status, OAUTH_JSON)


@dataclass
class OAuth:
    """All tokens of one emulator."""

    settings: Settings
    now: Callable[[], float]
    codes: dict[str, Code] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    access: dict[str, Access] = field(default_factory=dict)
    refresh: dict[str, Grant] = field(default_factory=dict)
    issued: set[str] = field(default_factory=set)  # everything that must never show up in a log

    def _issue(self, prefix: str) -> str:
        token = prefix + secrets.token_urlsafe(48)
        self.issued.add(token)
        return token

    def new_code(self, params: Mapping[str, str]) -> str:
        code = self._issue("4/0emulator_")
        offline = params.get("access_type") == "offline"
        grant = Grant(params["client_id"], granted(params["scope"]), offline)
        challenge = params.get("code_challenge", "")
        self.codes[code] = Code(grant, params["redirect_uri"], challenge, self.now() + CODE_LIFETIME)
        return code

    # The token endpoint --------------------------------------------------------------------------------------------

    def token(self, request: Request) -> Reply:
        form = request.form
        grants = {"authorization_code": self._from_code, "refresh_token": self._from_refresh}
        try:
            if "grant_type" not in form:
                raise OAuthError("invalid_request", "Missing required parameter: grant_type")
            answer = grants.get(form["grant_type"])
            if answer is None:
                raise OAuthError("unsupported_grant_type", f"Invalid grant_type: {form['grant_type']}")
            return json_reply(answer(form), content_type=OAUTH_JSON, headers={"Cache-Control": "no-store"})
        except OAuthError as error:
            return error.reply

    def _from_code(self, form: Mapping[str, str]) -> dict[str, object]:
        _require(form, "code", "client_id", "client_secret", "redirect_uri")
        code = self.codes.get(form["code"])
        if code is None:
            raise OAuthError("invalid_grant", "Bad Request" if form["code"] in self.spent else "Malformed auth code.")
        if form["client_id"] != code.grant.client_id:
            raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
        del self.codes[form["code"]]  # spent by the first try, be it right or wrong
        self.spent.add(form["code"])
        if code.expires <= self.now():
            raise OAuthError("invalid_grant", "Bad Request")
        if form["redirect_uri"] != code.redirect_uri:
            raise OAuthError("redirect_uri_mismatch", "Bad Request")
        _check_verifier(code.challenge, form.get("code_verifier", ""))
        return self.tokens(code.grant, with_refresh=code.grant.offline)

    def _from_refresh(self, form: Mapping[str, str]) -> dict[str, object]:
        _require(form, "refresh_token", "client_id", "client_secret")
        grant = self.refresh.get(form["refresh_token"])
        if grant is None or not grant.alive:
            raise OAuthError("invalid_grant", "Token has been expired or revoked.")
        if form["client_id"] != grant.client_id:
            raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
        if self.settings.rotate_refresh_token:
            del self.refresh[form["refresh_token"]]
        return self.tokens(grant, with_refresh=self.settings.rotate_refresh_token)

    def tokens(self, grant: Grant, with_refresh: bool) -> dict[str, object]:
        """A token answer; refreshes come without a refresh token (docs/protocol.md, P-109)."""
        token = self._issue("ya29.emulator_")
        lifetime = self.settings.token_lifetime
        self.access[token] = Access(grant, self.now() + lifetime)
        answer: dict[str, object] = {"access_token": token, "expires_in": int(lifetime)}
        if with_refresh:
            refresh = self._issue("1//0emulator_")
            self.refresh[refresh] = grant
            answer["refresh_token"] = refresh
        return {**answer, "scope": grant.scope, "token_type": "Bearer", "id_token": self._id_token(grant)}

    def _id_token(self, grant: Grant) -> str:
        claims = {
            "iss": "https://accounts.google.com",
            "azp": grant.client_id,
            "aud": grant.client_id,
            "sub": self.settings.user_id,
            "email": self.settings.email,
            "email_verified": True,
            "iat": int(self.now()),
            "exp": int(self.now() + self.settings.token_lifetime),
        }
        parts = [{"alg": "RS256", "kid": "emulator", "typ": "JWT"}, claims]
        token = ".".join(
            [*(base64url(json.dumps(part).encode()) for part in parts), base64url(secrets.token_bytes(64))]
        )
        self.issued.add(token)
        return token

    # Looking at and ending tokens ----------------------------------------------------------------------------------

    def valid(self, token: str) -> bool:
        access = self.access.get(token)
        return access is not None and access.grant.alive and access.expires > self.now()

    def knows(self, token: str) -> bool:
        """Whether a call may go on; `any_token` stands for a token that came from elsewhere."""
        return bool(token) and (self.settings.any_token or self.valid(token))

    def tokeninfo(self, request: Request) -> Reply:
        token = request.bearer or request.params.get("access_token") or request.form.get("access_token", "")
        if not self.knows(token):
            return OAuthError("invalid_token", "Invalid Value").reply
        access = self.access.get(token) or Access(Grant("emulator", granted("")), self.now() + 3599)
        info = {
            "azp": access.grant.client_id,
            "aud": access.grant.client_id,
            "sub": self.settings.user_id,
            "scope": access.grant.scope,
            "exp": str(int(access.expires)),
            "expires_in": str(int(access.expires - self.now())),
            "email": self.settings.email,
            "email_verified": "true",
            "access_type": "offline" if access.grant.offline else "online",
        }
        return json_reply(info, content_type=OAUTH_JSON)

    def revoke(self, request: Request) -> Reply:
        token = request.params.get("token") or request.form.get("token", "")
        grant = self.refresh.get(token) or (self.access[token].grant if token in self.access else None)
        if grant is None or not grant.alive:
            return OAuthError("invalid_token", "Token expired or revoked").reply
        grant.alive = False
        return json_reply({}, content_type=OAUTH_JSON)

    def userinfo(self, request: Request) -> Reply:
        if not self.knows(request.bearer):
            error = {"code": 401, "message": "Invalid Credentials", "status": "UNAUTHENTICATED"}
            return json_reply({"error": error}, 401)
        email = self.settings.email
        return json_reply(
            {"id": self.settings.user_id, "email": email, "verified_email": True, "name": "Emulated User"}
        )

    def expire_access(self) -> None:
        """Every access token ends now; refresh tokens go on."""
        self.access = {token: Access(access.grant, self.now()) for token, access in self.access.items()}

    def revoke_all(self) -> None:
        for grant in [*self.refresh.values(), *(access.grant for access in self.access.values())]:
            grant.alive = False


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def challenge_of(verifier: str) -> str:
    """RFC 7636 4.6: BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))."""
    return base64url(hashlib.sha256(verifier.encode("ascii", "replace")).digest())


def granted(scope: str) -> str:
    """Google's order differs from the request's, and it adds `openid` to an e-mail scope (docs/protocol.md, P-102)."""
    words = set(scope.split())
    if any("userinfo" in word for word in words):
        words.add("openid")
    return " ".join(sorted(words))


def _require(form: Mapping[str, str], *names: str) -> None:
    for name in names:
        if not form.get(name):
            text = "client_secret is missing." if name == "client_secret" else f"Missing required parameter: {name}"
            raise OAuthError("invalid_request", text)


def _check_verifier(challenge: str, verifier: str) -> None:
    if challenge and not verifier:
        raise OAuthError("invalid_grant", "Missing code verifier.")
    if challenge and not secrets.compare_digest(challenge_of(verifier), challenge):
        raise OAuthError("invalid_grant", "Invalid code verifier.")
