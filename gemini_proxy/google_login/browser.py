"""The user's browser as a command line sees it: whether there is one, and what comes back from it by hand."""

from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit


def has_browser(env: Mapping[str, str], platform: str) -> bool:
    """Not a browser of the terminal, which would take it over; as the Gemini CLI decides (docs/protocol.md, P-115)."""
    if env.get("NO_BROWSER") or env.get("CI") or env.get("DEBIAN_FRONTEND") == "noninteractive":
        return False
    if env.get("BROWSER"):
        return env["BROWSER"] != "www-browser"
    return not platform.startswith("linux") or bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


def pasted(text: str) -> dict[str, str]:
    """The fields in what a user pasted: an address, its query, or the code alone."""
    text = text.strip().strip("'\"")
    query = urlsplit(text).query if "://" in text else text.lstrip("?")
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    if "://" in text or "code" in fields or "error" in fields:
        return fields
    return {"code": unquote(text)} if text else {}
