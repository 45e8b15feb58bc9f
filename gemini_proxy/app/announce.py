"""What the terminal says once the proxy listens: where clients find it, who answers them, and what is missing."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gemini_proxy import files
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.status import account_in_words
from gemini_proxy.google_login.token import Token
from gemini_proxy.settings import GEMINI_API, Settings

LEGAL = (
    "Google's terms prohibit using Gemini Code Assist's sign-in with third-party software, and Google may suspend accounts "
    "for it. Since 18 June 2026 it does not serve personal accounts here: you need a Code Assist Standard or Enterprise "
    "licence and GOOGLE_CLOUD_PROJECT. This project is not affiliated with Google."
)
DEMO = "DEMO: a built-in emulator answers, not Google. No model is asked, and nothing leaves this machine."
NO_KEY = "PROXY_API_KEY is not set: any program on this machine can use the proxy; other machines cannot."
NO_ORIGINS = "GEMINI_ALLOWED_ORIGINS has no effect without PROXY_API_KEY: no web page may use a proxy without a key."
UNUSED_KEY = (
    "GEMINI_API_KEY is set but not used, because Code Assist answers. For the public Gemini API start the proxy with "
    f"--mode reverse:{GEMINI_API}."
)
NO_STATE = (
    "There is no home directory to keep thought signatures in: tool calls made before a restart lose theirs. "
    "GEMINI_STATE_DIRECTORY can name another folder."
)
NOT_REVERSE = (
    "This is a server: start it with --mode reverse:%s, or clients that send it a path get an error from mitmproxy."
)


@dataclass(frozen=True)
class Start:
    """What is known at the start. `endpoint` is where calls go, `mode` what a reverse mode would name, empty where one
    does; `problem` is what stands in the way of every chat."""

    settings: Settings
    port: int
    endpoint: str
    signs_in: bool
    demo: bool
    mode: str
    token: Token | None
    problem: ProxyError | None


def lines(start: Start) -> Iterator[tuple[int, str]]:
    """Log levels and lines."""
    yield logging.INFO, _clients(start)
    if start.demo:
        yield logging.WARNING, DEMO
    elif start.problem is not None:
        yield logging.WARNING, f"No chat can work yet. {start.problem.text_here}"
    else:
        yield logging.INFO, f"Answers come from {_upstream(start)}."
    yield from ((logging.WARNING, text) for text in _warnings(start))


def _clients(start: Start) -> str:
    settings = start.settings
    base = settings.public_url or f"http://127.0.0.1:{start.port}"
    key = "the value of PROXY_API_KEY" if settings.api_key else "any text"
    if settings.allow_client_key and not start.signs_in:
        key = f"{key}, or a Google API key" if settings.api_key else "a Google API key"
    return f"OpenAI base URL: {base}/v1    API key: {key}"


def _upstream(start: Start) -> str:
    settings, host = start.settings, urlsplit(start.endpoint).hostname
    if not start.signs_in:
        key = "the key from GEMINI_API_KEY" if settings.google_api_key else "the keys that clients send"
        return f"the public Gemini API at {host}, with {key}"
    if settings.access_token:
        return f"Code Assist at {host}, with the token from GOOGLE_CLOUD_ACCESS_TOKEN, project {settings.project}"
    whose = account_in_words(start.token, settings.project) if start.token else "nobody"
    return f"Code Assist at {host}, signed in as {whose}"


def _warnings(start: Start) -> Iterator[str]:
    settings = start.settings
    if start.mode:
        yield NOT_REVERSE % start.mode
    if not start.demo and start.signs_in:
        if settings.google_api_key and start.problem is None:  # else it says so
            yield UNUSED_KEY
        yield LEGAL
        if files.WINDOWS and not settings.access_token and not _is_at_home(settings.token_store):
            yield f"Other users of this machine may be able to read {settings.token_store.absolute()}: its folder decides."
    if not settings.api_key:
        yield NO_KEY
        if settings.allowed_origins:
            yield NO_ORIGINS
    if settings.state_directory is None:
        yield NO_STATE


def _is_at_home(file: Path) -> bool:
    try:
        return file.absolute().is_relative_to(Path.home())
    except RuntimeError:
        return False
