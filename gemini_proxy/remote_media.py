"""Media that a request names by address, fetched for Google, which takes it inline (C171).

Threat: a client, or a web page behind one, makes this machine ask an address that only it can reach, such as a cloud's
metadata service or a router. So the operator has to allow fetching; only http(s) on its usual ports; every address
that a name resolves to has to be public, and the connection goes to the very address that was checked, since a name
can resolve to another one a moment later; each redirect is checked anew; no proxy of the environment is asked.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

import httpx

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, RemoteMedia

LIMIT = 20_000_000  # bytes: what Google takes inline in one request
PATIENCE = 20.0  # seconds for one address, redirects included
REDIRECTS = 3
PORTS = {"http": 80, "https": 443}
TYPES = ("image/", "audio/", "video/", "text/plain", "text/csv", "text/markdown", "application/pdf")

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def addresses_of(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


def is_public(address: str) -> bool:
    """Not this machine, not its network, not a reserved range; an IPv4 address inside an IPv6 one counts as itself."""
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return ip.is_global and not ip.is_multicast and (mapped is None or mapped.is_global)


class Fetcher:
    """Fills the parts of a request that stand for media on the web."""

    def __init__(
        self,
        allowed: bool,
        resolve: Resolve = addresses_of,
        acceptable: Callable[[str], bool] = is_public,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._acceptable = acceptable
        self._transport = transport

    async def fill(self, ask: Ask) -> None:
        """Raises ProxyError 400 that names the place in the request."""
        left = LIMIT
        for media in ask.remote:
            if not self._allowed:
                text = (
                    "The proxy does not fetch media from the web; its operator can allow it with "
                    "GEMINI_REMOTE_MEDIA=true. Send the data inline, as a data: URI."
                )
                raise _refusal(media, text, "remote_media_disabled")
            kind, data = await self._fetched(media, left)
            left -= len(data)
            media.fill(data, kind)

    async def _fetched(self, media: RemoteMedia, limit: int) -> tuple[str, bytes]:
        try:
            async with (
                asyncio.timeout(PATIENCE),
                httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=PATIENCE) as client,
            ):
                return await self._follow(client, media, limit)
        except (httpx.HTTPError, OSError, TimeoutError, ValueError) as error:  # OSError: no such host
            raise _refusal(media, f"The address could not be fetched ({type(error).__name__}).") from error

    async def _follow(self, client: httpx.AsyncClient, media: RemoteMedia, limit: int) -> tuple[str, bytes]:
        url = media.url
        for _ in range(REDIRECTS + 1):
            request = await self._request(client, media, url)
            answer = await client.send(request, stream=True)
            try:
                if not answer.has_redirect_location:
                    return await _body(answer, media, limit)
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
        target = parts._replace(netloc=checked, fragment="").geturl()
        headers = {"host": parts.netloc, "accept-encoding": "identity"}
        return client.build_request("GET", target, headers=headers, extensions={"sni_hostname": host})


async def _body(answer: httpx.Response, media: RemoteMedia, limit: int) -> tuple[str, bytes]:
    if answer.status_code != 200:
        raise _refusal(media, f"The address answers with status {answer.status_code}.")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.startswith(TYPES):  # before the body is read; `fill` knows the types more exactly
        raise _refusal(media, f"What is there is of the type {kind!r:.60}, which Gemini does not take.")
    data = bytearray()
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) > limit:
            raise _refusal(media, f"The media of one request may have {LIMIT} bytes in all.")
    return kind, bytes(data)


def _refusal(media: RemoteMedia, text: str, code: str = "invalid_image_url") -> ProxyError:
    return ProxyError(400, code, text, param=media.param)
