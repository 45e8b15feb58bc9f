"""Who may use the proxy, and by which name: other machines, pages in the user's browser, clients without the key. Pure.

A browser is a way round the loopback address: any page can make it ask 127.0.0.1. It says which page asks (`Origin`,
`Sec-Fetch-Site`) and which name the page used (`Host`), and a page can forge neither.
"""

import hmac
import string
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from gemini_proxy.errors import ProxyError
from gemini_proxy.http import Answer, ClientRequest

KEY_HEADERS = ("x-api-key", "x-goog-api-key")
# What web servers, tunnels and CDNs add to a request that they pass on for somebody else.
FORWARDED = ("forwarded", "via", "true-client-ip", "cf-connecting-ip", "fly-client-ip", "fastly-client-ip")
FORWARDED_PREFIXES = ("x-forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-")
EXPOSED = "*"  # every header of every protocol: it means that where no cookies are sent, and none are allowed here
PREFLIGHT_LIFETIME = "600"  # seconds
HEADER_NAMES = frozenset(string.ascii_letters + string.digits + "-_, ")


@dataclass(frozen=True)
class Guard:
    """`hosts` are names that the operator gives the proxy besides the loopback ones, `origins` the sites whose pages
    may use it: they need the key too, so without a key there is none."""

    api_key: str = ""
    hosts: Collection[str] = ()
    origins: Collection[str] = ()

    def check_host(self, request: ClientRequest) -> None:
        """Raises ProxyError 403 for a name that is not ours: a page may have pointed its own at this machine."""
        host = request.headers.get("host", "")
        name = _hostname(host)
        if not host or name in self.hosts or _is_loopback(name):  # without Host it is HTTP/1.0, so no browser
            return
        if self.api_key and _is_address(name):  # an address cannot be pointed elsewhere; without a key we are local
            return
        text = f"The proxy does not answer under the name {name or host!r:.100}. GEMINI_ALLOWED_HOSTS can allow it."
        raise ProxyError(403, "host_not_allowed", text, retry=False)

    def check_origin(self, request: ClientRequest) -> None:
        """Raises ProxyError 403 for a page of a site that the operator did not allow."""
        origin = request.headers.get("origin")
        if origin is None:
            crossing = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
            if not crossing or request.headers.get("sec-fetch-mode") == "navigate":  # a link that a person followed
                return
        elif self.allowed_origin(request) or _is_own(origin, request.headers.get("host", "")):
            return
        text = (
            "Pages of this site may not use the proxy. GEMINI_ALLOWED_ORIGINS can allow it, where PROXY_API_KEY is set."
        )
        raise ProxyError(403, "origin_not_allowed", text, retry=False)

    def allowed_origin(self, request: ClientRequest) -> str:
        """The Origin of a request if the operator allowed it, else empty."""
        origin = request.headers.get("origin", "")
        return origin if self.api_key and origin in self.origins else ""

    def cors(self, request: ClientRequest) -> dict[str, str]:
        """What every answer carries for such an origin: without it the page could not even read an error."""
        origin = self.allowed_origin(request)
        if not origin:
            return {"vary": "origin"} if self.origins else {}
        return {"access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED, "vary": "origin"}

    def preflight(self, request: ClientRequest, methods: Iterable[str]) -> Answer | None:
        """The answer to a browser's question before the request: it comes without a key. `methods` are those of the path.
        To be called after `check_origin`; None for what is not one."""
        if request.method != "OPTIONS" or not self.allowed_origin(request):
            return None
        if "access-control-request-method" not in request.headers:
            return None
        headers = {"access-control-allow-methods": ", ".join(methods), "access-control-max-age": PREFLIGHT_LIFETIME}
        asked = request.headers.get("access-control-request-headers", "")
        if asked and HEADER_NAMES.issuperset(asked):
            headers["access-control-allow-headers"] = asked
        if request.headers.get("access-control-request-private-network") == "true":
            headers["access-control-allow-private-network"] = "true"
        return Answer(204, b"", headers)


def check_peer(request: ClientRequest, api_key: str) -> None:
    """Raises ProxyError 403 for another machine while no key is set.

    A web server on this machine that passes on what others ask connects from here, but says so in a header: that it is
    there counts, whatever it says. Programs of this machine send none.
    """
    if api_key:
        return
    if not _is_loopback(request.peer):
        text = "This proxy has no key, so it serves only its own machine. Set PROXY_API_KEY to serve others."
        raise ProxyError(403, "loopback_only", text, retry=False)
    passed_on = next((name for name in request.headers if _is_forwarding(name)), None)
    if passed_on is not None:
        text = (
            f"The request was passed on for another machine (it carries {passed_on}), and this proxy has no key. "
            "Set PROXY_API_KEY to serve others through a web server or a tunnel."
        )
        raise ProxyError(403, "loopback_only", text, retry=False)


def check_key(request: ClientRequest, api_key: str) -> None:
    """Raises ProxyError 401 unless the request carries the key; comparing takes the same time wherever it differs."""
    if not api_key:
        return
    sent = _keys(request)
    # each is compared, so that how many there are is all that the time tells
    if any([hmac.compare_digest(key.encode("utf-8", "replace"), api_key.encode()) for key in sent]):  # noqa: C419
        return
    text = f"{_problem(request, sent)}. Send the proxy's key (PROXY_API_KEY) as 'Authorization: Bearer KEY'."
    headers = {"www-authenticate": "Bearer"}
    raise ProxyError(401, "invalid_api_key", text, retry=False, headers=headers)


def _keys(request: ClientRequest) -> list[str]:
    """What a client sent as its key: OpenAI's, Anthropic's and Google's clients have a place each."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return [bearer, *(request.headers.get(name, "") for name in KEY_HEADERS), request.query.get("key", "")]


def _problem(request: ClientRequest, sent: list[str]) -> str:
    if any(sent):
        return "Incorrect API key provided"
    elsewhere = next((name for name in ("authorization", "api-key") if request.headers.get(name)), None)
    if elsewhere is not None:
        return f"The API key was not understood: the header {elsewhere!r} does not hold a bearer token"
    return "No API key provided"


def _is_forwarding(name: str) -> bool:
    return name in FORWARDED or name.startswith(FORWARDED_PREFIXES)


def _hostname(host: str) -> str:
    """The name in a Host header without its port; empty for what is no such header."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises for what is no number
    except ValueError:
        return ""
    odd = parts.username is not None or parts.path or parts.query or parts.fragment
    return "" if odd else (parts.hostname or "").removesuffix(".")


def _is_own(origin: str, host: str) -> bool:
    """Whether a page was loaded from the proxy itself."""
    return bool(host) and origin in (f"http://{host}", f"https://{host}")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")  # which browsers resolve to loopback by themselves
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # a listener on :: sees IPv4 clients so
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
