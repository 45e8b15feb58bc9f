"""The calls before the last, of a request that takes several: ours, since a flow of mitmproxy's is one call."""

from collections.abc import Awaitable, Callable

from gemini_proxy.errors import ProxyError, Unreadable
from gemini_proxy.exchange import Ask, HttpRequest, Upstream

Send = Callable[[HttpRequest], Awaitable[tuple[int, bytes]]]


async def ask_earlier(ask: Ask, upstream: Upstream, send: Send) -> None:
    """The renderer hears their answers in order. Raises ProxyError, as the call itself would fail."""
    for earlier in ask.earlier:
        status, body = await send(await upstream.encode(earlier))
        if status != 200:
            raise upstream.refuse(status, {}, body)
        try:
            answer = upstream.decode(body)
        except Unreadable as error:
            raise ProxyError(502, "upstream_invalid", "Google's answer could not be understood.", retry=True) from error
        if answer is not None:
            earlier.renderer.feed(answer)
