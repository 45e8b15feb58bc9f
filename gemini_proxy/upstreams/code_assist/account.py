"""A sign-in from the code to the stored token: tokens, e-mail address, tier and project."""

import asyncio
import json
import logging
import time
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import CLOUD_PLATFORM, Google, tokens_for_code, tokens_for_refresh
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token
from gemini_proxy.upstreams.code_assist.onboarding import Account, Answered, Call, Wait, provision
from gemini_proxy.user_agent import user_agent

logger = logging.getLogger(__name__)

UNTICKED = (
    "The box for Google Cloud was left unticked on Google's page, and Code Assist needs it. "
    "Start the sign-in again and tick it."
)


def _silent(text: str) -> None:
    """Nobody wants to hear of the progress."""


async def sign_in(
    code: str,
    verifier: str,
    redirect_uri: str,
    *,
    google: Google,
    http: HttpClient,
    endpoint: str,
    project: str,
    store: TokenStore,
    agent: str = "",
    progress: Callable[[str], None] = _silent,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Token:
    """The token that was stored. Raises ProxyError, and then nothing was stored and an older sign-in stays.

    Nothing is revoked either: the client is the Gemini CLI's by default, and Google may end its sign-in with ours.
    `endpoint` is scheme and host of Code Assist, `project` the user's own or empty, `agent` replaces our User-Agent.
    """
    progress("Fetching the tokens")
    reply = await http.post_form(google.token_url, google.exchange_form(code, verifier, redirect_uri))
    token = Token.from_answer(tokens_for_code(reply.status, reply.body, reply.retry_after), now())
    place = Place(google, http, endpoint, project, store, agent)
    return await _adopted(token, place, progress, sleep)


async def take_over(
    token: Token,
    *,
    google: Google,
    http: HttpClient,
    endpoint: str,
    project: str,
    store: TokenStore,
    agent: str = "",
    progress: Callable[[str], None] = _silent,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Token:
    """A sign-in of another program's made ours, as `sign_in`; renewed first, which proves that we can."""
    if token.refresh_token:
        progress("Renewing the tokens")
        client = google.client_of(token.extra)
        reply = await http.post_form(client.token_url, client.refresh_form(token.refresh_token))
        token = token.refreshed(tokens_for_refresh(reply.status, reply.body, reply.retry_after), now())
    return await _adopted(token, Place(google, http, endpoint, project, store, agent), progress, sleep)


@dataclass(frozen=True)
class Place:
    """Where a sign-in goes."""

    google: Google
    http: HttpClient
    endpoint: str
    project: str
    store: TokenStore
    agent: str


async def _adopted(
    token: Token, place: Place, progress: Callable[[str], None], sleep: Callable[[float], Awaitable[None]]
) -> Token:
    if token.scope and CLOUD_PLATFORM not in token.scope.split():
        raise ProxyError(403, "scope_missing", UNTICKED, retry=False)
    email = await _email(token, place.google, place.http)
    account = await provisioned(
        token,
        http=place.http,
        endpoint=place.endpoint,
        project=place.project,
        agent=place.agent,
        progress=progress,
        sleep=sleep,
    )
    token = replace(token, email=email, project_id=account.project_id, tier=account.tier_name or account.tier_id)
    async with place.store.locked():  # a refresh of the older sign-in under way would write over this one
        await asyncio.to_thread(place.store.save, token)
    return token


async def provisioned(
    token: Token,
    *,
    http: HttpClient,
    endpoint: str,
    project: str,
    agent: str = "",
    progress: Callable[[str], None] = _silent,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Account:
    """The account behind a token, set up at Google where it was not yet. Raises ProxyError."""
    steps = provision(project)
    answer: Answered | None = None
    told = ""
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            account: Account = done.value
            return account
        if isinstance(step, Wait):
            answer = None
            await sleep(step.seconds)
            continue
        if step.purpose != told:
            told = step.purpose
            progress(told)
        answer = await _answered(step, token, http, endpoint, agent)


async def _answered(call: Call, token: Token, http: HttpClient, endpoint: str, agent: str) -> Answered:
    headers = {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": f"Bearer {token.access_token}",
        "content-type": "application/json",  # on the GET too (docs/protocol.md, P-203)
        "user-agent": user_agent("", agent),
    }
    body = b"" if call.body is None else json.dumps(call.body).encode()
    reply = await http.send(call.method, endpoint + call.path, headers, body)
    return Answered(reply.status, reply.document, reply.retry_after)


async def _email(token: Token, google: Google, http: HttpClient) -> str:
    """Best effort, as in the Gemini CLI (docs/protocol.md, P-116): a sign-in works without it."""
    headers = {"accept": "application/json", "authorization": f"Bearer {token.access_token}"}
    try:
        reply = await http.send("GET", google.userinfo_url, headers)
    except ProxyError as error:
        logger.info("The account's e-mail address could not be read: %s", error.message)
        return _claimed_email(token.id_token)
    named = reply.document if reply.status == 200 else None
    return _text_in(named, "email") or _claimed_email(token.id_token)


def _claimed_email(id_token: str) -> str:
    """The address in the id token. It came from Google over TLS, so its signature adds nothing."""
    payload = f"{id_token}..".split(".")[1]
    try:
        return _text_in(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))), "email")
    except (ValueError, RecursionError):
        return ""


def _text_in(document: Any, name: str) -> str:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""
