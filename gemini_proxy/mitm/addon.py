"""The addon: mitmproxy's hooks, in the order in which they run. They carry; what is decided is decided below."""

import asyncio
import logging
from collections.abc import Awaitable, Set
from dataclasses import dataclass, replace

from mitmproxy import http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.layer import NextLayer

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Exchange
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.mitm import flows, options
from gemini_proxy.mitm.layer import let_us_answer
from gemini_proxy.mitm.listeners import Listeners, choose, port
from gemini_proxy.mitm.service import Service, unknown_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """A flow that is with Google. Live objects stay out of flow.metadata, which mitmproxy copies and saves."""

    exchange: Exchange
    framing: flows.Framing


class GeminiProxy:
    """An OpenAI-compatible server in front of Google."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.service: Service | None = None
        self.listeners: Listeners | None = None
        self._closing: asyncio.Task[None] | None = None

    def load(self, loader: Loader) -> None:
        options.add_options(loader)
        for library in ("httpx", "httpcore"):  # mitmproxy shows every logger; these write a line for each call
            logging.getLogger(library).setLevel(logging.WARNING)

    def configure(self, updated: Set[str]) -> None:
        settings = options.settings_from_options()
        if self.listeners is None:
            self.listeners = Listeners()
            self.listeners.move_to(settings.port)
            # lazy: otherwise mitmproxy connects to Google before it has read a request, and without a network even
            # /health would get an empty reply. Host kept: it is the name that the client knows us by.
            choose(connection_strategy="lazy", keep_host_header=True)
        if self.service is None or "mode" in updated or any(name.startswith("gemini_") for name in updated):
            self._replace_service(Service(settings, options.target(settings), port()))

    def running(self) -> Awaitable[None] | None:
        assert self.service is not None
        self.service.announce()
        assert self.listeners is not None
        return self.listeners.restart() if self.listeners.needs_restart else None

    def next_layer(self, next_layer: NextLayer) -> None:
        let_us_answer(next_layer)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        assert self.service is not None
        refusal = ProxyError(405, "method_not_allowed", "This is a server, not a proxy: it opens no tunnels.")
        flows.answer_with(flow, self.service.dialects[0].refuse(refusal))

    async def request(self, flow: http.HTTPFlow) -> None:
        assert self.service is not None
        client = flows.client_request(flow)
        dialect = self.service.dialect(client) or self.service.dialects[0]
        try:
            answer = await self._serve(flow, client)
        except ProxyError as error:
            answer = dialect.refuse(error)
        except Exception:  # a raise out of this hook would send the client's own request to Google
            logger.exception("A request could not be served.")
            answer = dialect.refuse(ProxyError(500, "internal_error", "The proxy failed; its log says where."))
        if answer is not None:
            flows.answer_with(flow, answer)
            flows.hide_secrets(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        call = self.calls.get(flow.id)
        flows.hide_secrets(flow)  # the request has left
        if call is None or not call.exchange.ask.stream or not flows.is_event_stream(flow.response):
            return
        flows.begin_stream(flow, call.exchange.stream_headers(), call.framing)
        flow.response.stream = call.exchange.transform

    def response(self, flow: http.HTTPFlow) -> None:
        call = self.calls.pop(flow.id, None)
        if call is None or flow.response is None or flow.response.stream:
            return
        body = flow.response.get_content(strict=False) or b""
        headers = {name.lower(): value for name, value in flow.response.headers.items()}
        if flow.response.status_code == 200:
            answer = call.exchange.whole(headers, body)
        else:
            answer = call.exchange.rejected(flow.response.status_code, headers, body)
        flows.answer_with(flow, answer, call.framing)

    def error(self, flow: http.HTTPFlow) -> None:
        call = self.calls.pop(flow.id, None)
        flows.hide_secrets(flow)
        if call is not None and flow.response is None and flow.error is not None:
            text = f"Google could not be reached: {flow.error.msg}"
            error = ProxyError(502, "upstream_unreachable", text, retry=True)
            # closed, because mitmproxy gives every later request of this connection the same error again
            flows.answer_with(flow, call.exchange.refuse(error), replace(call.framing, close=True))

    async def done(self) -> None:
        if self.service is not None:
            await self.service.close()

    async def _serve(self, flow: http.HTTPFlow, client: ClientRequest) -> Answer | None:
        """The answer, or None where the request now in the flow is to go to Google."""
        assert self.service is not None
        if (answer := await self.service.answer(client)) is not None:
            return answer
        if (dialect := self.service.dialect(client)) is None:
            raise unknown_path(client)
        asked = dialect.read(client)
        if isinstance(asked, Answer):
            return asked
        await self.service.fetcher.fill(asked)
        upstream = self.service.upstream
        request, framing = await upstream.encode(asked), flows.Framing.of(flow)
        flows.put(request, flow)
        self.calls[flow.id] = Call(Exchange(dialect, upstream, asked), framing)
        return None

    def _replace_service(self, service: Service) -> None:
        """Requests that run keep the service they began with."""
        old, self.service = self.service, service
        if old is not None:
            self._closing = asyncio.create_task(old.close())
