"""The addon: mitmproxy's hooks, in the order in which they run. They carry; what is decided is decided below."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Iterator, Set
from dataclasses import replace

from mitmproxy import connection, ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.flow import Error
from mitmproxy.utils import human

from gemini_proxy import content_coding
from gemini_proxy.app import log
from gemini_proxy.app.app import BODY_LIMIT, FAILED, App
from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.errors import ProxyError
from gemini_proxy.http import Answer
from gemini_proxy.mitm import flows, network, options
from gemini_proxy.mitm.gate import Gate
from gemini_proxy.mitm.listeners import choose, port
from gemini_proxy.mitm.shutdown import Shutdown
from gemini_proxy.mitm.stream import NO_TUNNELS
from gemini_proxy.mitm.visits import VISITS, Body, Visit, finished

logger = logging.getLogger(__name__)

GONE = ProxyError(499, "cancelled", "The client went away.")


class GeminiProxy:
    """An OpenAI-compatible server in front of Google, behind a gate that only it opens."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.shutdown = Shutdown(VISITS, self._grace)
        self.app: App | None = None
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
        if self.app is not None and self.gate.started:
            self._configure(updated)  # mitmproxy tells the user what is wrong, and takes the option back
            return
        with self._failing_closed():
            self._configure(updated)
            self.gate.open(self)

    def running(self) -> Awaitable[None] | None:
        """No coroutine function: mitmproxy calls it synchronously when a script is loaded again."""
        if self.app is None:
            return None
        self.app.announce()
        self.shutdown.listen()
        return None if self.gate.started else self.gate.start()

    def http_connect(self, flow: http.HTTPFlow) -> None:
        flows.answer_with(flow, self._serving().refuse(NO_TUNNELS), flows.Framing.of(flow.request))

    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        """A company's proxy is about to be asked for a tunnel to Google."""
        proxy = self._serving().outbound.proxy_for(f"https://{flow.request.host}:{flow.request.port}")
        if proxy is not None and proxy.authorization:
            flow.request.headers["proxy-authorization"] = proxy.authorization

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Who may not use the proxy hears so before the body is read."""
        visit = VISITS.get(flow.id)
        if visit is None or self.app is None:  # from a file, or a replay
            return
        try:
            visit.framing = replace(visit.framing, cors=self.app.cors(visit.head))
            self.app.admit(visit.head)
            visit.admitted = True
        except ProxyError as error:
            visit.answer_with(self.app.refuse(error, visit.head))
        except Exception:
            logger.exception("A request could not be looked at.")
            visit.answer_with(self.app.refuse(FAILED, visit.head))

    async def request(self, flow: http.HTTPFlow) -> None:
        """A replay has no connection and no layer of ours, so it is answered here, as a call of our own."""
        if flow.live and flow.is_replay == "request":
            flows.answer_with(flow, await self._replayed(flow), flows.Framing.of(flow.request))

    async def translate(self, visit: Visit) -> None:
        """Once nobody else has anything to say about a request: its answer, or the call to Google."""
        answer = await self._serve(visit)
        if isinstance(answer, UpstreamCall):
            visit.call = answer
        else:
            visit.answer_with(answer)

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
        heard = flow.client_conn.connected and not (flow.response and flow.response.stream)
        if visit.call is not None and heard:
            # closed, because mitmproxy gives every later request of this connection the same error again
            answer = visit.call.exchange.refuse(network.failure_of(visit.call, flow.error.msg))
            flows.answer_with(flow, answer, replace(visit.framing, close=True))
        elif visit.error is None and heard and flow.error.msg != Error.KILLED_MESSAGE:
            return  # the layer is about to ask for a page, which is logged
        self._log(flow, visit)

    def client_disconnected(self, client: connection.Client) -> None:
        for task in self._trying.get(client.id, ()):  # nobody is there to hear it
            task.cancel()

    def done(self) -> Awaitable[None] | None:
        """No coroutine function: mitmproxy calls it synchronously when a script is loaded again."""
        self.gate.shut()
        return asyncio.create_task(self.app.close()) if self.app is not None else None

    # What the layers need of us (stream.House).

    @property
    def first_byte_limit(self) -> float:
        return self.app.settings.first_byte_limit if self.app else 600

    @property
    def idle_limit(self) -> float:
        return self.app.settings.idle_limit if self.app else 300

    @property
    def stopped(self) -> bool:
        return self.shutdown.over

    def closed(self) -> ProxyError:
        """A request that nobody has admitted, although the gate was open: a hook has failed, and the log says where."""
        return FAILED

    def page(self, flow: http.HTTPFlow, error: ProxyError) -> http.Response:
        app = self._serving()
        visit = VISITS.get(flow.id)
        client = flows.client_request(flow.request, flow.client_conn)
        framing = replace(flows.Framing.of(flow.request), cors=app.cors(client), close=True)
        flows.answer_with(flow, app.refuse(error, client), framing)
        assert flow.response is not None
        if visit is not None:
            visit.error = error
        else:  # no other hook hears of it
            self._log(flow, None, error)
        return flow.response

    def _serving(self) -> App:
        assert self.app is not None  # nobody opens the gate without one
        return self.app

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
        if self.app is None:
            self.gate.listeners.move_to(settings.port)
            # lazy: otherwise mitmproxy connects to Google before it has read a request, and without a network even
            # /health would get an empty reply. Host kept: it is the name that the client knows us by. A size limit:
            # mitmproxy reads bodies into memory, and without one as long as somebody sends. With a key, clients from
            # anywhere are asked for it; mitmproxy would cut those with a public address without a word.
            choose(connection_strategy="lazy", keep_host_header=True, body_size_limit=f"{BODY_LIMIT >> 20}m")
            if settings.api_key:
                choose(block_global=False)
            trust = options.outbound_from_options().trust
            # Both at once: a configuration between them would take the first for the user's own choice.
            choose(
                ssl_verify_upstream_trusted_ca=trust.file or None,
                ssl_verify_upstream_trusted_confdir=trust.folder or None,
            )
            if not settings.demo and (problem := trust.problem()):
                raise exceptions.OptionsError(problem)
        if self.app is None or "mode" in updated or any(name.startswith(("gemini_", "ssl_")) for name in updated):
            self._replace_app(App(settings, options.target(), port(), options.outbound_from_options(), body_limit))

    async def _serve(self, visit: Visit) -> Answer | UpstreamCall:
        app = self._serving()
        try:
            client = visit.request()
            if self.shutdown.begun:
                raise ProxyError(503, "shutting_down", "The proxy is shutting down.", retry=True)
            if client.path != visit.head.path:  # edited: another door may want another key
                app.admit(client)
            return await app.answer(client)
        except ProxyError as error:
            return app.refuse(error, visit.head)
        except Exception:
            logger.exception("A request could not be served.")
            return app.refuse(FAILED, visit.head)

    async def _replayed(self, flow: http.HTTPFlow) -> Answer:
        """A new answer to a request that was let in when it came: its flow has no key, and needs none."""
        app, client = self._serving(), replace(flows.client_request(flow.request, flow.client_conn), peer="127.0.0.1")
        try:
            answer = await app.answer(client)
            return await answer.made_here() if isinstance(answer, UpstreamCall) else answer
        except ProxyError as error:
            return app.refuse(error, client)
        except Exception:
            logger.exception("A request could not be replayed.")
            return app.refuse(FAILED, client)

    async def _answer(self, flow: http.HTTPFlow, call: UpstreamCall) -> Answer:
        """What Google's whole answer becomes, after a second try where that can help."""
        assert flow.response is not None
        body = _unpacked(flow.response)
        headers = {name.lower(): value for name, value in flow.response.headers.items()}
        if flow.response.status_code == 200:
            return await call.answered(200, headers, body)
        running = self._trying.setdefault(flow.client_conn.id, set())
        task = asyncio.create_task(call.answered(flow.response.status_code, headers, body))
        running.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            return call.exchange.refuse(GONE)
        finally:
            running.discard(task)
            if not running:
                self._trying.pop(flow.client_conn.id, None)

    def _log(self, flow: http.HTTPFlow, visit: Visit | None, error: ProxyError | None = None) -> None:
        if visit is not None and visit.call is not None and (remarks := visit.call.remarks):
            flow.comment = remarks
        log.write(finished(flow, visit, error, self._serving().name), as_json=self._serving().settings.log_json)

    def _grace(self) -> float:
        return self.app.settings.shutdown_grace if self.app else 0

    def _replace_app(self, app: App) -> None:
        """Requests that run keep the app they began with."""
        old, self.app = self.app, app
        if old is not None:
            self._closing = asyncio.create_task(old.close())


def _unpacked(response: http.Response) -> bytes:
    """The body of Google's, which was asked not to compress it; what cannot be unpacked within bounds stays as it is,
    and is no answer."""
    body = response.raw_content or b""
    try:
        return content_coding.unpacked(body, response.headers.get("content-encoding", ""), body_limit())
    except ValueError:
        return body


def body_limit() -> int:
    return human.parse_size(ctx.options.body_size_limit) or BODY_LIMIT
