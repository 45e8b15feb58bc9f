"""The addon: mitmproxy's hooks, in the order in which they run. They carry; what is decided is decided below."""

import asyncio
import logging
from collections.abc import Awaitable, Set
from dataclasses import replace

from mitmproxy import connection, ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.utils import human

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Exchange
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.mitm import bodies, flows, log, network, options, second_try
from gemini_proxy.mitm.calls import CALLS, Body, Call
from gemini_proxy.mitm.layer import let_us_answer
from gemini_proxy.mitm.listeners import Listeners, choose, port
from gemini_proxy.mitm.service import Service, unknown_path
from gemini_proxy.mitm.shutdown import Shutdown
from gemini_proxy.mitm.stream import House

logger = logging.getLogger(__name__)

BODY_LIMIT = "100m"  # Google takes 20 MB of inline data in a request; base64 and long conversations come on top
FAILED = ProxyError(500, "internal_error", "The proxy failed; its log says where.", retry=False)


class GeminiProxy:
    """An OpenAI-compatible server in front of Google."""

    def __init__(self) -> None:
        self.calls = CALLS
        self.house = House(self.page, self._first_byte_limit, self._idle_limit)
        self.shutdown = Shutdown(self.calls, self._grace)
        self.service: Service | None = None
        self.listeners: Listeners | None = None
        self._trying: dict[str, set[asyncio.Task[Answer]]] = {}  # second tries by client connection
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
            # /health would get an empty reply. Host kept: it is the name that the client knows us by. A size limit:
            # mitmproxy reads bodies into memory, and without one as long as somebody sends.
            choose(connection_strategy="lazy", keep_host_header=True, body_size_limit=BODY_LIMIT)
        if self.service is None or "mode" in updated or any(name.startswith("gemini_") for name in updated):
            self._replace_service(Service(settings, options.target(), port()))

    def running(self) -> Awaitable[None] | None:
        assert self.service is not None
        self.service.announce()
        self.shutdown.listen()
        assert self.listeners is not None
        return self.listeners.restart() if self.listeners.needs_restart else None

    def next_layer(self, next_layer: NextLayer) -> None:
        let_us_answer(next_layer, self.house)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        refusal = ProxyError(405, "method_not_allowed", "This is a server, not a proxy: it opens no tunnels.")
        self._refuse(flow, refusal, self._framing(flow))

    async def request(self, flow: http.HTTPFlow) -> None:
        framing = flows.Framing.of(flow, {})
        try:
            framing = self._framing(flow)
            answer = await self._serve(flow, framing)
        except ProxyError as error:
            answer = self._refusal(error)
        except Exception:  # a raise out of this hook would send the client's own request to Google
            logger.exception("A request could not be served.")
            answer = self._refusal(FAILED)
        if answer is not None:
            flows.answer_with(flow, answer, framing)
            flows.hide_secrets(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        call = self.calls.get(flow.id)
        flows.hide_secrets(flow)  # the request has left
        if call is None or not call.exchange.ask.stream or not flows.is_event_stream(flow.response):
            return
        flows.begin_stream(flow, call.exchange.stream_headers(), call.framing)
        flow.response.stream = Body(flow, call)

    async def response(self, flow: http.HTTPFlow) -> None:
        call = self.calls.get(flow.id)
        try:
            # A stream of no bytes at all never reached the callable.
            if call is not None and flow.response is not None and not (flow.response.stream and call.exchange.ended):
                flows.answer_with(flow, await self._answer(flow, call), call.framing)
        finally:
            self.calls.pop(flow.id, None)
        self._log(flow, call)

    def error(self, flow: http.HTTPFlow) -> None:
        call = self.calls.pop(flow.id, None)
        flows.hide_secrets(flow)
        if call is None or flow.error is None:
            return
        if flow.client_conn.connected and not (flow.response and flow.response.stream):
            # closed, because mitmproxy gives every later request of this connection the same error again
            answer = call.exchange.refuse(network.error_from(flow.error.msg))
            flows.answer_with(flow, answer, replace(call.framing, close=True))
        self._log(flow, call)

    def client_disconnected(self, client: connection.Client) -> None:
        for task in self._trying.get(client.id, ()):  # nobody is there to hear it
            task.cancel()

    def done(self) -> Awaitable[None] | None:
        """No coroutine function: mitmproxy calls this one synchronously when a script is loaded again."""
        return asyncio.create_task(self.service.close()) if self.service is not None else None

    def page(self, flow: http.HTTPFlow | None, status: int, message: str) -> http.Response:
        """Our words for a page that mitmproxy would write itself, about a request that no hook has seen."""
        refusal = network.page_error(status, message)
        if flow is None:
            flow = flows.nobody_s()
        self._refuse(flow, refusal, replace(self._framing(flow), close=True))
        assert flow.response is not None
        self._log(flow, None)
        return flow.response

    async def _serve(self, flow: http.HTTPFlow, framing: flows.Framing) -> Answer | None:
        """The answer, or None where the request now in the flow is to go to Google."""
        assert self.service is not None
        service, client = self.service, flows.client_request(flow)
        if self.shutdown.begun:
            raise ProxyError(503, "shutting_down", "The proxy is about to end.", retry=True)
        if (answer := await service.answer(client)) is not None:
            return answer
        if (dialect := service.dialect(client)) is None:
            raise unknown_path(client)
        asked = dialect.read(await _decoded(client))
        if isinstance(asked, Answer):
            return asked
        asked = await service.prepared(asked, client)
        sent = await service.upstream.encode(asked)
        flows.put(sent, flow)
        exchange, limit = Exchange(dialect, service.upstream, asked), service.settings.first_byte_limit
        self.calls[flow.id] = Call(exchange, service.upstream, sent, framing, client.path, limit)
        return None

    async def _answer(self, flow: http.HTTPFlow, call: Call) -> Answer:
        """What Google's whole answer becomes, after a second try where that can help."""
        assert flow.response is not None
        body = flow.response.get_content(strict=False) or b""
        headers = {name.lower(): value for name, value in flow.response.headers.items()}
        if flow.response.status_code == 200:
            return call.exchange.whole(headers, body)
        running = self._trying.setdefault(flow.client_conn.id, set())
        task = asyncio.create_task(second_try.answer(call, flow.response.status_code, headers, body))
        running.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            return call.exchange.refuse(ProxyError(499, "cancelled", "The client went away."))
        finally:
            running.discard(task)
            if not running:
                self._trying.pop(flow.client_conn.id, None)

    def _framing(self, flow: http.HTTPFlow) -> flows.Framing:
        assert self.service is not None
        return flows.Framing.of(flow, self.service.guard.cors(flows.client_request(flow)))

    def _refusal(self, error: ProxyError) -> Answer:
        assert self.service is not None
        return self.service.dialects[0].refuse(error)

    def _refuse(self, flow: http.HTTPFlow, error: ProxyError, framing: flows.Framing) -> None:
        flows.answer_with(flow, self._refusal(error), framing)
        flows.hide_secrets(flow)

    def _log(self, flow: http.HTTPFlow, call: Call | None) -> None:
        assert self.service is not None
        path = flow.request.path.partition("?")[0] if call is None else call.path
        record = {"method": flow.request.method, "path": path, "status": flows.outcome(flow)}
        if call is not None and (remarks := call.remarks):
            flow.comment = remarks
            log.warn(path, remarks)
        log.write(path, {**record, **(call.record() if call else {})}, as_json=self.service.settings.log_json)

    def _first_byte_limit(self) -> float:
        return self.service.settings.first_byte_limit if self.service else 600

    def _idle_limit(self) -> float:
        return self.service.settings.idle_limit if self.service else 300

    def _grace(self) -> float:
        return self.service.settings.shutdown_grace if self.service else 0

    def _replace_service(self, service: Service) -> None:
        """Requests that run keep the service they began with."""
        old, self.service = self.service, service
        if old is not None:
            self._closing = asyncio.create_task(old.close())


async def _decoded(client: ClientRequest) -> ClientRequest:
    """The request with its body unpacked, in a thread: a large one takes a while."""
    encoding = client.headers.get("content-encoding", "")
    if not encoding:
        return client
    limit = human.parse_size(ctx.options.body_size_limit) or human.parse_size(BODY_LIMIT) or 0
    return replace(client, body=await asyncio.to_thread(bodies.decoded, client.body, encoding, limit))
