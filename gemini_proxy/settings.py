"""What a user can set, from which environment variable it comes, and what holds when nobody sets it.

The addon lays mitmproxy options over the environment, `login.py` reads the environment alone: both read this table.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

from gemini_proxy import env_file, files
from gemini_proxy import setting_values as values
from gemini_proxy.setting_values import SettingsError

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
    state_directory: Path | None  # None: there is no home directory to put it in
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
    what makes a value of the text; it is given the name that the user wrote, for its complaint."""

    field: str
    environment: tuple[str, ...]
    default: str
    help: str
    read: Callable[[str, str], Any] = values.text
    default_on_windows: str = ""

    @property
    def option(self) -> str:
        """Its name as a mitmproxy option."""
        return f"gemini_{self.field}"


SETTINGS = (
    Setting(
        "api_key",
        ("PROXY_API_KEY",),
        "",
        "API key that clients must send as a bearer token. If it is not set, only programs on this machine are served. "
        "A value on the command line shows up in the process list: prefer the environment, .env or config.yaml.",
    ),
    Setting(
        "port",
        ("PROXY_PORT",),
        "3000",
        "Port to listen on, unless --listen-port or the mode sets one. Read at startup only.",
        values.port,
    ),
    Setting(
        "token_store",
        ("TOKEN_STORE_PATH",),
        "./tokens.json",
        "File that stores the Google sign-in. Anyone who can read it can use the account. Outside Windows it is created "
        "with mode 0600; on Windows its folder decides who can read it.",
        values.path,
        default_on_windows="~/AppData/Local/gemini-proxy/tokens.json",
    ),
    Setting(
        "project",
        ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT_ID"),
        "",
        "ID (not number) of the Google Cloud project that holds the Code Assist licence. It takes precedence over the "
        "project that Google assigned at sign-in.",
        values.project,
    ),
    Setting(
        "access_token",
        ("GOOGLE_CLOUD_ACCESS_TOKEN",),
        "",
        "Google access token to use instead of the sign-in. It is never renewed, the token file is neither read nor "
        "written, and the project must be set too. A value on the command line shows up in the process list: prefer "
        "the environment.",
        values.header,
    ),
    Setting(
        "public_url",
        ("GEMINI_PUBLIC_URL",),
        "",
        "Scheme, host and port under which browsers reach the proxy, such as https://gemini.example.com, if that is not "
        "the address it listens on. Google redirects the browser there after sign-in, but with the default OAuth "
        "client to loopback addresses only: any other name needs a web client of your own (client ID and secret). "
        "The sign-in pages then ask for PROXY_API_KEY as the password.",
        values.origin_url,
    ),
    Setting(
        "code_assist_endpoint",
        ("CODE_ASSIST_ENDPOINT",),
        "",
        "Base URL of Code Assist, instead of the reverse mode's target. Your Google sign-in is sent there. Plain http is "
        "for loopback addresses only.",
        values.base_url,
    ),
    Setting(
        "google_url",
        ("GEMINI_GOOGLE_URL",),
        "",
        "One base URL that replaces all of Google's sign-in hosts; the paths stay the same. For tests and private "
        "set-ups.",
        values.base_url,
    ),
    Setting(
        "client_id",
        ("GEMINI_OAUTH_CLIENT_ID",),
        CLIENT_ID,
        "OAuth client ID used for the sign-in. The default is the Gemini CLI's, which is public.",
    ),
    Setting(
        "client_secret",
        ("GEMINI_OAUTH_CLIENT_SECRET",),
        CLIENT_SECRET,
        "OAuth client secret that belongs to the client ID.",
    ),
    Setting(
        "google_api_key",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "",
        "API key for the public Gemini API, from https://aistudio.google.com/apikey. It is used with that API only, "
        "which the host of the reverse mode or GEMINI_UPSTREAM selects. A value on the command line shows up in the "
        "process list: prefer the environment, .env or config.yaml.",
        values.header,
    ),
    Setting(
        "upstream",
        ("GEMINI_UPSTREAM",),
        "auto",
        "Which Google service answers: code-assist (needs a sign-in and a licence), gemini-api (needs an API key), or "
        "auto, which looks at the host of the reverse mode: gemini-api for generativelanguage.googleapis.com, "
        "code-assist for any other.",
        values.one_of(*get_args(UpstreamSetting)),
    ),
    Setting(
        "allow_client_key",
        ("GEMINI_ALLOW_CLIENT_KEY",),
        "false",
        "With gemini-api: accept a Google API key (AIza...) that a client sends as its bearer token and use it for that "
        "client's requests, instead of PROXY_API_KEY and GEMINI_API_KEY. The key is not stored. Off by default, because "
        "anyone with any such key could then use the proxy.",
        values.flag,
    ),
    Setting(
        "user_agent",
        ("GEMINI_USER_AGENT",),
        "",
        "User-Agent of the requests to Google. Default: gemini-proxy/VERSION/MODEL (platform; arch; mitmproxy).",
        values.header,
    ),
    Setting(
        "aliases",
        ("GEMINI_ALIASES",),
        "",
        "Your own names for models, as NAME=MODEL,NAME=MODEL. A model may have suffixes such as -search or :low.",
        values.aliases,
    ),
    Setting(
        "unsupported",
        ("GEMINI_UNSUPPORTED",),
        "warn",
        "What to do with request parameters that Gemini does not support: warn (ignore them, and say so in the log and "
        "in the header x-gemini-proxy-warnings), error (400), or ignore. Anything that would make the answer wrong is "
        "always a 400.",
        values.one_of(*get_args(Unsupported)),
    ),
    Setting(
        "remote_media",
        ("GEMINI_REMOTE_MEDIA",),
        "false",
        "Download images and other media that a request refers to by http(s) URL. Off by default, because this machine "
        "would then connect to any public address that a client names. Private addresses are always refused.",
        values.flag,
    ),
    Setting(
        "state_directory",
        ("GEMINI_STATE_DIRECTORY",),
        "~/.cache/gemini-proxy",
        "Folder for what a conversation needs from one request to the next: the thought signatures of tool calls. "
        "Several proxies may share it, and it may be deleted at any time.",
        values.optional_path,
        default_on_windows="~/AppData/Local/gemini-proxy",
    ),
    Setting(
        "demo",
        ("GEMINI_DEMO",),
        "false",
        "Use the built-in emulator instead of Google, already signed in. Nothing leaves this machine, and no model is "
        "asked.",
        values.flag,
    ),
    Setting(
        "allowed_hosts",
        ("GEMINI_ALLOWED_HOSTS",),
        "",
        "Host names by which clients may address the proxy, as NAME,NAME, besides localhost and, if PROXY_API_KEY is "
        "set, IP addresses. Other names are refused: a web page could have pointed them at this machine.",
        values.hosts,
    ),
    Setting(
        "allowed_origins",
        ("GEMINI_ALLOWED_ORIGINS",),
        "",
        "Web sites whose pages may use the proxy from a browser (CORS), as https://HOST,http://HOST:PORT. They must send "
        "the key, so this requires PROXY_API_KEY.",
        values.origins,
    ),
    Setting(
        "first_byte_limit",
        ("GEMINI_FIRST_BYTE_LIMIT",),
        "600",
        "Seconds to wait for Google's answer to begin before the client gets a 504. Models can think for minutes.",
        values.seconds,
    ),
    Setting(
        "idle_limit",
        ("GEMINI_IDLE_LIMIT",),
        "300",
        "Seconds that an answer from Google may pause once it has begun; after that it ends with an error.",
        values.seconds,
    ),
    Setting(
        "shutdown_grace",
        ("GEMINI_SHUTDOWN_GRACE",),
        "20",
        "Seconds that answers in progress may take to finish after Ctrl-C or SIGTERM; a second signal ends them at once. "
        "New requests get a 503.",
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
ROWS = {name: row for row in SETTINGS for name in row.environment}

OURS = ("GEMINI_", "PROXY_", "TOKEN_STORE", "CODE_ASSIST")
# What the Gemini CLI reads, from the same environment and the same .env.
OTHERS = re.compile(
    r"GEMINI_(CLI|TELEMETRY|SANDBOX|MODEL|SYSTEM_MD|WRITE_SYSTEM_MD|DEFAULT_AUTH_TYPE|API_KEY_AUTH)(_|$)"
)
NEAR = 0.9  # of 1: a name as near to one of ours as GEMINI_API_KYE is a slip, PROXY_HOST is another program's
ANY = 0.6


def environment(directory: Path | None = None) -> dict[str, str]:
    """The process environment over the `.env` of `directory` (default: the working directory).

    Raises SettingsError for a `.env` that cannot be read, and for a name that no setting has: any such name of ours in
    `.env`, and in the environment, which all programs share, one that is nearly a setting's.
    """
    file = (directory or Path()) / ".env"
    written = env_file.read(file)
    for name in _unknown(written):
        if (ours := name.upper().startswith(OURS)) or _nearest(name, NEAR):
            raise SettingsError(f"{file.absolute()}: there is no setting {name}.{_meant(name, ANY if ours else NEAR)}")
    for name in _unknown(os.environ):
        if name.upper().startswith(OURS) and (near := _nearest(name, NEAR)) and not os.environ.get(near):
            raise SettingsError(f"The environment has {name}, which is not a setting.{_meant(name, NEAR)}")
    return {**written, **os.environ}


def nearest_option(name: str) -> str:
    """The option that somebody who wrote an unknown one most likely meant; empty for none."""
    meant = name.replace("-", "_")
    if (row := ROWS.get(meant.upper())) is not None:
        return row.option
    return next(iter(get_close_matches(meant.lower(), [row.option for row in SETTINGS], 1, ANY)), "")


def resolve(env: Mapping[str, str], options: Mapping[str, str | None] | None = None) -> Settings:
    """Settings from options (by field name; `None` means not set) over the environment over the defaults.

    Raises SettingsError for a value that cannot work.
    """
    return Settings(**{row.field: _value(row, env, options or {}) for row in SETTINGS})


def _value(row: Setting, env: Mapping[str, str], options: Mapping[str, str | None]) -> Any:
    default = (files.WINDOWS and row.default_on_windows) or row.default
    option = options.get(row.field)
    if option is not None:  # one that is empty asks for the default, whatever the environment says
        return row.read(row.option, option.strip() or default)
    for name in row.environment:
        if value := env.get(name, "").strip():
            return row.read(name, value)
    return row.read(row.environment[0], default)


def _unknown(names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in ROWS and not OTHERS.match(name)]


def _nearest(name: str, cutoff: float) -> str:
    return next(iter(get_close_matches(name.upper(), ROWS, 1, cutoff)), "")


def _meant(name: str, cutoff: float) -> str:
    near = _nearest(name, cutoff)
    return f" Did you mean {near}?" if near else " README.md lists them."
