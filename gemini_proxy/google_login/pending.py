"""Sign-ins that were begun in a browser and have not come back yet."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login import pkce

LIFETIME = 600.0  # seconds a user has on Google's pages
MOST = 100  # at once; the oldest gives way, so that nobody can fill the memory

UNKNOWN = "It was begun in another browser, was finished already, or this program was restarted meanwhile. Nothing was stored."
EXPIRED = "The sign-in took longer than ten minutes. Nothing was stored."


@dataclass(frozen=True)
class Attempt:
    """One sign-in under way: what the state, the verifier and the browser's cookie have to be when it comes back."""

    redirect_uri: str
    expires: float
    state: str = field(default_factory=pkce.new_state, repr=False)
    verifier: str = field(default_factory=pkce.new_verifier, repr=False)
    browser: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def cookie(self) -> str:
        """A name of its own: attempts in two tabs, or at proxies on two ports, do not disturb each other."""
        return cookie_name(self.state)

    @property
    def challenge(self) -> str:
        return pkce.challenge(self.verifier)


class Pending:
    """Attempts by state; each can be taken once, by the browser that began it, within ten minutes."""

    def __init__(self) -> None:
        self._attempts: dict[str, Attempt] = {}

    def begin(self, redirect_uri: str, now: float) -> Attempt:
        while len(self._attempts) >= MOST:
            del self._attempts[next(iter(self._attempts))]
        attempt = Attempt(redirect_uri, now + LIFETIME)
        self._attempts[attempt.state] = attempt
        return attempt

    def take(self, state: str, cookies: Mapping[str, str], now: float) -> Attempt:
        """The attempt that comes back with `state`. Raises ProxyError 400."""
        attempt = self._attempts.pop(state, None)
        if attempt is None or not hmac.compare_digest(
            cookies.get(attempt.cookie, "").encode(), attempt.browser.encode()
        ):
            raise ProxyError(400, "login_state_unknown", UNKNOWN, retry=False)
        if attempt.expires <= now:
            raise ProxyError(400, "login_expired", EXPIRED, retry=False)
        return attempt


def cookie_name(state: str) -> str:
    return f"gemini_proxy_login_{state[:8]}"
