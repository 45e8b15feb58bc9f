"""One call to Google: what is sent, and what becomes of the answer, after the one second try where that can help."""

import logging
import time
from dataclasses import dataclass, field

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Exchange, HttpRequest, Upstream
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.http import Answer
from gemini_proxy.outbound import Outbound, Proxy

logger = logging.getLogger(__name__)

Sent = tuple[int, dict[str, str], bytes]


@dataclass
class UpstreamCall:
    """A call to Google. Whoever gets one from `App.answer` sends it, then passes a stream piece by piece to
    `exchange.transform`, or an answer that is no stream to `answered`."""

    exchange: Exchange

    upstream: Upstream

    sent: HttpRequest
    """Holds the credential: it must never get into a flow or a log."""

    limit: float
    """Seconds that a second try may take."""

    proxy: Proxy | None = None
    """The proxy through which Google is reached, None where there is none."""

    outbound: Outbound = field(default_factory=Outbound)
    """The way to the internet that a second try takes."""

    began: float = field(default_factory=time.monotonic)

    first_byte: float | None = None

    comment: str = ""
    """What to note about a second try, empty where there was none."""

    def hear(self) -> None:
        if self.first_byte is None:
            self.first_byte = time.monotonic()

    @property
    def remarks(self) -> str:
        """What an operator should see beside it: of a stream, some of it is known only after the headers have left."""
        return "; ".join(filter(None, (self.comment, *self.exchange.warnings)))

    async def answered(self, status: int, headers: dict[str, str], body: bytes) -> Answer:
        """The answer for the client, given Google's. A refusal that a second try cures is replaced by what that try gets."""
        if status != 200:
            try:
                again = await self.upstream.second_try(self.exchange.ask, self.sent, status, body)
                if again is not None:
                    self.comment = (
                        f"Google refused this with {status}; it was sent once more, and the second answer is shown."
                    )
                    logger.info("Google refused a request with %s; it is sent once more.", status)
                    status, headers, body = await self._send(again)
                    self.hear()
            except ProxyError as error:
                return self.exchange.refuse(error)
            except Exception:
                logger.exception("A second try failed.")
        return self._told(status, headers, body)

    async def made_here(self) -> Answer:
        """The answer through a call of our own, in one piece and without a second try. Raises ProxyError."""
        return self._told(*await self._send(self.sent))

    def _told(self, status: int, headers: dict[str, str], body: bytes) -> Answer:
        if status == 200:
            return self.exchange.whole(headers, body)
        return self.exchange.rejected(status, headers, body)

    async def _send(self, request: HttpRequest) -> Sent:
        """Status, headers and body. Raises ProxyError 503 where none come in time."""
        http = HttpClient(outbound=self.outbound)  # of its own: the app's may be closed before this call ends
        try:
            reply = await http.send(request.method, request.url, request.headers, request.body, self.limit)
        finally:
            await http.aclose()
        return reply.status, dict(reply.headers), reply.body
