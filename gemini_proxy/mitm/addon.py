"""The addon: mitmproxy's hooks, in the order in which they run. They carry; what is decided is decided below."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Iterator, Set
from dataclasses import replace

from mitmproxy import connection, ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.utils import human

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Exchange
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.mitm import bodies, flows, log, options, second_try
from gemini_proxy.mitm.gate import Gate
from gemini_proxy.mitm.listeners import choose, port
from gemini_proxy.mitm.local import worded
from gemini_proxy.mitm.service import Service, unknown_path
from gemini_proxy.mitm.shutdown import Shutdown
from gemini_proxy.mitm.stream import NO_TUNNELS
from gemini_proxy.mitm.visits import VISITS, Body, Call, Visit

logger = logging.getLogger(__name__)

BODY_LIMIT = "150m"  # the public API takes 100 MB of inline data; base64 and the conversation come on top
FAILED = ProxyError(500, "internal_error", "The proxy failed; its log says where.", retry=False)
GONE = ProxyError(499, "cancelled", "The client went away.")


class GeminiProxy:
    """An OpenAI-compatible server in front of Google, behind a gate that only it opens."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.shutdown = Shutdown(VISITS, self._grace)
        self.service: Service | None = None
        self._trying: dict[str, set[asyncio.Task[Answer]]] = {}  # second tries by client connection
        self._closing: asyncio.Task[None] | None = None

    def load(self, loader: Loader) -> None:
        with self._failing_closed():
            options.add_options(loader)
        for library in ("httpx", "httpcore"):  # mitmproxy shows every logger; these write a line for each call
            logging.getLogger(library).setLevel(logging.WARNING)
        for stream in (sys.stdout, sys.stderr):  # a letter outside of the code page is no reason to lose a line
            with contextlib.suppress(AttributeError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    def configure(self, updated: Set[str]) -> None:
        if self.service is not None and self.gate.started:
            self._configure(updated)  # mitmproxy tells the user what is wrong, and takes the option back
            return
        with self._failing_closed():
            self._configure(updated)
            self.gate.open(self)

    def running(self) -> Awaitable[None] | None:
        """No coroutine function: mitmproxy calls it synchronously when a script is loaded again."""
        if self.service is None:
            return None
        self.service.announce()
        self.shutdown.listen()
        return None if self.gate.started else self.gate.start()

    def http_connect(self, flow: http.HTTPFlow) -> None:
        flows.answer_with(flow, self._refusal(NO_TUNNELS), flows.Framing.of(flow.request))

    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        """A company's proxy is about to be asked for a tunnel to Google."""
        proxy = self._serving().outbound.proxy_for(f"https://{flow.request.host}:{flow.request.port}")
        if proxy is not None and proxy.authorization:
            flow.request.headers["proxy-authorization"] = proxy.authorization

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Who may not use the proxy hears so before the body is read."""
        visit = VISITS.get(flow.id)
        if visit is None or self.service is None:  # from a file, or a replay
            return
        visit.framing = replace(visit.framing, cors=self.service.guard.cors(visit.head))
        try:
            self.service.admit(visit.head)
            visit.admitted = True
        except ProxyError as error:
            flows.answer_with(flow, self._refusal(error), visit.framing)
        except Exception:
            logger.exception("A request could not be looked at.")
            flows.answer_with(flow, self._refusal(FAILED), visit.framing)

    async def request(self, flow: http.HTTPFlow) -> None:
        """A replay has no connection and no layer of ours, so it is answered here, as a call of our own."""
        if flow.live and flow.is_replay == "request":
            flows.answer_with(flow, await self._replayed(flow), flows.Framing.of(flow.request))

    async def translate(self, visit: Visit) -> None:
        """Once nobody else has anything to say about a request: its answer, or the call to Google."""
        try:
            answer = await self._serve(visit)
        except ProxyError as error:
            answer = self._refusal(worded(error, visit.head))
        except Exception:
            logger.exception("A request could not be served.")
            answer = self._refusal(FAILED)
        if answer is not None:
            flows.answer_with(visit.flow, answer, visit.framing)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        visit = VISITS.get(flow.id)
        if visit is None or visit.call is None or not flows.is_event_stream(flow.response):
            return
        if visit.call.exchange.ask.stream:
            flows.begin_stream(flow, visit.call.exchange.stream_headers(), visit.framing)
            flow.response.stream = Body(visit, visit.call)

    async def response(self, flow: http.HTTPFlow) -> None:
        visit = VISITS.get(flow.id)
        if visit is None:
            return
        call = visit.call
        try:
            # A stream of no bytes at all never reached the callable.
            if call is not None and flow.response is not None and not (flow.response.stream and call.exchange.ended):
                flows.answer_with(flow, await self._answer(flow, call), visit.framing)
        finally:
            VISITS.pop(flow.id, None)
        self._log(flow, visit)

    def error(self, flow: http.HTTPFlow) -> None:
        visit = VISITS.pop(flow.id, None)
        if visit is None or flow.error is None:
            return
        if visit.call is not None and flow.client_conn.connected and not (flow.response and flow.response.stream):
            # closed, because mitmproxy gives every later request of this connection the same error again
            answer = visit.call.exchange.refuse(visit.call.failed(flow.error.msg))
            flows.answer_with(flow, answer, replace(visit.framing, close=True))
        self._log(flow, visit)

    def client_disconnected(self, client: connection.Client) -> None:
        for task in self._trying.get(client.id, ()):  # nobody is there to hear it
            task.cancel()

    def done(self) -> Awaitable[None] | None:
        """No coroutine function: mitmproxy calls it synchronously when a script is loaded again."""
        self.gate.shut()
        return asyncio.create_task(self.service.close()) if self.service is not None else None

    # What the layers need of us (stream.House).

    @property
    def first_byte_limit(self) -> float:
        return self.service.settings.first_byte_limit if self.service else 600

    @property
    def idle_limit(self) -> float:
        return self.service.settings.idle_limit if self.service else 300

    @property
    def stopped(self) -> bool:
        return self.shutdown.over

    def closed(self) -> ProxyError:
        """A request that nobody has admitted, although the gate was open: a hook has failed, and the log says where."""
        return FAILED

    def page(self, flow: http.HTTPFlow | None, error: ProxyError) -> http.Response:
        flow = flow or flows.nobody_s()
        visit = VISITS.get(flow.id)
        framing = visit.framing if visit is not None else flows.Framing.of(flow.request)
        flows.answer_with(flow, self._refusal(error), replace(framing, close=True))
        assert flow.response is not None
        if visit is None:  # no other hook hears of it
            self._log(flow, None)
        return flow.response

    def _serving(self) -> Service:
        assert self.service is not None  # nobody opens the gate without one
        return self.service

    @contextlib.contextmanager
    def _failing_closed(self) -> Iterator[None]:
        try:
            yield
        except exceptions.OptionsError as error:
            self.gate.fail(str(error))
        except Exception as error:
            logger.debug("The start failed.", exc_info=True)
            self.gate.fail(f"{type(error).__name__}: {error}")

    def _configure(self, updated: Set[str]) -> None:
        settings = options.settings_from_options()
        if self.service is None:
            self.gate.listeners.move_to(settings.port)
            # lazy: otherwise mitmproxy connects to Google before it has read a request, and without a network even
            # /health would get an empty reply. Host kept: it is the name that the client knows us by. A size limit:
            # mitmproxy reads bodies into memory, and without one as long as somebody sends. With a key, clients from
            # anywhere are asked for it; mitmproxy would cut those with a public address without a word.
            choose(connection_strategy="lazy", keep_host_header=True, body_size_limit=BODY_LIMIT)
            if settings.api_key:
                choose(block_global=False)
            trust = options.outbound_from_options().trust
            choose(ssl_verify_upstream_trusted_ca=trust.file or None)
            choose(ssl_verify_upstream_trusted_confdir=trust.folder or None)
            if not settings.demo and (problem := trust.problem()):
                raise exceptions.OptionsError(problem)
        if self.service is None or "mode" in updated or any(name.startswith(("gemini_", "ssl_")) for name in updated):
            self._replace_service(Service(settings, options.target(), port(), options.outbound_from_options()))

    async def _serve(self, visit: Visit) -> Answer | None:
        """The answer, or None where the visit has its call to Google now."""
        service, client = self._serving(), visit.request()
        if self.shutdown.begun:
            raise ProxyError(503, "shutting_down", "The proxy is shutting down.", retry=True)
        if client.path != visit.head.path:  # edited: another door may want another key
            service.admit(client)
        call = await self._call(service, client)
        if isinstance(call, Answer):
            return call
        visit.call = call
        return None

    async def _call(self, service: Service, client: ClientRequest) -> Call | Answer:
        """What has to be asked of Google, or the answer where it has not."""
        if (answer := await service.answer(client)) is not None:
            return answer
        if (dialect := service.dialect(client)) is None:
            raise unknown_path(client)
        asked = dialect.read(await _decoded(client))
        if isinstance(asked, Answer):
            return asked
        asked = await service.prepared(asked, client)
        sent = await service.upstream.encode(asked)
        exchange, proxy = Exchange(dialect, service.upstream, asked), service.outbound.proxy_for(sent.url)
        return Call(exchange, service.upstream, sent, service.settings.first_byte_limit, proxy)

    async def _replayed(self, flow: http.HTTPFlow) -> Answer:
        """A new answer to a request that was let in when it came: its flow has no key, and needs none."""
        try:
            client = flows.client_request(flow.request, flow.client_conn)
            call = await self._call(self._serving(), replace(client, peer="127.0.0.1"))
            if isinstance(call, Answer):
                return call
            status, headers, body = await second_try.send(call.sent, call.limit)
            return (
                call.exchange.whole(headers, body) if status == 200 else call.exchange.rejected(status, headers, body)
            )
        except ProxyError as error:
            return self._refusal(error)
        except Exception:
            logger.exception("A request could not be replayed.")
            return self._refusal(FAILED)

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
            return call.exchange.refuse(GONE)
        finally:
            running.discard(task)
            if not running:
                self._trying.pop(flow.client_conn.id, None)

    def _refusal(self, error: ProxyError) -> Answer:
        return self._serving().dialects[0].refuse(error)

    def _log(self, flow: http.HTTPFlow, visit: Visit | None) -> None:
        if visit is not None and visit.call is not None and (remarks := visit.call.remarks):
            flow.comment = remarks
        log.write(flow, visit, self._serving().name, as_json=self._serving().settings.log_json)

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
