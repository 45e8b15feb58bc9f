"""Who may see and use the pages under /auth. They are an attack surface, so each rule names what it keeps out.

Whoever brings the proxy's key may do everything, a browser as the password that it asks for. Without the key, only a
browser on this machine that names the machine by a loopback name may (a page of another site that points its own name
at 127.0.0.1 may not), and what changes something has to begin on our own pages.
"""

import binascii
from base64 import b64decode
from dataclasses import replace
from urllib.parse import urlsplit

from gemini_proxy.app import guard
from gemini_proxy.app.local import is_here
from gemini_proxy.errors import ProxyError
from gemini_proxy.http import ClientRequest
from gemini_proxy.setting_values import is_loopback
from gemini_proxy.settings import Settings

ASK_FOR_KEY = {"www-authenticate": 'Basic realm="gemini-proxy: PROXY_API_KEY is the password", charset="UTF-8"'}


class Visitors:
    """`port` is the one we listen on."""

    def __init__(self, settings: Settings, port: int) -> None:
        self._key = settings.api_key
        self._public_url = settings.public_url
        self._port = port

    def check(self, request: ClientRequest) -> None:
        """Raises ProxyError for a visitor who may not use the pages: 401 where the key opens them, else 403."""
        if self._has_key(request) or self._is_local(request):
            return
        if self._key:
            text = "From here the sign-in pages need the proxy's key: enter PROXY_API_KEY as the password, with any user name."
            raise ProxyError(401, "invalid_api_key", text, retry=False, headers=ASK_FOR_KEY)
        text = (
            "You can sign in only on the machine that runs the proxy: "
            f"open http://127.0.0.1:{self._port}/auth/login there, or run login.py --no-browser. "
            "If PROXY_API_KEY is set, that key opens these pages from other machines too."
        )
        raise ProxyError(403, "loopback_only", text, retry=False)

    def may_know(self, request: ClientRequest) -> bool:
        """Whether a caller may hear whose account it is."""
        return self._has_key(request) if self._key else self._is_local(request)

    def base_url(self, request: ClientRequest) -> str:
        """The address by which the browser knows us; Google sends it back there, and the cookie is bound to it."""
        host = _loopback_host(request)
        if self._public_url and (not host or self._public_url == f"http://{host}"):
            return self._public_url
        return f"http://{host or f'127.0.0.1:{self._port}'}"

    def from_another_site(self, request: ClientRequest) -> bool:
        """What the browser says of where a request was made; a program that is no browser says nothing."""
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("none", "same-origin")
        ours = f"http://{request.headers.get('host', '')}"
        return request.headers.get("origin", ours) not in (ours, _origin(self._public_url))

    def _has_key(self, request: ClientRequest) -> bool:
        try:
            guard.check_key(_with_bearer(request), self._key)
        except ProxyError:
            return False
        return bool(self._key)

    def _is_local(self, request: ClientRequest) -> bool:
        return is_here(request) and bool(_loopback_host(request))


def _with_bearer(request: ClientRequest) -> ClientRequest:
    """The password that a browser asked its user for, in the place where a program sends the key (RFC 7617)."""
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return request
    try:
        _, _, password = b64decode(sent, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return request
    return replace(request, headers={**request.headers, "authorization": f"Bearer {password}"})


def _loopback_host(request: ClientRequest) -> str:
    """The Host header, rebuilt from its parts, where it names this machine; else empty."""
    try:
        parts = urlsplit(f"//{request.headers.get('host', '')}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not is_loopback(host) or "%" in host:
        return ""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
