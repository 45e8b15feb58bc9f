"""The HTTP client of the sign-in: one connection pool, and failures in words."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from gemini_proxy.errors import ProxyError

TIMEOUT = 30.0  # seconds, for each of connecting, sending and every read
# A proxy that the environment names cannot know what is on this machine.
LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


@dataclass(frozen=True)
class Reply:
    """A whole answer of Google's. Its `repr` shows no body: most hold a token."""

    status: int
    body: bytes = field(repr=False)

    @property
    def document(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class HttpClient:
    """Made at first use, so that it belongs to the loop that runs then; `aclose` before that loop ends."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def post_form(self, url: str, form: Mapping[str, str]) -> Reply:
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
        body = str(httpx.QueryParams(dict(form))).encode()
        return await self.send("POST", url, headers, body)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        """Raises ProxyError 503 `google_unreachable` where no answer comes."""
        client = await self._opened()
        try:
            answer = await client.request(method, url, headers=dict(headers), content=body)
        except httpx.HTTPError as error:
            raise _unreachable(url, error) from error
        return Reply(answer.status_code, answer.content)

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _opened(self) -> httpx.AsyncClient:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._open)  # it reads certificates for a while
            return self._client

    def _open(self) -> httpx.AsyncClient:
        try:
            mounts = dict.fromkeys(LOOPBACK)
            return httpx.AsyncClient(transport=self._transport, mounts=mounts, verify=_certificates(), timeout=TIMEOUT)
        except (ImportError, ValueError) as error:  # such as socks:// without its library
            text = f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names a proxy that cannot be used: {error}"
            raise ProxyError(503, "google_unreachable", text, retry=False) from error


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _unreachable(url: str, error: httpx.HTTPError) -> ProxyError:
    text = f"{urlsplit(url).hostname} cannot be reached ({type(error).__name__}). Check this machine's network, then try again."
    return ProxyError(503, "google_unreachable", text, retry=True)
