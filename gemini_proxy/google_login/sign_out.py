"""The end of a sign-in: here, and at Google."""

import asyncio
from typing import Literal

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token

PATIENCE = 10.0  # seconds that a sign-out waits for Google
SignedOut = Literal["revoked", "deleted", "absent"]
SIGNED_OUT: dict[SignedOut, str] = {
    "revoked": "The sign-in was deleted here, and Google has revoked the access.",
    "deleted": "The sign-in was deleted here. Google did not confirm that it revoked the access; "
    "https://myaccount.google.com/connections shows it and can remove it.",
    "absent": "No Google account was signed in.",
}


async def sign_out(store: TokenStore, google: Google, http: HttpClient) -> SignedOut:
    """Deletes the sign-in; Google is asked to revoke its grant, but a sign-out does not depend on Google's answer.

    Raises ProxyError `token_store_error` where the file cannot be deleted.
    """
    store.check_writable()
    try:
        token = await asyncio.to_thread(store.load)
    except ProxyError:  # it was set aside, or `delete` says why it cannot be read
        token = None
    if token is None:
        await asyncio.to_thread(store.delete)
        return "absent"
    revoked = await _revoke(token, google, http)
    async with store.locked():  # a refresh under way would write its answer over the sign-out
        await asyncio.to_thread(store.delete)
    return "revoked" if revoked else "deleted"


async def _revoke(token: Token, google: Google, http: HttpClient) -> bool:
    form = google.revoke_form(token.refresh_token or token.access_token)
    try:
        async with asyncio.timeout(PATIENCE):
            return (await http.post_form(google.revoke_url, form)).status == 200
    except (ProxyError, TimeoutError):
        return False
