"""An access token that the user brings: no file, no refresh (docs/protocol.md, P-114)."""

from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import NoReturn

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.store import TokenStore, Version
from gemini_proxy.google_login.token import Token
from gemini_proxy.settings import Settings

VERSION: Version = (0, 0, 0)


def store_of(settings: Settings) -> TokenStore:
    """Where the sign-in of these settings is kept."""
    return GivenToken(settings.access_token) if settings.access_token else TokenStore(settings.token_store)


class GivenToken(TokenStore):
    """Stands in the place of a token file, and cannot be changed."""

    advice = "Set GOOGLE_CLOUD_ACCESS_TOKEN to a new token and restart, or unset it and sign in."

    def __init__(self, access_token: str) -> None:
        super().__init__(Path("GOOGLE_CLOUD_ACCESS_TOKEN"))
        self._token = Token(access_token)

    def locked(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def version(self) -> Version:
        return VERSION

    def load(self) -> Token:
        return self._token

    def save(self, token: Token) -> Version:
        self._refuse()

    def delete(self) -> None:
        self._refuse()

    def check_writable(self) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        text = "GOOGLE_CLOUD_ACCESS_TOKEN is set and takes precedence over any sign-in. Unset it and restart."
        raise ProxyError(409, "access_token_given", text, retry=False)
