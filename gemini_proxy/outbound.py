"""The way from this machine to the internet: through which proxy, and whose certificates count.

Every connection that the program opens asks here: the calls to Google, the sign-in, the second try. So HTTPS_PROXY,
NO_PROXY and SSL_CERT_FILE mean the same for all of them, and an error can name the variable that was in force.
"""

import base64
import re
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from gemini_proxy.errors import ProxyError

CONNECT = 30.0  # seconds for DNS, TCP and TLS
PORTS = {"http": 80, "https": 443}
# Where the names of trusted certificate files and folders come from, after mitmproxy's own options. The last two are
# the habit of Python's requests and of curl; companies set them on the machines of their developers.
TRUSTED_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
TRUSTED_FOLDER = "SSL_CERT_DIR"
SYSTEM = "the system's proxy settings"

_WITH_PORT = re.compile(r"(?:\[.*\]|[^:]*):\d+")


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy. `variable` is what named it, `authorization` the value of `Proxy-Authorization`, empty for none."""

    scheme: str  # http or https: how to speak to the proxy itself
    host: str
    port: int
    variable: str
    authorization: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """host:port, as it may be shown."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Trust:
    """Whose certificates count: those in `file` and `folder`, certifi's where both are empty, anybody's where not
    `verify`. `source` is the option or variable that said so, empty for certifi's."""

    file: str = ""
    folder: str = ""
    verify: bool = True
    source: str = ""

    def problem(self) -> str:
        """What is wrong with the file or the folder, in a sentence; empty where they can be used."""
        try:
            _certificates(self)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
            names = f"{self.source} names {self.file or self.folder}, which"
            return f"{names} {f'cannot be read: {reason}' if reason else 'holds no certificates in PEM form'}."
        return ""


@dataclass(frozen=True)
class Outbound:
    """The answer for one environment. `proxies` maps https, http and all to (variable, what it says)."""

    proxies: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    exceptions: tuple[str, ...] = ()
    trust: Trust = Trust()

    @classmethod
    def from_environment(
        cls, env: Mapping[str, str], trust: Trust | None = None, system: Mapping[str, str] | None = None
    ) -> "Outbound":
        """`trust` stands for mitmproxy's options where they were set, `system` for what Windows or macOS say where no
        variable names a proxy."""
        proxies = {scheme: found for scheme in ("https", "http", "all") if (found := _variable(f"{scheme}_proxy", env))}
        if not proxies:
            proxies = {s: (SYSTEM, text) for s, text in (system or {}).items() if s in PORTS and text}
        _, excepted = _variable("no_proxy", env) or ("", "")
        return cls(proxies, tuple(filter(None, re.split(r"[,\s]+", excepted))), trust or trusted(env))

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy through which a URL is reached, None where directly.

        Raises ProxyError 503 for a proxy that cannot be used: going past it could be against the user's will.
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or PORTS.get(parts.scheme, 0)
        if is_here(host) or any(_means(entry, host, port) for entry in self.exceptions):
            return None
        variable, text = self.proxies.get(parts.scheme) or self.proxies.get("all") or ("", "")
        return _proxy(variable, text) if text else None

    def client(self, transport: httpx.AsyncBaseTransport | None = None, *, direct: bool = False) -> httpx.AsyncClient:
        """A client that goes this way, or past every proxy where `direct`. It gives up on a connection after a while,
        and leaves the limit of a whole call to the caller. Reads certificates, so it takes a moment.

        Raises ProxyError 503 where the trusted certificates cannot be read.
        """
        if problem := self.trust.problem():
            raise ProxyError(503, "google_unreachable", problem, retry=False)
        way = transport or _Way(Outbound(trust=self.trust) if direct else self)
        return httpx.AsyncClient(transport=way, trust_env=False, timeout=httpx.Timeout(None, connect=CONNECT))


