"""The wire protocols of Google's that can answer: a folder each, blind to its siblings. A new one is a row here."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import HttpRequest, Upstream
from gemini_proxy.gemini.models import MODELS, Model
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.setting_values import SettingsError, is_loopback
from gemini_proxy.settings import CODE_ASSIST, GEMINI_API, Settings
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist
from gemini_proxy.upstreams.gemini_api.catalogue import Catalogue
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi

Send = Callable[[HttpRequest], Awaitable[tuple[int, bytes]]]


@dataclass(frozen=True)
class Needs:
    """What an upstream may be made of; `endpoint` is its base URL, `send` makes a call of the proxy's own."""

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
    return Running(CodeAssist(needs.endpoint, needs.tokens, settings.project, settings.user_agent))


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


def endpoint_of(choice: Choice, target: str, settings: Settings) -> str:
    """Where the calls go, and the credential with them: the target, unless a setting names another place, there is no
    target, or it is another upstream's.

    Raises SettingsError for a host that is not Google's and that no setting names: a slip must not cost a credential.
    """
    if choice.signs_in and settings.code_assist_endpoint:
        return settings.code_assist_endpoint
    if not target or any(_is_at(known, target) for known in UPSTREAMS if known is not choice):
        return choice.address
    host = urlsplit(target).hostname or ""
    if not is_loopback(host) and not f".{host}".endswith(".googleapis.com") and settings.upstream != "gemini-api":
        raise SettingsError(
            f"{host} is not one of Google's hosts, and your Google sign-in would be sent there. Use --mode "
            f"reverse:{CODE_ASSIST} (with an API key: reverse:{GEMINI_API}). If it is a gateway of your own, name it in "
            "CODE_ASSIST_ENDPOINT, or set GEMINI_UPSTREAM=gemini-api for one that takes an API key."
        )
    return target


def _is_at(choice: Choice, target: str) -> bool:
    return urlsplit(choice.address).hostname == urlsplit(target).hostname
