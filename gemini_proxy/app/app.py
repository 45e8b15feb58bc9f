"""The server without a host: all that one set of settings needs to serve, from the head of a request to its answer.

A host reads requests. It asks `admit` as soon as it has the head of one and `answer` once it has all of it, and sends
the call to Google that it may get instead of an answer. What it refuses itself, it has `refuse` put into words.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from gemini_proxy.app import api_key, guard
from gemini_proxy.app.announce import UNUSED_KEY, Start
from gemini_proxy.app.announce import lines as announcement
from gemini_proxy.app.auth import STATUS, AuthPages
from gemini_proxy.app.bodies import decoded
from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.app.demo import Demo
from gemini_proxy.app.earlier import ask_earlier
from gemini_proxy.app.local import health, naming, ready, worded
from gemini_proxy.app.remote_media import Fetcher
from gemini_proxy.app.routes import GET, LocalPage, Routes, check_method
from gemini_proxy.dialects import dialects
from gemini_proxy.dialects.openai_errors import refusal
from gemini_proxy.dialects.openai_paths import advice_for
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, Exchange, HttpRequest, Upstream, linked
from gemini_proxy.gemini import signatures
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.google_login.client import HttpClient, Reply
from gemini_proxy.google_login.flow import Google
from gemini_proxy.google_login.given import store_of
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.token import Token
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.outbound import Outbound
from gemini_proxy.settings import Settings
from gemini_proxy.state import Store
from gemini_proxy.state.memory import MemoryStore
from gemini_proxy.state.sqlite import SqliteStore
from gemini_proxy.upstreams import Needs, choose, endpoint_of
from gemini_proxy.upstreams.code_assist.eligibility import project_required

logger = logging.getLogger(__name__)

BODY_LIMIT = 150 * 1024**2  # bytes: the public API takes 100 MB of inline data; base64 and the conversation come on top
FAILED = ProxyError(500, "internal_error", "The proxy failed; its log says where.", retry=False)


class App:
    """`target` is the base URL of reverse mode or empty, `port` the one the proxy listens on, `outbound` the way to the
    internet, `body_limit` how many bytes the body of a request may have once it is unpacked."""

    def __init__(
        self,
        settings: Settings,
        target: str,
        port: int,
        outbound: Outbound | None = None,
        body_limit: Callable[[], int] = lambda: BODY_LIMIT,
    ) -> None:
        self._choice, self._target, self._port = choose(settings, target), target, port
        self._demo = Demo(settings) if settings.demo else None
        if self._demo is not None:
            settings, target = self._demo.settings, self._demo.url
        self._endpoint = endpoint_of(self._choice, target, settings)
        self.settings = settings
        named = {urlsplit(settings.public_url).hostname or ""} - {""}  # who gives it a public name uses that name
        self._guard = guard.Guard(settings.api_key, settings.allowed_hosts | named, settings.allowed_origins)
        self.outbound = outbound or Outbound()
        self._http = HttpClient(outbound=self.outbound)
        self._store, google = store_of(settings), Google.from_settings(settings)
        base = settings.public_url or f"http://127.0.0.1:{port}"
        hint = UNUSED_KEY if settings.google_api_key and self._demo is None else ""
        self._tokens = TokenSource(self._store, google, self._http, f"{base}/auth/login", hint=hint)
        self._auth = AuthPages(settings, self._tokens, self._store, google, self._http, self._endpoint, port)
        folder = None if settings.demo else settings.state_directory
        self._state: Store = SqliteStore(folder) if folder else MemoryStore()
        memory = SignatureMemory(self._state.table(signatures.TABLE, signatures.LIMITS))
        self._state.open()
        self._running = self._choice.start(Needs(settings, self._endpoint, self._tokens, self._send))
        self._upstream: Upstream = self._running.upstream
        self._routes = Routes(self._pages(), dialects(settings, memory, self._running.models))
        self._fetcher = Fetcher(settings.remote_media, self._upstream.media, outbound=self.outbound)
        self._body_limit = body_limit

    def announce(self) -> None:
        """Says at the start what a user has to know."""
        token, problem = self._sign_in() if self._choice.signs_in else (None, self._running.obstacle())
        start = Start(
            settings=self.settings,
            port=self._port,
            endpoint=self._endpoint,
            signs_in=self._choice.signs_in,
            demo=self._demo is not None,
            mode="" if self._target else self._choice.address,
            token=token,
            problem=problem,
        )
        for level, text in announcement(start):
            logger.log(level, "%s", text)

    def _sign_in(self) -> tuple[Token | None, ProxyError | None]:
        """The sign-in in the file, and what stands in the way of using it."""
        try:
            token = self._store.load()
        except ProxyError as error:
            return None, error
        if token is None:
            return None, self._tokens.nobody()
        if not token.refresh_token and token.expires_before(time.time()):
            return token, self._tokens.expired()
        return token, None if self.settings.project or token.project_id else project_required()

    @property
    def name(self) -> str:
        """Which upstream answers."""
        return "demo" if self._demo is not None else self._choice.name

    def cors(self, request: ClientRequest) -> dict[str, str]:
        """What every answer to this request carries besides its own headers."""
        return self._guard.cors(request)

    def admit(self, request: ClientRequest) -> None:
        """Raises ProxyError for a client that may not use the proxy. The head of its request is enough to tell; whatever is
        not one of our own pages needs the key."""
        if not request.path:  # absolute-form and the like: for whom it is meant, nobody knows
            raise unknown_path(request)
        access = self._routes.access(request.path)
        if access != "visitors":
            self._guard.check_host(request)
            self._guard.check_origin(request)
            if self._preflight(request) is not None:  # a browser asks without the key
                return
        if access == "public":
            return
        guard.check_peer(request, self.settings.api_key)
        if access == "key" and not self._client_key(request):
            guard.check_key(request, self.settings.api_key)

    async def answer(self, request: ClientRequest) -> Answer | UpstreamCall:
        """The answer to a client that was admitted, or the call to Google that has to be made for it."""
        try:
            return await self._answer(request)
        except ProxyError as error:
            return self.refuse(worded(error, request), request)
        except Exception:
            logger.exception("A request could not be served.")
            return self.refuse(FAILED, request)

    def refuse(self, error: ProxyError, request: ClientRequest | None = None) -> Answer:
        """The error in the form of the dialect that the path belongs to. For a path that no dialect claims, and for a
        request that could not be read, the form is OpenAI's: most clients can show its message."""
        claim = self._routes.claim(request.path) if request is not None else None
        return replace(claim.dialect.refuse(error) if claim is not None else refusal(error), error=error)

    async def _answer(self, request: ClientRequest) -> Answer | UpstreamCall:
        if (answer := self._preflight(request)) is not None:
            return answer
        if (page := self._routes.page(request.path)) is not None:
            check_method(request, page.methods)
            return await page.answer(request)
        if (claim := self._routes.claim(request.path)) is None:
            raise self._nobody_s(request)
        check_method(request, claim.route.methods)
        if claim.route.lists_models:
            await self._running.refresh()
        asked = claim.dialect.read(await self._decoded(request))
        if isinstance(asked, Answer):
            return asked
        asked = await self._prepared(asked, request)
        sent = await self._upstream.encode(asked)
        return UpstreamCall(
            Exchange(claim.dialect, self._upstream, asked),
            self._upstream,
            sent,
            self.settings.first_byte_limit,
            self.outbound.proxy_for(sent.url),
            self.outbound,
        )

    def _pages(self) -> dict[str, LocalPage]:
        """The paths that the proxy answers itself, whatever dialect a client speaks."""
        return {
            **(self._auth.pages if self._choice.signs_in else {}),
            "/health": LocalPage(GET, health, "public"),
            "/health/ready": LocalPage(GET, self._ready, "public"),
            STATUS: LocalPage(GET, self._status, "machine"),
        }

    async def _ready(self, request: ClientRequest) -> Answer:
        if self._choice.signs_in:
            answer = await ready(self._tokens, self.settings.project)
        else:
            answer = api_key.ready(self._running.obstacle())
        return naming(answer, self._choice.name)

    async def _status(self, request: ClientRequest) -> Answer:
        if self._choice.signs_in:
            answer = await self._auth.answer(request)
        else:
            answer = api_key.status(self._running.obstacle())
        return naming(answer, self._choice.name)

    def _preflight(self, request: ClientRequest) -> Answer | None:
        return (
            self._guard.preflight(request, self._routes.methods(request.path)) if request.method == "OPTIONS" else None
        )

    def _nobody_s(self, request: ClientRequest) -> ProxyError:
        if request.path.startswith("/auth/") and not self._choice.signs_in:
            return ProxyError(404, "not_found", api_key.NO_SIGN_IN, retry=False)
        return unknown_path(request)

    async def _decoded(self, request: ClientRequest) -> ClientRequest:
        """The request with its body unpacked, in a thread: a large one takes a while."""
        encoding = request.headers.get("content-encoding", "")
        if not encoding:
            return request
        return replace(request, body=await asyncio.to_thread(decoded, request.body, encoding, self._body_limit()))

    async def _prepared(self, ask: Ask, request: ClientRequest) -> Ask:
        """The ask with all that has to be there before its call: media, a key, the answers to earlier calls."""
        ask = linked(ask, self._upstream.media)
        await self._fetcher.fill(ask)
        ask = api_key.with_key(ask, self._client_key(request))
        await ask_earlier(ask, self._upstream, self._asked)
        return ask

    def _client_key(self, request: ClientRequest) -> str:
        allowed = self.settings.allow_client_key and not self._choice.signs_in
        return api_key.client_key(request) if allowed else ""

    async def _asked(self, request: HttpRequest) -> Reply:
        """The answer to a call of our own that a client waits for: as patient as the call that a flow makes."""
        limit = self.settings.first_byte_limit
        return await self._http.send(request.method, request.url, request.headers, request.body, limit)

    async def _send(self, request: HttpRequest) -> tuple[int, bytes]:
        reply = await self._http.send(request.method, request.url, request.headers, request.body)
        return reply.status, reply.body

    async def close(self) -> None:
        await self._running.aclose()
        await self._tokens.aclose()
        await self._http.aclose()
        self._state.close()
        if self._demo is not None:
            self._demo.close()


def unknown_path(request: ClientRequest) -> ProxyError:
    path = request.path or request.target.partition("?")[0]
    advice = advice_for(path) or ("" if path.startswith("/v1/") else "The base URL of OpenAI clients ends in /v1.")
    return ProxyError(404, "not_found", f"Not found: {request.method} {path}. {advice}".strip(), retry=False)