class _Way(httpx.AsyncBaseTransport):
    """Sends each request the way that its address has to go, over connections that are kept for the next."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._ways: dict[Proxy | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._outbound.proxy_for(str(request.url))
        if proxy not in self._ways:
            self._ways[proxy] = self._open(proxy)
        return await self._ways[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        for way in self._ways.values():
            await way.aclose()

    def _open(self, proxy: Proxy | None) -> httpx.AsyncHTTPTransport:
        context = _certificates(self._outbound.trust)
        if proxy is None:
            return httpx.AsyncHTTPTransport(verify=context, trust_env=False)
        headers = {"proxy-authorization": proxy.authorization} if proxy.authorization else {}
        # httpx takes no context for a proxy that is reached without TLS.
        proxied = httpx.Proxy(
            f"{proxy.scheme}://{proxy.address}",
            headers=headers,
            ssl_context=context if proxy.scheme == "https" else None,
        )
        return httpx.AsyncHTTPTransport(verify=context, trust_env=False, proxy=proxied)


@cache
def _certificates(trust: Trust) -> ssl.SSLContext:
    if not trust.verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if trust.folder and not Path(trust.folder).is_dir():
        raise NotADirectoryError(20, "Not a directory")
    if trust.file or trust.folder:
        context = ssl.create_default_context(cafile=trust.file or None, capath=trust.folder or None)
        # Certificates of firewalls that inspect TLS often lack what Python 3.13 insists on, and OpenSSL does not.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context
    return httpx.create_ssl_context(trust_env=False)


def trusted(env: Mapping[str, str]) -> Trust:
    """What the environment says of certificates.

    `file` and `folder` fit mitmproxy's options ssl_verify_upstream_trusted_ca and ssl_verify_upstream_trusted_confdir.
    """
    file, name = next(((value, name) for name in TRUSTED_FILES if (value := env.get(name, "").strip())), ("", ""))
    folder = env.get(TRUSTED_FOLDER, "").strip()
    if folder and name != TRUSTED_FILES[0]:  # OpenSSL's own two variables belong together and go before other tools'
        return Trust(folder=folder, source=TRUSTED_FOLDER)
    if file and Path(file).is_dir():  # requests and curl take either
        return Trust(folder=file, source=name)
    return Trust(file, folder, source=name)


def system_proxies() -> dict[str, str]:
    """Proxies by scheme as the settings of Windows or macOS have them, empty elsewhere."""
    library: Any = urllib.request
    for name in ("getproxies_registry", "getproxies_macosx_sysconf"):
        if read := getattr(library, name, None):
            found: dict[str, str] = read()
            return found
    return {}


def _variable(name: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    """A variable in either spelling with its value; the lower-case one goes first, as in curl and Python."""
    for spelling in (name, name.upper()):
        if value := env.get(spelling, "").strip():
            return spelling.upper(), value
    return None


def _proxy(variable: str, text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _unusable(variable, "it is not an address") from None
    if parts.scheme not in PORTS:
        raise _unusable(variable, f"{parts.scheme[:20]} proxies are not supported")
    if not host:
        raise _unusable(variable, "it names no host")
    authorization = ""
    if parts.username is not None:
        named = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(named.encode()).decode()}"
    return Proxy(parts.scheme, host, port or PORTS[parts.scheme], variable, authorization)


def _unusable(variable: str, why: str) -> ProxyError:
    """Without the value: there may be a password in it."""
    text = f"The proxy in {variable} cannot be used: {why}. It has to look like http://HOST:PORT."
    return ProxyError(503, "google_unreachable", text, retry=False)


def is_here(host: str) -> bool:
    """Whether a host can only mean this machine, of which no proxy knows what is on it."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified


def _means(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY stands for a host: `*`, `example.com` and `.example.com` with all below,
    `example.com:8443`, `192.0.2.1`, `10.0.0.0/8`, `[2001:db8::1]:443`."""
    if entry == "*":
        return True
    if _WITH_PORT.fullmatch(entry):
        entry, _, wanted = entry.rpartition(":")
        if int(wanted) != port:
            return False
    network = _network(entry.replace("[", "").replace("]", ""))
    if network is not None:
        return _is_in(network, host)
    name = entry.lstrip("*").strip(".").lower()
    return bool(name) and f".{host}".endswith(f".{name}")


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_in(network: IPv4Network | IPv6Network, host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False  # a name: what it resolves to is the proxy's business
    if isinstance(address, IPv6Address) and address.ipv4_mapped and network.version == 4:
        address = address.ipv4_mapped
    return address in network
