"""The one second try. No hook can send a flow again, so this is a call of our own, and its answer comes in one piece."""

import logging

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import HttpRequest
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.http import Answer
from gemini_proxy.mitm.options import outbound_from_options
from gemini_proxy.mitm.visits import Call

logger = logging.getLogger(__name__)

Sent = tuple[int, dict[str, str], bytes]


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


async def send(request: HttpRequest, limit: float) -> Sent:
    """Status, headers and body, within `limit` seconds. Raises ProxyError 503 where none come."""
    http = HttpClient(outbound=outbound_from_options())
    try:
        reply = await http.send(request.method, request.url, request.headers, request.body, limit)
    finally:
        await http.aclose()
    return reply.status, dict(reply.headers), reply.body
