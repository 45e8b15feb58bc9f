"""All that one set of settings needs to serve: the sign-in, its pages, the upstream, the demo."""

import logging

from gemini_proxy import guard
from gemini_proxy.dialects import dialects
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Dialect, Upstream
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.mitm.auth import AuthPages
from gemini_proxy.mitm.demo import Demo
from gemini_proxy.mitm.local import health
from gemini_proxy.remote_media import Fetcher
from gemini_proxy.settings import Settings
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist

logger = logging.getLogger(__name__)

LEGAL = (
    "Google's terms do not allow third-party programs to use Gemini Code Assist with its sign-in, and Google may "
    "suspend accounts for it. Since 2026-06-18 it serves no personal accounts here: you need a Code Assist Standard or "
    "Enterprise licence and GOOGLE_CLOUD_PROJECT. This project is not affiliated with Google."
)
DEMO = "DEMO: a built-in emulator answers, not Google. No model is asked and nothing leaves this machine."
NO_KEY = "PROXY_API_KEY is not set: whatever runs on this machine can use the proxy, and other machines cannot."


class Service:
    """`target` is the base URL of Code Assist, `port` the one the proxy listens on."""

    def __init__(self, settings: Settings, target: str, port: int) -> None:
        self._demo = Demo(settings) if settings.demo else None
        if self._demo is not None:
            settings = self._demo.settings
            target = settings.code_assist_endpoint
        self.settings = settings
        self._http = HttpClient()
        store, google = TokenStore(settings.token_store), Google.from_settings(settings)
        self._tokens = TokenSource(store, google, self._http, f"http://127.0.0.1:{port}/auth/login")
        self._pages = AuthPages(settings, self._tokens, store, google, self._http, target, port)
        self._memory = SignatureMemory(None if settings.demo else settings.state_directory / "signatures.sqlite")
        self.dialects: tuple[Dialect, ...] = dialects(settings, self._memory)
        self.fetcher = Fetcher(settings.remote_media)
        self.upstream: Upstream = CodeAssist(target, self._tokens, settings.project, settings.user_agent)

    def announce(self) -> None:
        """Says at start what a user has to know."""
        logger.warning("%s", DEMO if self._demo is not None else LEGAL)
        if not self.settings.api_key:
            logger.warning(NO_KEY)

    async def answer(self, request: ClientRequest) -> Answer | None:
        """What is answered here, None where a dialect has to. Raises ProxyError for a client that may not ask."""
        if (answer := health(request)) is not None:
            return answer
        guard.check_peer(request, self.settings.api_key)
        if (answer := await self._pages.answer(request)) is not None:
            return answer
        if request.path.startswith("/v1/"):
            guard.check_key(request, self.settings.api_key)
        return None

    def dialect(self, request: ClientRequest) -> Dialect | None:
        return next((dialect for dialect in self.dialects if dialect.speaks(request)), None)

    async def close(self) -> None:
        await self._tokens.aclose()
        await self._http.aclose()
        self._memory.close()
        if self._demo is not None:
            self._demo.close()


def unknown_path(request: ClientRequest) -> ProxyError:
    text = f"There is no {request.method} {request.path or request.target.partition('?')[0]} here."
    return ProxyError(404, "not_found", text, retry=False)
