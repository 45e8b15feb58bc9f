"""The wire protocols of Google's that can answer: a folder each, blind to its siblings. A new one is a row here."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import HttpRequest, Upstream
from gemini_proxy.gemini.models import MODELS, Model
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.settings import CODE_ASSIST, GEMINI_API, Settings
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist
from gemini_proxy.upstreams.gemini_api.catalogue import Catalogue
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi

Send = Callable[[HttpRequest], Awaitable[tuple[int, bytes]]]


@dataclass(frozen=True)
class Needs:
    """What an upstream may be made of; `endpoint` is scheme and host, `send` makes a call of the proxy's own."""

    settings: Settings
    endpoint: str
    tokens: TokenSource
    send: Send


async def _nothing() -> None: ...


@dataclass(frozen=True)
class Running:
    """An upstream at work. `models` is what is known of its models now, `refresh` asks Google for them where it can be
    asked; `obstacle` is why no request can work, where that is known and no sign-in is concerned."""

    upstream: Upstream
    models: Callable[[], Sequence[Model]] = field(default=lambda: MODELS)
    refresh: Callable[[], Awaitable[None]] = _nothing
    obstacle: Callable[[], ProxyError | None] = field(default=lambda: None)
    aclose: Callable[[], Awaitable[None]] = _nothing


@dataclass(frozen=True)
class Choice:
    name: str
    address: str  # Google's own
    signs_in: bool  # with a Google account, through /auth
    start: Callable[[Needs], Running]


def _code_assist(needs: Needs) -> Running:
    settings = needs.settings
    endpoint = settings.code_assist_endpoint or needs.endpoint
    return Running(CodeAssist(endpoint, needs.tokens, settings.project, settings.user_agent))


def _gemini_api(needs: Needs) -> Running:
    settings = needs.settings
    upstream = GeminiApi(needs.endpoint, settings.google_api_key, settings.user_agent, settings.allow_client_key)
    catalogue = Catalogue(upstream, needs.send)
    return Running(upstream, catalogue, catalogue.refresh, upstream.obstacle, catalogue.aclose)


UPSTREAMS = (
    Choice("code-assist", CODE_ASSIST, True, _code_assist),
    Choice("gemini-api", GEMINI_API, False, _gemini_api),
)


def choose(settings: Settings, target: str) -> Choice:
    """The upstream that the settings name, else the one whose host the target is, else the first."""
    named = next((choice for choice in UPSTREAMS if choice.name == settings.upstream), None)
    return named or next((choice for choice in UPSTREAMS if _is_at(choice, target)), UPSTREAMS[0])


def endpoint_of(choice: Choice, target: str) -> str:
    """The target, unless there is none or it is the address of another upstream."""
    other = any(_is_at(known, target) for known in UPSTREAMS if known is not choice)
    return target if target and not other else choice.address


def _is_at(choice: Choice, target: str) -> bool:
    return urlsplit(choice.address).hostname == urlsplit(target).hostname
