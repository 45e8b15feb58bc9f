"""/auth: the sign-in in the browser. It is an attack surface, so each rule names what it keeps out.

Whoever brings the proxy's key may do everything. Without it, only a browser on this machine that names the machine
by a loopback name may (a page of another site that points its own name at 127.0.0.1 may not), and what changes
something has to begin on our own pages.
"""

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from html import escape
from urllib.parse import urlsplit

from gemini_proxy import guard
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login import pages
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google, redirect_error
from gemini_proxy.google_login.pending import LIFETIME, Attempt, Pending
from gemini_proxy.google_login.source import SIGNED_OUT, TokenSource, sign_out
from gemini_proxy.google_login.status import status_of
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.settings import Settings, is_loopback
from gemini_proxy.upstreams.code_assist.account import sign_in

Page = Callable[[ClientRequest], Awaitable[Answer]]


class AuthPages:
    """Answers what is under /auth. `port` is the one we listen on, `endpoint` scheme and host of Code Assist."""

    def __init__(
        self,
        settings: Settings,
        source: TokenSource,
        store: TokenStore,
        google: Google,
        http: HttpClient,
        endpoint: str,
        port: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._source = source
        self._store = store
        self._google = google
        self._http = http
        self._endpoint = endpoint
        self._port = port
        self._now = now
        self._pending = Pending()
        self._welcome = secrets.token_urlsafe(32)  # what the browser knows that signed in last
        self._pages: dict[str, dict[str, Page]] = {
            "/auth/login": {"GET": self._login, "HEAD": self._login},
            "/auth/callback": {"GET": self._callback},  # no HEAD: it would use up the code
            "/auth/done": {"GET": self._done, "HEAD": self._done},
            "/auth/status": {"GET": self._status, "HEAD": self._status},
            "/auth/logout": {"GET": self._ask_logout, "HEAD": self._ask_logout, "POST": self._logout},
        }

    async def answer(self, request: ClientRequest) -> Answer | None:
        """None for what is not ours. Raises ProxyError 405; all other refusals are pages."""
        methods = self._pages.get(request.path)
        if methods is None:
            return None
        if request.method not in methods:
            allowed = ", ".join(methods)
            text = f"{request.method} is not allowed on {request.path}; use {allowed}."
            raise ProxyError(405, "method_not_allowed", text, headers={"allow": allowed})
        try:
            answer = await methods[request.method](request)
        except ProxyError as error:
            again = "" if error.code == "loopback_only" else "/auth/login"
            answer = Answer(error.status, pages.refused(error, again), pages.HEADERS)
        return answer if request.method != "HEAD" else Answer(answer.status, b"", answer.headers)

    async def _login(self, request: ClientRequest) -> Answer:
        self._check_local(request)
        if _from_another_site(request):  # an image or a frame gets no further; a person who followed a link does
            body = pages.paragraph("Another site sent you here. Go on only if you want to sign this proxy in.")
            return _page("Sign in with Google?", body + pages.button("Go on", "/auth/login"))
        attempt = self._pending.begin(f"http://{self._host(request)}/auth/callback", self._now())
        place = self._google.authorization_url(attempt.redirect_uri, attempt.state, attempt.challenge)
        return _redirect(302, place, {"set-cookie": _cookie(attempt)})

    async def _callback(self, request: ClientRequest) -> Answer:
        self._check_local(request)
        query = request.query
        attempt = self._pending.take(query.get("state", ""), _cookies(request), self._now())
        if "code" not in query or "error" in query:
            raise redirect_error(query)
        await sign_in(
            query["code"],
            attempt.verifier,
            attempt.redirect_uri,
            google=self._google,
            http=self._http,
            endpoint=self._endpoint,
            project=self._settings.project,
            store=self._store,
            agent=self._settings.user_agent,
            now=self._now,
        )
        self._welcome = attempt.browser
        # On to an address without the code, which would else stay in the address bar and the history.
        return _redirect(303, "/auth/done")

    async def _done(self, request: ClientRequest) -> Answer:
        self._check_local(request)
        token = await self._source.current()
        if token is None:
            body = pages.paragraph("No Google account is signed in to this proxy.")
            return _page("Not signed in", body + pages.button("Sign in with Google", "/auth/login"))
        base = f"<code>http://{escape(self._host(request))}/v1</code>"
        key = "the value of PROXY_API_KEY" if self._settings.api_key else "any text, since no PROXY_API_KEY is set"
        body = f"<p>Give your tool {base} as its OpenAI base URL and as API key {key}. You can close this window.</p>"
        known = self._may_know(request) or self._welcome in _cookies(request).values()
        shown = pages.account(token, self._settings.project) if known else ""
        return _page("You are signed in", shown + body, "good")

    async def _status(self, request: ClientRequest) -> Answer:
        try:
            status = status_of(await self._source.current(), self._settings.project)
        except ProxyError:  # the file cannot be read: whoever makes a call hears why
            status = status_of(None)
        if not self._may_know(request):
            status = {"authenticated": status["authenticated"]}
        headers = {"content-type": "application/json", "cache-control": "no-store"}
        return Answer(200, json.dumps(status).encode(), headers)

    async def _ask_logout(self, request: ClientRequest) -> Answer:
        self._check_local(request)
        text = "The sign-in is taken back at Google and deleted here. Programs that use this proxy stop working."
        form = '<form method="post" action="/auth/logout"><button class="button">Sign out</button></form>'
        answer = _page("Sign out of Google?", pages.paragraph(text) + form)
        # Under no-referrer a browser posts the form with `Origin: null`, and we could not tell it from another site's.
        return replace(answer, headers={**answer.headers, "referrer-policy": "same-origin"})

    async def _logout(self, request: ClientRequest) -> Answer:
        self._check_local(request)
        if _from_another_site(request):
            raise ProxyError(403, "cross_site", "Another site asked for this. Nothing was done.", retry=False)
        outcome = await sign_out(self._store, self._google, self._http)
        body = pages.paragraph(SIGNED_OUT[outcome])
        return _page("You are signed out", body + pages.button("Sign in again", "/auth/login"), "good")

    def _check_local(self, request: ClientRequest) -> None:
        if not (self._has_key(request) or self._is_local(request)):
            text = (
                "Sign-in works only on the machine of the proxy: "
                f"open http://127.0.0.1:{self._port}/auth/login there, or run python login.py --no-browser."
            )
            raise ProxyError(403, "loopback_only", text, retry=False)

    def _may_know(self, request: ClientRequest) -> bool:
        """Whether a caller may hear whose account it is."""
        return self._has_key(request) if self._settings.api_key else self._is_local(request)

    def _has_key(self, request: ClientRequest) -> bool:
        key = self._settings.api_key
        return bool(key) and _passes(lambda: guard.check_key(request, key))

    def _is_local(self, request: ClientRequest) -> bool:
        return _passes(lambda: guard.check_peer(request, "")) and bool(_loopback_host(request))

    def _host(self, request: ClientRequest) -> str:
        """The name by which the browser knows us; Google sends it back there, and the cookie is bound to it."""
        return _loopback_host(request) or f"127.0.0.1:{self._port}"


def _passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except ProxyError:
        return False
    return True


def _loopback_host(request: ClientRequest) -> str:
    """The Host header, rebuilt from its parts, where it names this machine; else empty."""
    try:
        parts = urlsplit(f"//{request.headers.get('host', '')}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not is_loopback(host) or "%" in host:
        return ""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _from_another_site(request: ClientRequest) -> bool:
    """What the browser says of where a request was made; a program that is no browser says nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("none", "same-origin")
    host = request.headers.get("host", "")
    return request.headers.get("origin", f"http://{host}") != f"http://{host}"


def _cookies(request: ClientRequest) -> dict[str, str]:
    """All of them: on localhost other programs' cookies come too, and http.cookies gives up at an odd one."""
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs}


def _cookie(attempt: Attempt) -> str:
    """Lax: it has to come back with the redirect from Google, and with nothing else that another site starts."""
    return f"{attempt.cookie}={attempt.browser}; Path=/auth; Max-Age={LIFETIME:.0f}; HttpOnly; SameSite=Lax"


def _page(title: str, body: str, mark: str = "plain") -> Answer:
    return Answer(200, pages.page(title, body, mark), pages.HEADERS)


def _redirect(status: int, place: str, headers: Mapping[str, str] | None = None) -> Answer:
    common = {"location": place, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Answer(status, b"", {**common, **(headers or {})})
