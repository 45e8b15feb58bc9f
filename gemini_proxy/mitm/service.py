"""All that one set of settings needs to serve: the sign-in, its pages, the upstream, the demo."""

import logging
import os
from urllib.parse import urlsplit

from gemini_proxy import guard
from gemini_proxy.dialects import dialects
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, Dialect, HttpRequest, Upstream, linked
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google
from gemini_proxy.google_login.given import store_of
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.mitm import api_key
from gemini_proxy.mitm.auth import AuthPages
from gemini_proxy.mitm.demo import Demo
from gemini_proxy.mitm.earlier import ask_earlier
from gemini_proxy.mitm.local import health, naming, ready
from gemini_proxy.outbound import Outbound, system_proxies
from gemini_proxy.remote_media import Fetcher
from gemini_proxy.settings import Settings
from gemini_proxy.upstreams import Needs, choose, endpoint_of

logger = logging.getLogger(__name__)

LEGAL = (
    "Google's terms do not allow third-party programs to use Gemini Code Assist with its sign-in, and Google may "
    "suspend accounts for it. Since 2026-06-18 it serves no personal accounts here: you need a Code Assist Standard or "
    "Enterprise licence and GOOGLE_CLOUD_PROJECT. This project is not affiliated with Google."
)
DEMO = "DEMO: a built-in emulator answers, not Google. No model is asked and nothing leaves this machine."
NO_KEY = "PROXY_API_KEY is not set: whatever runs on this machine can use the proxy, and other machines cannot."
NO_ORIGINS = "GEMINI_ALLOWED_ORIGINS has no effect without PROXY_API_KEY: no web page may use a proxy without a key."

PUBLIC = ("/health", "/health/ready")


class Service:
    """`target` is the base URL of reverse mode or empty, `port` the one the proxy listens on."""

    def __init__(self, settings: Settings, target: str, port: int) -> None:
        self._choice = choose(settings, target)
        self._demo = Demo(settings) if settings.demo else None
        if self._demo is not None:
            settings, target = self._demo.settings, self._demo.url
        endpoint = endpoint_of(self._choice, target)
        self.settings = settings
        named = {urlsplit(settings.public_url).hostname or ""} - {""}  # who gives it a public name uses that name
        self.guard = guard.Guard(settings.api_key, settings.allowed_hosts | named, settings.allowed_origins)
        self._http = HttpClient()
        self.outbound = Outbound.from_environment(os.environ, system=system_proxies())
        store, google = store_of(settings), Google.from_settings(settings)
        self._tokens = TokenSource(store, google, self._http, f"http://127.0.0.1:{port}/auth/login")
        self._pages = AuthPages(
            settings, self._tokens, store, google, self._http, settings.code_assist_endpoint or endpoint, port
        )
        self._memory = SignatureMemory(None if settings.demo else settings.state_directory / "signatures.sqlite")
        self._memory.open()
        self._running = self._choice.start(Needs(settings, endpoint, self._tokens, self._send))
        self.upstream: Upstream = self._running.upstream
        self.dialects: tuple[Dialect, ...] = dialects(settings, self._memory, self._running.models)
        self.fetcher = Fetcher(settings.remote_media)

    def announce(self) -> None:
        """Says at start what a user has to know."""
        if self._demo is not None or self._choice.signs_in:
            logger.warning("%s", DEMO if self._demo is not None else LEGAL)
        elif (obstacle := self._running.obstacle()) is not None:
            logger.warning("%s", obstacle.message)
        if not self.settings.api_key:
            logger.warning(NO_KEY)
            if self.settings.allowed_origins:
                logger.warning(NO_ORIGINS)

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
        await ask_earlier(ask, self.upstream, self._send)
        return ask

    def _client_key(self, request: ClientRequest) -> str:
        allowed = self.settings.allow_client_key and not self._choice.signs_in
        return api_key.client_key(request) if allowed else ""

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
    text = f"There is no {request.method} {request.path or request.target.partition('?')[0]} here."
    return ProxyError(404, "not_found", text, retry=False)
