"""All that one set of settings needs to serve: the sign-in, its pages, the upstream, the demo."""

import logging
import time
from urllib.parse import urlsplit

from gemini_proxy import guard
from gemini_proxy.dialects import dialects
from gemini_proxy.dialects.openai_paths import advice_for
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, Dialect, HttpRequest, Upstream, linked
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.google_login.client import HttpClient, Reply
from gemini_proxy.google_login.flow import Google
from gemini_proxy.google_login.given import store_of
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.token import Token
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.mitm import api_key
from gemini_proxy.mitm.announce import UNUSED_KEY, Start
from gemini_proxy.mitm.announce import lines as announcement
from gemini_proxy.mitm.auth import AuthPages
from gemini_proxy.mitm.demo import Demo
from gemini_proxy.mitm.earlier import ask_earlier
from gemini_proxy.mitm.local import health, naming, ready
from gemini_proxy.outbound import Outbound
from gemini_proxy.remote_media import Fetcher
from gemini_proxy.settings import Settings
from gemini_proxy.upstreams import Needs, choose, endpoint_of
from gemini_proxy.upstreams.code_assist.eligibility import project_required

logger = logging.getLogger(__name__)

PUBLIC = ("/health", "/health/ready")


class Service:
    """`target` is the base URL of reverse mode or empty, `port` the one the proxy listens on, `outbound` the way to the
    internet."""

    def __init__(self, settings: Settings, target: str, port: int, outbound: Outbound | None = None) -> None:
        self._choice, self._target, self._port = choose(settings, target), target, port
        self._demo = Demo(settings) if settings.demo else None
        if self._demo is not None:
            settings, target = self._demo.settings, self._demo.url
        self._endpoint = endpoint_of(self._choice, target, settings)
        self.settings = settings
        named = {urlsplit(settings.public_url).hostname or ""} - {""}  # who gives it a public name uses that name
        self.guard = guard.Guard(settings.api_key, settings.allowed_hosts | named, settings.allowed_origins)
        self.outbound = outbound or Outbound()
        self._http = HttpClient(outbound=self.outbound)
        self._store, google = store_of(settings), Google.from_settings(settings)
        base = settings.public_url or f"http://127.0.0.1:{port}"
        hint = UNUSED_KEY if settings.google_api_key and self._demo is None else ""
        self._tokens = TokenSource(self._store, google, self._http, f"{base}/auth/login", hint=hint)
        self._pages = AuthPages(settings, self._tokens, self._store, google, self._http, self._endpoint, port)
        folder = None if settings.demo else settings.state_directory
        self._memory = SignatureMemory(folder / "signatures.sqlite" if folder else None)
        self._memory.open()
        self._running = self._choice.start(Needs(settings, self._endpoint, self._tokens, self._send))
        self.upstream: Upstream = self._running.upstream
        self.dialects: tuple[Dialect, ...] = dialects(settings, self._memory, self._running.models)
        self.fetcher = Fetcher(settings.remote_media, outbound=self.outbound)

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

    def admit(self, request: ClientRequest) -> None:
        """Raises ProxyError for a client that may not ask. Its head is enough; what is not named here needs the key."""
        if not request.path:  # absolute-form and the like: for whom it is meant, nobody knows
            raise unknown_path(request)
        signs_in = request.path.startswith("/auth/") and request.path != "/auth/status"  # pages with rules of their own
        if not signs_in:
            self.guard.check_host(request)
            self.guard.check_origin(request)
            if self.guard.preflight(request) is not None:  # a browser asks without the key
                return
        if request.path in PUBLIC:
            return
        guard.check_peer(request, self.settings.api_key)
        if not request.path.startswith("/auth/") and not self._client_key(request):
            guard.check_key(request, self.settings.api_key)

    async def answer(self, request: ClientRequest) -> Answer | None:
        """What is answered here to a client that was admitted, None where a dialect has to answer."""
        if (answer := self.guard.preflight(request)) is not None:
            return answer
        if (answer := health(request)) is not None:
            return answer
        if self._choice.signs_in:
            answer = await ready(request, self._tokens, self.settings.project)
        else:
            answer = api_key.page(request, self._running.obstacle())
        answer = answer or await self._pages.answer(request)
        if answer is not None:
            return naming(answer, self._choice.name)
        if request.path.startswith("/v1/models"):
            await self._running.refresh()
        return None

    async def prepared(self, ask: Ask, request: ClientRequest) -> Ask:
        """The ask with all that has to be there before its call: media, a key, the answers to earlier calls."""
        ask = linked(ask, self.upstream.media)
        await self.fetcher.fill(ask)
        ask = api_key.with_key(ask, self._client_key(request))
        await ask_earlier(ask, self.upstream, self._asked)
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

    def dialect(self, request: ClientRequest) -> Dialect | None:
        return next((dialect for dialect in self.dialects if dialect.speaks(request)), None)

    async def close(self) -> None:
        await self._running.aclose()
        await self._tokens.aclose()
        await self._http.aclose()
        self._memory.close()
        if self._demo is not None:
            self._demo.close()


def unknown_path(request: ClientRequest) -> ProxyError:
    path = request.path or request.target.partition("?")[0]
    advice = advice_for(path) or ("" if path.startswith("/v1/") else "The base URL of OpenAI clients ends in /v1.")
    return ProxyError(404, "not_found", f"Not found: {request.method} {path}. {advice}".strip(), retry=False)
