"""Media that a request names by address, fetched for Google, which takes it inline.

Threat: a client, or a web page behind one, makes this machine ask an address that only it can reach, such as a cloud's
metadata service or a router. So the operator has to allow fetching; only http(s) on its usual ports; every address
that a name resolves to has to be public, and the connection goes to the very address that was checked, since a name
can resolve to another one a moment later; each redirect is checked anew. No proxy is asked, whatever the environment
says: it would resolve the name by itself, or reach what this machine's own check knows nothing of.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urljoin, urlsplit

import httpx

from gemini_proxy import content_coding, unreachable
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask
from gemini_proxy.gemini.inline import MB, MediaLimits
from gemini_proxy.gemini.request.remote import RemoteMedia
from gemini_proxy.outbound import Outbound

PATIENCE = 20.0  # seconds for one address, redirects included
REDIRECTS = 3
PORTS = {"http": 80, "https": 443}
TYPES = ("image/", "audio/", "video/", "text/plain", "text/csv", "text/markdown", "application/pdf")

# What the library, or its older versions, takes for public: protocol assignments (an old metadata service of Oracle's is
# among them), relays of 6to4, Azure's host, and an IPv6 range for documentation.
NEVER = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "3fff::/20")))
UNICAST = ip_network("2000::/3")  # the only IPv6 addresses that the internet routes
NAT64 = ip_network("64:ff9b::/96")  # on some networks the way to the IPv4 address in the last four bytes

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def addresses_of(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def is_public(address: str) -> bool:
    """Not this machine, not its network, not a reserved range; an IPv4 address inside an IPv6 one counts as itself."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inside = _ipv4_in(ip)
        if inside is not None:
            return is_public(str(inside))
        if ip not in UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in NEVER)


def _ipv4_in(ip: IPv6Address) -> IPv4Address | None:
    """Where a packet to this address ends up as one to an IPv4 address."""
    return ip.ipv4_mapped or ip.sixtofour or (IPv4Address(ip.packed[-4:]) if ip in NAT64 else None)


class Fetcher:
    """Fills the parts of a request that stand for media on the web, as far as `limits` have room beside what is there."""

    def __init__(
        self,
        allowed: bool,
        limits: MediaLimits,
        resolve: Resolve = addresses_of,
        acceptable: Callable[[str], bool] = is_public,
        transport: httpx.AsyncBaseTransport | None = None,
        outbound: Outbound | None = None,
    ) -> None:
        self._allowed = allowed
        self._limits = limits
        self._resolve = resolve
        self._acceptable = acceptable
        self._transport = transport
        self._outbound = outbound or Outbound()

    async def fill(self, ask: Ask) -> None:
        """Raises ProxyError 400 that names the place in the request."""
        left = self._limits.room(ask.request) if ask.remote else 0
        for media in ask.remote:
            if not self._allowed:
                text = (
                    "The proxy does not fetch media from the web; its operator can allow it with "
                    "GEMINI_REMOTE_MEDIA=true. Send the data inline, as a data: URI."
                )
                raise _refusal(media, text, "remote_media_disabled")
            kind, data = await self._fetched(media, max(left, 0))
            left -= len(data)
            media.fill(data, kind)

    async def _fetched(self, media: RemoteMedia, limit: int) -> tuple[str, bytes]:
        try:
            async with (
                asyncio.timeout(PATIENCE),
                await asyncio.to_thread(self._outbound.client, self._transport, direct=True) as client,
            ):
                return await self._follow(client, media, limit)
        except (httpx.HTTPError, OSError, ValueError) as error:  # OSError: no such host, and no answer in time
            raise _refusal(
                media, f"The address could not be fetched ({_why(error)}).{self._advice(media.url)}"
            ) from error

    def _advice(self, url: str) -> str:
        """Why it may not work although a browser on this machine shows the address."""
        try:
            proxy = self._outbound.proxy_for(url)
        except (ProxyError, ValueError):
            return ""
        if proxy is None:
            return ""
        return (
            f" Media is fetched past the proxy in {proxy.variable}, because nobody here could check which address it "
            "asks. Send the data inline, as a data: URI."
        )

    async def _follow(self, client: httpx.AsyncClient, media: RemoteMedia, limit: int) -> tuple[str, bytes]:
        url = media.url
        for _ in range(REDIRECTS + 1):
            request = await self._request(client, media, url)
            answer = await client.send(request, stream=True)
            try:
                if not answer.has_redirect_location:
                    return await self._body(answer, media, limit)
                url = urljoin(url, answer.headers["location"])
            finally:
                await answer.aclose()
        raise _refusal(media, "The address redirects too often.")

    async def _request(self, client: httpx.AsyncClient, media: RemoteMedia, url: str) -> httpx.Request:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = PORTS.get(parts.scheme)
        if port is None or not host or parts.port not in (None, port) or parts.username is not None:
            raise _refusal(media, "Only plain http and https addresses on their usual ports are fetched.")
        found = await self._resolve(host, port)
        if not found or not all(map(self._acceptable, found)):
            raise _refusal(media, "The address is not a public one.")
        checked = f"[{found[0]}]" if ":" in found[0] else found[0]
        target = parts._replace(netloc=f"{checked}:{port}", fragment="").geturl()
        # One connection for each request: another name may stand at the same address, with a certificate of its own.
        headers = {"host": parts.netloc, "accept-encoding": "identity", "connection": "close"}
        return client.build_request("GET", target, headers=headers, extensions={"sni_hostname": host})

    async def _body(self, answer: httpx.Response, media: RemoteMedia, limit: int) -> tuple[str, bytes]:
        if answer.status_code != 200:
            raise _refusal(media, f"The address answers with status {answer.status_code}.")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith(TYPES):  # before the body is read; `fill` knows the types more exactly
            raise _refusal(media, f"What is there is of the type {kind!r:.60}, which Gemini does not take.")
        encoding = answer.headers.get("content-encoding", "")
        assert isinstance(answer.stream, httpx.AsyncByteStream)  # as it came: httpx would unpack it without a bound
        try:
            return kind, await content_coding.read(answer.stream, encoding, limit)
        except content_coding.TooLarge as error:
            text = f"The media of one request may have {self._limits.total // MB} MB in all."
            raise _refusal(media, text) from error
        except (content_coding.Unsupported, content_coding.Damaged) as error:
            raise _refusal(media, "The address sends it compressed in a form that is not unpacked here.") from error


def _why(error: Exception) -> str:
    if isinstance(error, httpx.HTTPError):
        cause, detail = unreachable.why(error)
        return f"{cause}: {detail}" if detail else cause
    return type(error).__name__


def _refusal(media: RemoteMedia, text: str, code: str = "invalid_image_url") -> ProxyError:
    return ProxyError(400, code, text, param=media.param)
