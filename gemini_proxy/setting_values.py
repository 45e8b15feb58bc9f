"""What the text of a setting means. Each function takes the setting's name, for its complaint, and the text."""

import os
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
DEFAULT_PORTS = {"https": 443, "http": 80}  # a browser leaves them out of an Origin header


class SettingsError(ValueError):
    """A setting has a value that cannot work; the text names it and says what would."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def text(name: str, value: str) -> str:
    return value


def path(name: str, value: str) -> Path:
    """With `~` and the environment's variables filled in."""
    if any(c < " " or c == "\x7f" for c in value):
        raise SettingsError(
            f"{name} has a control character in it. In double quotes a backslash begins an escape: leave the quotes out."
        )
    filled = os.path.expandvars(value)
    if "${" in filled:
        raise SettingsError(f"{name} uses a variable that is not set: {value!r}.")
    try:
        return Path(filled).expanduser()
    except RuntimeError as error:
        raise SettingsError(
            f"{name}: the home directory in {value!r} is not known here. Give the whole path."
        ) from error


def optional_path(name: str, value: str) -> Path | None:
    """None where the home directory that it begins with does not exist, as for a container's nameless user."""
    try:
        Path(value).expanduser()
    except RuntimeError:
        return None
    return path(name, value)


def port(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 5 or int(value) > 65535:
        raise SettingsError(f"{name} must be a number from 0 to 65535, not {value!r}.")
    return int(value)


def project(name: str, value: str) -> str:
    if value.isdigit():
        raise SettingsError(
            f"{name} must be the project's ID, not its number ({value}). "
            "The ID is next to the number on the dashboard of the Google Cloud console."
        )
    return value


def base_url(name: str, value: str) -> str:
    if not value:
        return ""
    parts = _split(value)
    if (
        parts is None
        or parts.scheme not in DEFAULT_PORTS
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        shown = "" if "@" in value else f", not {value!r}"  # what stands before an @ can be a password
        raise SettingsError(f"{name} must be a URL such as https://host{shown}.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(
            f"{name}: plain http would send your Google credentials unprotected; use https for {value!r}."
        )
    return value.rstrip("/")


def origin_url(name: str, value: str) -> str:
    url = base_url(name, value)
    if urlsplit(url).path:
        raise SettingsError(f"{name} must not have a path ({value!r}): the proxy's pages are at the root of its host.")
    return url


def header(name: str, value: str) -> str:
    if not value.isascii() or not all(c.isprintable() for c in value):
        raise SettingsError(f"{name} must be printable ASCII: it is sent in an HTTP header.")
    return value


def aliases(name: str, value: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in _list(value)]
    if not all(alias.strip() and model.strip() for alias, _, model in pairs):
        raise SettingsError(f"{name} must look like NAME=MODEL,NAME=MODEL, not {value!r}.")
    return {alias.strip(): model.strip() for alias, _, model in pairs}


def one_of(*words: str) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value not in words:
            raise SettingsError(f"{name} must be {', '.join(words[:-1])} or {words[-1]}, not {value!r}.")
        return value

    return read


def hosts(name: str, value: str) -> frozenset[str]:
    return frozenset(_host(name, host) for host in _list(value))


def origins(name: str, value: str) -> frozenset[str]:
    return frozenset(_origin(name, origin) for origin in _list(value))


def seconds(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not 0 < number < 1e6:
        raise SettingsError(f"{name} must be a number of seconds above 0, not {value!r}.")
    return number


def flag(name: str, value: str) -> bool:
    if value.lower() not in FLAGS:
        raise SettingsError(f"{name} must be true or false, not {value!r}.")
    return FLAGS[value.lower()]


def _list(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _split(url: str) -> SplitResult | None:
    """The parts of a URL that can be used as it is; None for half an address, a port that is none, blanks."""
    if not url.isascii() or any(c <= " " for c in url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        return None
    return parts


def _host(name: str, value: str) -> str:
    """A host as it is compared: lower-case, without the port that people copy along from an address bar."""
    try:
        return str(ip_address(value.strip("[]")))
    except ValueError:
        parts = _split(f"//{value}")
    host = (parts.hostname or "").removesuffix(".") if parts else ""
    if not host or parts is None or parts.path or parts.query or parts.fragment or any(c in "@*" for c in value):
        raise SettingsError(
            f"{name} must be host names such as gemini.example.com, without https:// and *, not {value!r}."
        )
    return host


def _origin(name: str, value: str) -> str:
    """As a browser writes it: it is compared letter by letter. `null` is what sandboxed pages of any site send."""
    parts = _split(value.rstrip("/"))
    if parts is None or not parts.scheme or not parts.hostname or parts.path or any(c in "*?#@" for c in value):
        raise SettingsError(f"{name} must look like https://HOST or http://HOST:PORT, not {value!r}.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
