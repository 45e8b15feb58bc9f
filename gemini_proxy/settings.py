"""What a user can set, from which environment variable it comes, and what holds when nobody sets it.

The addon lays mitmproxy options over the environment, `login.py` reads the environment alone: both read this table.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dotenv import dotenv_values

from gemini_proxy import setting_values as values

Unsupported = Literal["warn", "error", "ignore"]
UpstreamSetting = Literal["auto", "code-assist", "gemini-api"]

CODE_ASSIST = "https://cloudcode-pa.googleapis.com"
GEMINI_API = "https://generativelanguage.googleapis.com"

# Constants of an installed application, published in the Gemini CLI's npm package: its source says that such
# a "secret" is not treated as one. They are split so that scanners for leaked keys stay quiet in every fork.
CLIENT_ID = "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j" + ".apps.googleusercontent.com"
CLIENT_SECRET = "GOCSPX" + "-4uHgMPm-1o7Sk-geV6Cu5clXFsxl"


@dataclass(frozen=True)
class Settings:
    """The values in force. Secrets stay out of `repr`: it ends up in logs and tracebacks."""

    api_key: str
    port: int
    token_store: Path
    project: str
    access_token: str
    public_url: str
    code_assist_endpoint: str
    google_url: str
    client_id: str
    client_secret: str
    user_agent: str
    aliases: Mapping[str, str]
    unsupported: Unsupported
    upstream: UpstreamSetting
    google_api_key: str
    allow_client_key: bool
    remote_media: bool
    state_directory: Path
    demo: bool
    allowed_hosts: frozenset[str]
    allowed_origins: frozenset[str]
    first_byte_limit: float
    idle_limit: float
    shutdown_grace: float
    log_json: bool

    def __repr__(self) -> str:
        return f"Settings({', '.join(f.name for f in fields(self))})"


@dataclass(frozen=True)
class Setting:
    """One row: the field of `Settings`, the environment variables in order of precedence, the default, the help, and
    what makes a value of the text; it is given the first variable's name for its complaint."""

    field: str
    environment: tuple[str, ...]
    default: str
    help: str
    read: Callable[[str, str], Any] = values.text

    @property
    def option(self) -> str:
        """Its name as a mitmproxy option."""
        return f"gemini_{self.field}"


