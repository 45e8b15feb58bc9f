"""What the text of a setting means. Each function takes the setting's name, for its complaint, and the text."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


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
    return Path(value).expanduser()


def port(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 <= int(value) <= 65535:
        raise SettingsError(f"{name} must be a number from 0 to 65535, not {value!r}.")
    return int(value)


def project(name: str, value: str) -> str:
    if value.isdigit():
        raise SettingsError(
            f"{name} must be the project's id, not its number ({value}). "
            "The id stands beside the number on the dashboard of the Google Cloud console."
        )
    return value


def base_url(name: str, value: str) -> str:
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise SettingsError(f"{name} must be a URL such as https://host, not {value!r}.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(f"{name}: plain http would send your Google token unprotected; use https for {value!r}.")
    return value.rstrip("/")


def header(name: str, value: str) -> str:
    if not value.isascii() or not all(c.isprintable() for c in value):
        raise SettingsError(f"{name} must be printable ASCII: it becomes an HTTP header.")
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
    return frozenset(host.lower().strip("[]").removesuffix(".") for host in _list(value))


def origins(name: str, value: str) -> frozenset[str]:
    return frozenset(_origin(name, origin) for origin in _list(value))


def seconds(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not 0 < number < 1e6:
        raise SettingsError(f"{name} must be a number of seconds over 0, not {value!r}.")
    return number


def flag(name: str, value: str) -> bool:
    if value.lower() not in FLAGS:
        raise SettingsError(f"{name} must be true or false, not {value!r}.")
    return FLAGS[value.lower()]


def _list(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _origin(name: str, value: str) -> str:
    """As a browser writes it: it is compared letter by letter. `null` is what sandboxed pages of any site send."""
    scheme, found, rest = value.partition("://")
    if not found or not scheme or not rest or any(c in "/*?#@ " for c in rest.rstrip("/")):
        raise SettingsError(f"{name} must look like https://HOST or http://HOST:PORT, not {value!r}.")
    return value.rstrip("/").lower()
