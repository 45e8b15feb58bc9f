"""Access tokens that are good for five minutes more, for any number of callers at the price of one refresh."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google, tokens_for_refresh
from gemini_proxy.google_login.store import TokenStore, Version
from gemini_proxy.google_login.token import Token
from gemini_proxy.login_command import login_command

logger = logging.getLogger(__name__)

EARLY = 300.0  # seconds before its end at which a token is renewed, as the Gemini CLI does (docs/protocol.md, P-111)
SHARE = 0.5  # of its life, for a token that does not live twice as long
SKEW = 300.0  # seconds that the clocks of two machines with one file may differ
RECENT = 60.0  # seconds for which a failed refresh says something about the next
PAUSE = 15.0  # seconds between attempts to renew a token that can still be used
SAVE_AGAIN = 5.0  # seconds from a sign-in that could not be written to the next try
UNREAD: Version = (-1, -1, -1)


class TokenSource:
    """Hands out the sign-in of `store`, renewed in time.

    `login_url` is where a user signs in, `hint` what else to say to somebody who has to; `now` gives seconds since the
    epoch. It belongs to one event loop.
    """

    def __init__(
        self,
        store: TokenStore,
        google: Google,
        http: HttpClient,
        login_url: str,
        now: Callable[[], float] = time.time,
        hint: str = "",
    ) -> None:
        self._store = store
        self._google = google
        self._http = http
        self._login_url = login_url
        self._now = now
        self._hint = hint
        self._token: Token | None = None
        self._seen: Version | None = UNREAD
        self._reading = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._unsaved: Token | None = None  # what the file still holds, where the renewed sign-in could not be written
        self._next_save = 0.0
        self._saving: asyncio.Task[None] | None = None
        self._flight: asyncio.Task[Token] | None = None
        self._rejected = ""  # an access token that Google refused although it looked valid
        self._dead = ""  # a refresh token that Google will never take again
        self._next_attempt = 0.0
        self._refusal: tuple[float, ProxyError] | None = None  # when and why Google refused this account
        self._failure: tuple[float, ProxyError] | None = None  # when and why the last refresh did not work

    async def token(self) -> Token:
        """A token to send now. Raises ProxyError: 401 `google_login_required`, 503 where Google does not answer."""
        if self._token and self._store.version() == self._seen and self._usable(self._token):
            token = self._token
        else:
            token = await self._joined_flight()
            if token.access_token == self._rejected:  # refused while it was still being written
                token = await self._joined_flight()
        self._save_later()
        return token

    async def refresh_after_rejection(self, access_token: str) -> Token:
        """A token other than the one that Google has just refused; renewed once, whoever asks for it."""
        self._rejected = access_token
        return await self.token()

    async def current(self) -> Token | None:
        """The sign-in as it is, without asking Google; None where there is none that could work."""
        await self._reload()
        token = self._token
        if token is None or (token.refresh_token and token.refresh_token == self._dead):
            return None
        return token if token.refresh_token or not token.expires_before(self._now()) else None

    def note(self, refusal: ProxyError | None) -> None:
        """Keeps why Google refused the account, or the one who just tried to sign in, until a call works or another
        signs in."""
        self._refusal = (self._now(), refusal) if refusal else None

    async def problem(self, within: float = float("inf")) -> ProxyError | None:
        """What is known, without asking Google, to stand in the way of a request of the one who is signed in.

        `within` is how many seconds ago Google may have refused the account: the user may have settled it since.
        """
        try:
            token = await self.current()
        except ProxyError as error:
            return error
        if token is None and self._token:
            return self.expired()
        now = self._now()
        if token and self._failure and token.expires_before(now) and now - self._failure[0] < RECENT:
            return self._failure[1]
        return self._refusal[1] if self._refusal and now - self._refusal[0] < within else None

    async def aclose(self) -> None:
        """Lets a refresh under way come to its end, and writes what could not be written before, so that what Google
        gave is not lost."""
        if self._flight is not None:
            await asyncio.wait([self._flight], timeout=5)
        if self._saving is not None:
            await asyncio.wait([self._saving], timeout=5)
        if self._unsaved is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self._saved()

    def _usable(self, token: Token) -> bool:
        if token.access_token == self._rejected:
            return False
        now = self._now()
        if now < self._next_attempt <= now + PAUSE:
            return not token.expires_before(now)
        lifetime = EARLY / SHARE if token.lifetime is None else token.lifetime
        return not token.expires_before(now + min(EARLY, SHARE * lifetime)) and not token.issued_after(now + SKEW)

    def _joined_flight(self) -> asyncio.Future[Token]:
        """One flight for all callers. It outlives the one who began it: others wait, and what it gets is kept."""
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._renewed())
        return asyncio.shield(self._flight)

    async def _renewed(self) -> Token:
        token = await self._renewable()
        if self._usable(token):
            return token
        async with self._store.locked():
            token = await self._renewable()  # another process may have renewed it while we waited
            if self._usable(token):
                return token
            try:
                return await self._refreshed(token)
            except ProxyError:
                if self._store.version() == self._seen:
                    raise
                return await self._taken_over()

    async def _taken_over(self) -> Token:
        """What somebody wrote, without the lock, while Google refused to renew what was there before."""
        token = await self._renewable()
        return token if self._usable(token) else await self._refreshed(token)

    async def _renewable(self) -> Token:
        """The sign-in in the file, one that works or can be renewed."""
        await self._reload()
        token = self._token
        if token is None:
            raise self._another_account() if self._refusal else self.nobody()
        if not self._usable(token) and self._over(token):
            raise self.expired()
        return token

    def nobody(self) -> ProxyError:
        """The 401 where there is no sign-in."""
        return self._login_required("Nobody is signed in to Google.")

    def expired(self) -> ProxyError:
        """The 401 where the sign-in can be neither used nor renewed."""
        return self._login_required("The Google sign-in has expired.")

    def _another_account(self) -> ProxyError:
        """Nobody is signed in because Google refused the one who tried: a request hears why."""
        assert self._refusal is not None
        refusal = self._refusal[1]
        text, here = self._way_in()
        text = f"{refusal.message}\n{text}"
        return ProxyError(refusal.status, refusal.code, text, retry=False, here=here)

    def _over(self, token: Token) -> bool:
        """Whether nothing can renew this token."""
        return not token.refresh_token or token.refresh_token == self._dead

    async def _reload(self) -> None:
        """Takes over what another process, or the sign-in page, has written since."""
        async with self._reading:
            version = self._store.version()
            if version != self._seen:
                # The version from before reading: what comes in between is seen as a change the next time.
                before = _identity(self._token)
                found, self._seen = await self._load(version)
                if self._unsaved is not None and (found == self._unsaved or found is self._token):
                    return  # nobody has written: the file was out of reach for a while, or still is
                self._token, self._unsaved = found, None
                self._dead = ""
                if _identity(self._token) != before:
                    self._refusal = self._failure = None

    async def _load(self, version: Version | None) -> tuple[Token | None, Version | None]:
        try:
            return await asyncio.to_thread(self._store.load), version
        except ProxyError as error:
            if self._token is None:
                raise
            logger.warning("%s The proxy keeps using the sign-in in memory.", error.message)
            return self._token, self._store.version()

    async def _refreshed(self, token: Token) -> Token:
        try:
            google = self._google.client_of(token.extra)
            reply = await self._http.post_form(google.token_url, google.refresh_form(token.refresh_token))
            answer = tokens_for_refresh(reply.status, reply.body, reply.retry_after)
        except ProxyError as error:
            return self._without_refresh(token, error)
        self._token = renewed = token.refreshed(answer, self._now())
        self._rejected, self._next_attempt, self._failure = "", 0.0, None
        await self._keep(token)
        return renewed

    def _without_refresh(self, token: Token, error: ProxyError) -> Token:
        self._failure = (self._now(), error)
        if error.code == "google_login_required":
            self._dead = token.refresh_token
            required = self._login_required(error.message)
            logger.warning("%s", required.text_here)
            raise required from error
        if token.access_token == self._rejected or token.expires_before(self._now()):
            raise error
        logger.warning("The sign-in could not be renewed; the old one is still valid: %s", error.message)
        self._next_attempt = self._now() + PAUSE
        return token

    async def _keep(self, replaced: Token) -> None:
        """Writes the sign-in, unless the user signed in or out meanwhile: the file is right then."""
        async with self._writing:
            if self._store.version() != self._seen or self._token is None:
                return
            try:
                self._seen = await asyncio.to_thread(self._store.save, self._token)
                self._unsaved = None
            except ProxyError as error:
                if self._unsaved is None:
                    logger.error("%s The renewed sign-in is only in memory until it can be written.", error.message)
                self._unsaved = self._unsaved or replaced
                self._next_save = self._now() + SAVE_AGAIN

    def _save_later(self) -> None:
        """Tries again to write the sign-in; the request that comes by does not wait for it."""
        if self._unsaved is None or self._now() < self._next_save:
            return
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._saved())

    async def _saved(self) -> None:
        async with self._store.locked():
            await self._reload()  # somebody may have written meanwhile
            if self._unsaved is not None:
                await self._keep(self._unsaved)

    def _login_required(self, why: str) -> ProxyError:
        text, here = self._way_in()
        text = f"{why} {text}"
        return ProxyError(401, "google_login_required", text, retry=False, here=here)

    def _way_in(self) -> tuple[str, str]:
        """What anybody may hear, and what else there is to do at this machine."""
        if self._store.advice:
            return self._store.advice, ""
        text = f"{self._hint} To sign in, open {self._login_url} in a browser.".lstrip()
        return text, f"Or run {login_command()}"


def _identity(token: Token | None) -> str:
    """What tells one sign-in from the next, whatever is refreshed."""
    return (token.refresh_token or token.access_token) if token else ""
