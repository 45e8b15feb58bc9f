"""Access tokens that are good for five minutes more, for any number of callers at the price of one refresh."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Literal

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google, tokens_for_refresh
from gemini_proxy.google_login.store import TokenStore, Version
from gemini_proxy.google_login.token import Token

logger = logging.getLogger(__name__)

EARLY = 300.0  # seconds before its end at which a token is renewed, as the Gemini CLI does (protocol 1.5)
PAUSE = 15.0  # seconds between attempts to renew a token that can still be used
PATIENCE = 10.0  # seconds that a sign-out waits for Google
SignedOut = Literal["revoked", "deleted", "absent"]
SIGNED_OUT: dict[SignedOut, str] = {
    "revoked": "The sign-in was deleted here, and Google has taken the access back.",
    "deleted": "The sign-in was deleted here. Google did not confirm that it took the access back; "
    "https://myaccount.google.com/connections shows and removes it.",
    "absent": "No Google account was signed in.",
}
UNREAD: Version = (-1, -1, -1)


class TokenSource:
    """Hands out the sign-in of `store`, renewed in time.

    `login_url` is where a user signs in; `now` gives seconds since the epoch. It belongs to one event loop.
    """

    def __init__(
        self,
        store: TokenStore,
        google: Google,
        http: HttpClient,
        login_url: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._google = google
        self._http = http
        self._login_url = login_url
        self._now = now
        self._token: Token | None = None
        self._seen: Version | None = UNREAD
        self._reading = asyncio.Lock()
        self._flight: asyncio.Task[Token] | None = None
        self._rejected = ""  # an access token that Google refused although it looked valid
        self._dead = ""  # a refresh token that Google will never take again
        self._next_attempt = 0.0

    async def token(self) -> Token:
        """A token to send now. Raises ProxyError: 401 `google_login_required`, 503 where Google does not answer."""
        if self._token and self._store.version() == self._seen and self._usable(self._token):
            return self._token
        token = await self._joined_flight()
        if token.access_token == self._rejected:  # refused while it was still being written
            token = await self._joined_flight()
        return token

    async def refresh_after_rejection(self, access_token: str) -> Token:
        """A token other than the one that Google has just refused; renewed once, whoever asks for it (C212)."""
        self._rejected = access_token
        return await self.token()

    async def current(self) -> Token | None:
        """The sign-in as it is, without asking Google; None where there is none that could work."""
        await self._reload()
        token = self._token
        if token is None or (token.refresh_token and token.refresh_token == self._dead):
            return None
        return token if token.refresh_token or not token.expires_before(self._now()) else None

    async def aclose(self) -> None:
        """Lets a refresh under way come to its end, so that what Google gave is not lost."""
        if self._flight is not None:
            await asyncio.wait([self._flight], timeout=5)

    def _usable(self, token: Token) -> bool:
        if token.access_token == self._rejected:
            return False
        early = 0 if self._now() < self._next_attempt else EARLY
        return not token.expires_before(self._now() + early)

    def _joined_flight(self) -> asyncio.Future[Token]:
        """One flight for all callers. It outlives the one who began it: others wait, and what it gets is kept."""
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._renewed())
        return asyncio.shield(self._flight)

    async def _renewed(self) -> Token:
        await self._reload()
        token = self._token
        if token is None:
            raise self._login_required("Sign in with Google first")
        if self._usable(token):
            return token
        if self._over(token):
            raise self._login_required("The Google sign-in is over: sign in again")
        return await self._refreshed(token)

    def _over(self, token: Token) -> bool:
        """Whether nothing can renew this token."""
        return not token.refresh_token or token.refresh_token == self._dead

    async def _reload(self) -> None:
        """Takes over what another process, or the sign-in page, has written since."""
        async with self._reading:
            version = self._store.version()
            if version != self._seen:
                # The version from before reading: what comes in between is seen as a change the next time.
                self._token, self._seen = await self._load(version)
                self._dead = ""

    async def _load(self, version: Version | None) -> tuple[Token | None, Version | None]:
        try:
            return await asyncio.to_thread(self._store.load), version
        except ProxyError as error:
            if self._token is None:
                raise
            logger.warning("%s The sign-in in memory stays in use.", error.message)
            return self._token, self._store.version()

    async def _refreshed(self, token: Token) -> Token:
        try:
            reply = await self._http.post_form(self._google.token_url, self._google.refresh_form(token.refresh_token))
            answer = tokens_for_refresh(reply.status, reply.body)
        except ProxyError as error:
            return self._without_refresh(token, error)
        self._token = token.refreshed(answer, self._now())
        self._rejected, self._next_attempt = "", 0.0
        await self._keep(self._token)
        return self._token

    def _without_refresh(self, token: Token, error: ProxyError) -> Token:
        if error.code == "google_login_required":  # C213
            self._dead = token.refresh_token
            logger.warning("Google refused to renew the sign-in; no further attempt is made with it.")
            raise self._login_required(f"{error.message} Sign in again") from error
        if token.access_token == self._rejected or token.expires_before(self._now()):
            raise error
        logger.warning("The sign-in could not be renewed, the old one is still good: %s", error.message)
        self._next_attempt = self._now() + PAUSE
        return token

    async def _keep(self, token: Token) -> None:
        """Writes what the refresh brought, unless the user signed in or out meanwhile: the file is right then."""
        if self._store.version() != self._seen:
            return
        try:
            self._seen = await asyncio.to_thread(self._store.save, token)
        except ProxyError as error:
            logger.error("%s The renewed sign-in lives in memory alone.", error.message)

    def _login_required(self, why: str) -> ProxyError:
        text = f"{why}: open {self._login_url} in a browser, or run python login.py."
        return ProxyError(401, "google_login_required", text, kind="authentication_error", retry=False)


async def sign_out(store: TokenStore, google: Google, http: HttpClient) -> SignedOut:
    """Deletes the sign-in; Google is asked to take its grant back, but a sign-out does not need Google's yes.

    Raises ProxyError `token_store_error` where the file cannot be deleted.
    """
    try:
        token = await asyncio.to_thread(store.load)
    except ProxyError:  # it was set aside, or `delete` says why it cannot be read
        token = None
    outcome: SignedOut = "absent"
    if token is not None:
        outcome = "revoked" if await _revoke(token, google, http) else "deleted"
    await asyncio.to_thread(store.delete)
    return outcome


async def _revoke(token: Token, google: Google, http: HttpClient) -> bool:
    form = google.revoke_form(token.refresh_token or token.access_token)
    try:
        async with asyncio.timeout(PATIENCE):
            return (await http.post_form(google.revoke_url, form)).status == 200
    except (ProxyError, TimeoutError):
        return False