SETTINGS = (
    Setting(
        "api_key",
        ("PROXY_API_KEY",),
        "",
        "Key that clients must send as a bearer token to /v1. Without one, whoever reaches the port spends your quota, "
        "so only this machine may connect. A value on the command line shows in the process list: prefer the "
        "environment, .env or config.yaml.",
    ),
    Setting(
        "port",
        ("PROXY_PORT",),
        "3000",
        "Port to listen on, where neither --listen-port nor the mode names one. Read at start.",
        values.port,
    ),
    Setting(
        "token_store",
        ("TOKEN_STORE_PATH",),
        "./tokens.json",
        "File that keeps the Google sign-in. It is created readable by its owner alone; whoever reads it can use the "
        "account.",
        values.path,
    ),
    Setting(
        "project",
        ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT_ID"),
        "",
        "Google Cloud project id (not the number) that holds the Code Assist licence. It takes precedence over the "
        "project that Google named at sign-in.",
        values.project,
    ),
    Setting(
        "access_token",
        ("GOOGLE_CLOUD_ACCESS_TOKEN",),
        "",
        "A ready access token of Google's, used as it is in place of the sign-in: it is not renewed, nothing is read from "
        "or written to the token file, and the project has to be set too. A value on the command line shows in the "
        "process list: prefer the environment.",
        values.header,
    ),
    Setting(
        "public_url",
        ("GEMINI_PUBLIC_URL",),
        "",
        "Base URL under which browsers reach the proxy, such as https://gemini.example.com, where that is another name "
        "or port than the one it listens on. Google sends the browser back to it after the sign-in, but for the default "
        "OAuth client to loopback addresses only: another name needs a web client of your own (client id and secret). "
        "The sign-in pages then want PROXY_API_KEY as the password.",
        values.base_url,
    ),
    Setting(
        "code_assist_endpoint",
        ("CODE_ASSIST_ENDPOINT",),
        "",
        "Where Code Assist calls go, as scheme and host, in place of the reverse mode's target. Plain http only for "
        "loopback addresses.",
        values.base_url,
    ),
    Setting(
        "google_url",
        ("GEMINI_GOOGLE_URL",),
        "",
        "One base URL in place of all of Google's sign-in hosts; the paths stay. For tests and private set-ups.",
        values.base_url,
    ),
    Setting(
        "client_id",
        ("GEMINI_OAUTH_CLIENT_ID",),
        CLIENT_ID,
        "OAuth client id of the sign-in. The default is the Gemini CLI's, which is public.",
    ),
    Setting(
        "client_secret",
        ("GEMINI_OAUTH_CLIENT_SECRET",),
        CLIENT_SECRET,
        "OAuth client secret that belongs to the client id.",
    ),
    Setting(
        "google_api_key",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "",
        "Key of the public Gemini API, from https://aistudio.google.com/apikey. It is used with that API alone, whose "
        "host the reverse mode or GEMINI_UPSTREAM names. A value on the command line shows in the process list: prefer "
        "the environment, .env or config.yaml.",
        values.header,
    ),
    Setting(
        "upstream",
        ("GEMINI_UPSTREAM",),
        "auto",
        "Which of Google's services answers: code-assist (a sign-in and a licence), gemini-api (an API key), or auto, "
        "by the host of the reverse mode: generativelanguage.googleapis.com is gemini-api, any other code-assist.",
        values.one_of(*get_args(UpstreamSetting)),
    ),
    Setting(
        "allow_client_key",
        ("GEMINI_ALLOW_CLIENT_KEY",),
        "false",
        "With gemini-api, take a Google API key (AIza...) that a client sends as its bearer token as the key for its own "
        "requests, in place of PROXY_API_KEY and of GEMINI_API_KEY. Nothing of it is kept. Off, because whoever has any "
        "such key could then use the proxy.",
        values.flag,
    ),
    Setting(
        "user_agent",
        ("GEMINI_USER_AGENT",),
        "",
        "User-Agent of the calls to Google. Empty means gemini-proxy/VERSION/MODEL (platform; arch; mitmproxy).",
        values.header,
    ),
    Setting(
        "aliases",
        ("GEMINI_ALIASES",),
        "",
        "Names of your own for models, as NAME=MODEL,NAME=MODEL. A model may carry suffixes such as -search or :low.",
        values.aliases,
    ),
    Setting(
        "unsupported",
        ("GEMINI_UNSUPPORTED",),
        "warn",
        "What happens to a request that asks for something Gemini cannot do: warn (do the rest and say so in the header "
        "x-gemini-proxy-warnings and the log), error (400), or ignore. What would make the answer wrong is always a 400.",
        values.one_of(*get_args(Unsupported)),
    ),
    Setting(
        "remote_media",
        ("GEMINI_REMOTE_MEDIA",),
        "false",
        "Fetch images and other media that a request names by http(s) address. Off, because the proxy's machine would "
        "then ask any public address that a client names; private addresses are refused in any case.",
        values.flag,
    ),
    Setting(
        "state_directory",
        ("GEMINI_STATE_DIRECTORY",),
        "~/.cache/gemini-proxy",
        "Folder for what conversations need from one request to the next, the thought signatures of tool calls. It may "
        "be shared by several proxies, and be deleted at any time.",
        values.path,
    ),
    Setting(
        "demo",
        ("GEMINI_DEMO",),
        "false",
        "Talk to the built-in emulator instead of Google, signed in to it already. Nothing leaves this machine, and "
        "no answer comes from a model.",
        values.flag,
    ),
    Setting(
        "allowed_hosts",
        ("GEMINI_ALLOWED_HOSTS",),
        "",
        "Names by which clients may address the proxy besides localhost and, with a key, its addresses, as NAME,NAME. "
        "Any other name is refused: a web page could have pointed it at this machine.",
        values.hosts,
    ),
    Setting(
        "allowed_origins",
        ("GEMINI_ALLOWED_ORIGINS",),
        "",
        "Web sites whose pages may use the proxy from a browser, as https://HOST,http://HOST:PORT. They need the key, "
        "so this works with PROXY_API_KEY only.",
        values.origins,
    ),
    Setting(
        "first_byte_limit",
        ("GEMINI_FIRST_BYTE_LIMIT",),
        "600",
        "Seconds that Google may take until its answer begins; then the client gets a 504. Models think for minutes.",
        values.seconds,
    ),
    Setting(
        "idle_limit",
        ("GEMINI_IDLE_LIMIT",),
        "300",
        "Seconds that an answer of Google's may pause once it has begun; then it ends with an error.",
        values.seconds,
    ),
    Setting(
        "shutdown_grace",
        ("GEMINI_SHUTDOWN_GRACE",),
        "20",
        "Seconds that answers under way may go on when the proxy is told to end (SIGTERM). New requests get a 503.",
        values.seconds,
    ),
    Setting(
        "log_json",
        ("GEMINI_LOG_JSON",),
        "false",
        "Log each request as one line of JSON instead of text.",
        values.flag,
    ),
)


def environment(directory: Path | None = None) -> dict[str, str]:
    """The process environment over the `.env` of `directory` (default: the working directory)."""
    return {**{k: v for k, v in dotenv_values((directory or Path()) / ".env").items() if v is not None}, **os.environ}


def resolve(env: Mapping[str, str], options: Mapping[str, str | None] | None = None) -> Settings:
    """Settings from options (by field name; `None` means not set) over the environment over the defaults.

    Raises SettingsError for a value that cannot work.
    """
    return Settings(**{row.field: row.read(row.environment[0], _text(row, env, options or {})) for row in SETTINGS})


def _text(row: Setting, env: Mapping[str, str], options: Mapping[str, str | None]) -> str:
    option = options.get(row.field)
    if option is not None:
        return option.strip()
    return next((value for name in row.environment if (value := env.get(name, "").strip())), row.default)
