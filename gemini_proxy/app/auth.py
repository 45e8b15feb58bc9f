"""/auth: the sign-in in the browser. Who may use it is in visitors.py."""

import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape

from gemini_proxy.app.local import said, worded
from gemini_proxy.app.routes import Handler, LocalPage
from gemini_proxy.app.visitors import Visitors
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login import pages
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google, redirect_error
from gemini_proxy.google_login.pending import LIFETIME, Attempt, Pending
from gemini_proxy.google_login.sign_out import SIGNED_OUT, sign_out
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.status import account_in_words, status_of
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.settings import Settings
from gemini_proxy.upstreams.code_assist.account import sign_in
from gemini_proxy.upstreams.code_assist.eligibility import STANDING

logger = logging.getLogger(__name__)

STATUS = "/auth/status"
NO_WAY_IN = ("loopback_only", "invalid_api_key", "access_token_given", "token_store_error")


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
        self._visitors = Visitors(settings, port)
        self._now = now
        self._pending = Pending()
        self._welcome = secrets.token_urlsafe(32)  # what the browser knows that signed in last
        self._handlers: dict[str, dict[str, Handler]] = {
            "/auth/login": {"GET": self._login, "HEAD": self._login},
            "/auth/callback": {"GET": self._callback},  # no HEAD: it would use up the code
            "/auth/done": {"GET": self._done, "HEAD": self._done},
            STATUS: {"GET": self._status, "HEAD": self._status},
            "/auth/logout": {"GET": self._ask_logout, "HEAD": self._ask_logout, "POST": self._logout},
        }

    @property
    def pages(self) -> dict[str, LocalPage]:
        """All but the status, which there is without a sign-in too."""
        paths = self._handlers.items()
        return {path: LocalPage(tuple(methods), self.answer, "visitors") for path, methods in paths if path != STATUS}

    async def answer(self, request: ClientRequest) -> Answer:
        """The page for a path and a method that it has; refusals are pages too."""
        try:
            answer = await self._handlers[request.path][request.method](request)
        except ProxyError as error:
            again = "" if error.code in NO_WAY_IN else "/auth/login"
            if request.path == "/auth/callback":  # its further lines can quote Google, which names the account
                logger.warning("A sign-in failed: %s", error.message.splitlines()[0])
            body = pages.refused(worded(error, request), again)
            answer = Answer(error.status, body, {**pages.HEADERS, **error.headers})
        return answer if request.method != "HEAD" else Answer(answer.status, b"", answer.headers)

    async def _login(self, request: ClientRequest) -> Answer:
        self._visitors.check(request)
        if self._visitors.from_another_site(
            request
        ):  # an image or a frame gets no further; a person who followed a link does
            body = pages.paragraph(
                "Another site sent you here. Continue only if you want to sign this proxy in to Google."
            )
            return _page("Sign in with Google?", body + pages.button("Continue", "/auth/login"))
        self._store.check_writable()  # better now than after a minute on Google's pages
        attempt = self._pending.begin(f"{self._visitors.base_url(request)}/auth/callback", self._now())
        place = self._google.authorization_url(attempt.redirect_uri, attempt.state, attempt.challenge)
        return _redirect(302, place, {"set-cookie": _cookie(attempt)})

    async def _callback(self, request: ClientRequest) -> Answer:
        self._visitors.check(request)
        query = request.query
        attempt = self._pending.take(query.get("state", ""), _cookies(request), self._now())
        if "code" not in query or "error" in query:
            raise redirect_error(query)
        try:
            token = await self._sign_in(query["code"], attempt)
        except ProxyError as error:
            if error.code in STANDING and await self._source.current() is None:
                self._source.note(error)
            raise
        logger.info("Signed in to Google as %s.", account_in_words(token, self._settings.project))
        self._welcome = attempt.browser
        # On to an address without the code, which would otherwise stay in the address bar and the history.
        return _redirect(303, "/auth/done")

    async def _sign_in(self, code: str, attempt: Attempt) -> Token:
        return await sign_in(
            code,
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

    async def _done(self, request: ClientRequest) -> Answer:
        self._visitors.check(request)
        token = await self._source.current()
        if token is None:
            body = pages.paragraph("No Google account is signed in to this proxy.")
            return _page("Not signed in", body + pages.button("Sign in with Google", "/auth/login"))
        base = f"<code>{escape(self._visitors.base_url(request))}/v1</code>"
        key = "the value of PROXY_API_KEY" if self._settings.api_key else "any text, since PROXY_API_KEY is not set"
        body = f"<p>Give your tool {base} as its OpenAI base URL and as API key {key}. You can close this window.</p>"
        known = self._visitors.may_know(request) or self._welcome in _cookies(request).values()
        shown = pages.account(token, self._settings.project) if known else ""
        if (problem := await self._source.problem()) is not None and known:
            return Answer(200, pages.refused(problem, "/auth/login", shown), pages.HEADERS)
        return _page("You are signed in", shown + body, "good")

    async def _status(self, request: ClientRequest) -> Answer:
        try:
            token = await self._source.current()
            problem = await self._source.problem()
        except ProxyError as error:  # the file cannot be read
            token, problem = None, error
        if token is None and problem is None:
            problem = self._source.nobody()
        if self._visitors.may_know(request):
            status = status_of(token, self._settings.project, problem and worded(problem, request))
        else:
            status = {"authenticated": token is not None, **(said(problem.code) if problem else {})}
        headers = {"content-type": "application/json", "cache-control": "no-store"}
        return Answer(200, json.dumps(status).encode(), headers)

    async def _ask_logout(self, request: ClientRequest) -> Answer:
        self._visitors.check(request)
        text = "The sign-in will be revoked at Google and deleted here. Programs that use this proxy will stop working."
        form = '<form method="post" action="/auth/logout"><button class="button">Sign out</button></form>'
        answer = _page("Sign out of Google?", pages.paragraph(text) + form)
        # Under no-referrer a browser posts the form with `Origin: null`, and we could not tell it from another site's.
        return replace(answer, headers={**answer.headers, "referrer-policy": "same-origin"})

    async def _logout(self, request: ClientRequest) -> Answer:
        self._visitors.check(request)
        if self._visitors.from_another_site(request):
            raise ProxyError(403, "cross_site", "The request came from another site. Nothing was done.", retry=False)
        outcome = await sign_out(self._store, self._google, self._http)
        logger.info("Signed out: %s", SIGNED_OUT[outcome])
        body = pages.paragraph(SIGNED_OUT[outcome])
        return _page("You are signed out", body + pages.button("Sign in again", "/auth/login"), "good")


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
