"""The calls before the last, of a request that takes several: ours, since a flow of mitmproxy's is one call."""

from collections.abc import Awaitable, Callable

from gemini_proxy.errors import ProxyError, Unreadable
from gemini_proxy.exchange import Ask, HttpRequest, Upstream
from gemini_proxy.google_login.client import Reply

Send = Callable[[HttpRequest], Awaitable[Reply]]


async def ask_earlier(ask: Ask, upstream: Upstream, send: Send) -> None:
    """The renderer hears their answers in order. Raises ProxyError, as the call itself would fail."""
    for earlier in ask.earlier:
        reply = await send(await upstream.encode(earlier))
        if reply.status != 200:
            error = upstream.refuse(reply.status, reply.headers, reply.body, earlier.model)
            error.retry_after = reply.retry_after if error.retry_after is None else error.retry_after
            raise error
        try:
            answer = upstream.decode(reply.body)
        except Unreadable as error:
            raise ProxyError(502, "upstream_invalid", "Google's answer could not be understood.", retry=True) from error
        if answer is not None:
            earlier.renderer.feed(answer)
