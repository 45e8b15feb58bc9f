"""The one second try. No hook can send a flow again, so this is a call of our own, and its answer comes in one piece."""

import asyncio
import logging
import ssl

import httpx
from mitmproxy import ctx

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import HttpRequest
from gemini_proxy.http import Answer
from gemini_proxy.mitm.visits import Call

logger = logging.getLogger(__name__)

CONNECT = 30.0  # seconds
Reply = tuple[int, dict[str, str], bytes]


async def answer(call: Call, status: int, headers: dict[str, str], body: bytes) -> Answer:
    """What a refusal of Google's becomes: mostly the client's error, in two cases another answer."""
    exchange = call.exchange
    try:
        again = await call.upstream.second_try(exchange.ask, call.sent, status, body)
        if again is not None:
            call.comment = f"Google refused this with {status}; it was sent once more, and the second answer is shown."
            logger.info("Google refused a request with %s; it is sent once more.", status)
            status, headers, body = await send(again, call.limit)
            call.hear()
    except ProxyError as error:
        return exchange.refuse(error)
    except Exception:
        logger.exception("A second try failed.")
    return exchange.whole(headers, body) if status == 200 else exchange.rejected(status, headers, body)


async def send(request: HttpRequest, limit: float) -> Reply:
    """Status, headers and body, within `limit` seconds. Raises ProxyError 502 or 504."""
    verify = await asyncio.to_thread(_verification)
    try:
        # Straight, as mitmproxy goes itself: proxies of the environment are not for it.
        async with (
            asyncio.timeout(limit),
            httpx.AsyncClient(verify=verify, trust_env=False, timeout=httpx.Timeout(limit, connect=CONNECT)) as client,
        ):
            answer = await client.request(
                request.method, request.url, headers=dict(request.headers), content=request.body
            )
            return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content
    except (TimeoutError, httpx.TimeoutException) as error:
        raise ProxyError(504, "timeout", "Google was too slow to answer the second try.", retry=True) from error
    except httpx.HTTPError as error:
        text = f"Google could not be reached for a second try ({type(error).__name__})."
        raise ProxyError(502, "upstream_unreachable", text, retry=True) from error


def _verification() -> ssl.SSLContext | bool:
    """What mitmproxy's options say of certificates."""
    if ctx.options.ssl_insecure:
        return False
    trusted = ctx.options.ssl_verify_upstream_trusted_ca
    return ssl.create_default_context(cafile=trusted) if trusted else httpx.create_ssl_context()
