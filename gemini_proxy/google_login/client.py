"""The proxy's own calls to Google: one connection pool, one limit for a whole call, and failures in words."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from gemini_proxy import content_coding, unreachable
from gemini_proxy.errors import ProxyError
from gemini_proxy.http import retry_after
from gemini_proxy.outbound import Outbound, system_proxies
from gemini_proxy.settings import environment

LIMIT = 30.0  # seconds for a call, whatever comes meanwhile: some scanners send a byte now and then
LARGEST = 100_000_000  # bytes of an answer, unpacked


@dataclass(frozen=True)
class Reply:
    """A whole answer of Google's; header names are lower-case. Its `repr` shows no body: most hold a token."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def document(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds after which Google wants to be asked again, None where it does not say."""
        return retry_after(self.headers)


class HttpClient:
    """Made at first use, so that it belongs to the loop that runs then; `aclose` before that loop ends.

    `outbound` is the way to the internet, by default the one that the environment says.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, outbound: Outbound | None = None) -> None:
        self._transport = transport
        self._outbound = outbound
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def post_form(self, url: str, form: Mapping[str, str]) -> Reply:
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
        body = str(httpx.QueryParams(dict(form))).encode()
        return await self.send("POST", url, headers, body)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", limit: float = LIMIT
    ) -> Reply:
        """Raises ProxyError 503 `google_unreachable` where no whole answer comes within `limit` seconds."""
        client = await self._opened()
        headers = {"accept-encoding": "identity", **headers}
        try:
            async with asyncio.timeout(limit), client.stream(method, url, headers=headers, content=body) as answer:
                return await _whole(answer)
        except ValueError as error:
            text = (
                f"The answer of {_host(url)} is damaged or too large ({type(error).__name__}). Try again in a moment."
            )
            raise ProxyError(503, "google_unavailable", text, retry=True) from error
        except TimeoutError as error:
            text = unreachable.too_slow(_host(url), self._way().proxy_for(url), limit)
            raise ProxyError(503, "google_unreachable", text, retry=True) from error
        except httpx.HTTPError as error:
            cause, detail = unreachable.why(error)
            text = unreachable.sentence(cause, _host(url), self._way().proxy_for(url), detail)
            again = cause not in unreachable.FINAL
            raise ProxyError(503, "google_unreachable", text, retry=again) from error

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
        return self._way().client(self._transport)

    def _way(self) -> Outbound:
        if self._outbound is None:
            self._outbound = Outbound.from_environment(environment(), system=system_proxies())
        return self._outbound


async def _whole(answer: httpx.Response) -> Reply:
    """Raises ValueError for a body that cannot be unpacked."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert isinstance(answer.stream, httpx.AsyncByteStream)  # as it came: httpx would unpack it without a bound
    body = await content_coding.read(answer.stream, headers.pop("content-encoding", ""), LARGEST)
    return Reply(answer.status_code, body, headers)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
