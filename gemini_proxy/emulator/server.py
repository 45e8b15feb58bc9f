"""Emulated Google on a port: a thread for each connection, scripts, faults, and a memory of what came."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from gemini_proxy.emulator.answers import Answer
from gemini_proxy.emulator.google import Google
from gemini_proxy.emulator.messages import JSON_TYPE, Reply, Request
from gemini_proxy.emulator.settings import Settings
from gemini_proxy.emulator.wire import BadRequest, Connection, Delivery, Gone

logger = logging.getLogger(__name__)

Script = Answer | Callable[[Request], Answer]
BACKLOG = 1024
EVERY = "*"  # the key of Emulator.always() that stands for any request


class Emulator:
    """Google on one port, to be used as a context manager.

    `settings` may be changed while it runs. Scripted answers are found by custom method (`loadCodeAssist`) or path
    (`/token`); an `Answer` without content is the emulator's own answer, delivered as the `Answer` says.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        now: Callable[[], float] = time.time,
        **changes: object,
    ) -> None:
        self.settings = replace(settings or Settings(), **changes)  # type: ignore[arg-type]
        self.google = Google(self.settings, now)
        self.requests: list[Request] = []
        self._address = (host, port)
        self._changed = threading.Condition(threading.RLock())
        self._queues: dict[str, deque[Script]] = {}
        self._always: dict[str, Script] = {}
        self._connections: dict[Connection, threading.Thread] = {}
        self._accepted = 0
        self._listener: socket.socket | None = None
        self._wake: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    # Life ----------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._listener = socket.create_server(self._address, family=family, backlog=BACKLOG)
        self._listener.setblocking(False)
        self._address = self._listener.getsockname()[:2]
        self._wake, woken = socket.socketpair()
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener, woken), name="emulator", daemon=True
        )
        self._acceptor.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection; does not wait for answers under way."""
        if self._wake is None or self._acceptor is None:
            return
        self._wake.close()
        self._acceptor.join()
        self._wake = None
        with self._changed:
            live = dict(self._connections)
        for connection in live:
            connection.shut()
        end = time.monotonic() + 0.15
        for thread in live.values():
            thread.join(max(end - time.monotonic(), 0))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def url(self) -> str:
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"http://{host}:{self.port}"

    # Scripts -------------------------------------------------------------------------------------------------------

    def script(self, method: str, *answers: Script) -> None:
        """Queue answers; each is used by one request of that method or path, in order."""
        with self._changed:
            self._queues.setdefault(method, deque()).extend(answers)

    def always(self, method: str, answer: Script) -> None:
        """Answer every request of that method, path or "*" so, unless one is queued."""
        with self._changed:
            self._always[method] = answer

    def clear(self) -> None:
        """Forget all scripted answers."""
        with self._changed:
            self._queues.clear()
            self._always.clear()

    def _scripted(self, request: Request) -> Answer:
        with self._changed:
            for key in (request.rpc, request.path, EVERY):
                if queue := self._queues.get(key):
                    script = queue.popleft()
                    break
            else:
                keys = [key for key in (request.rpc, request.path, EVERY) if key in self._always]
                script = self._always[keys[0]] if keys else Answer()
        return script(request) if callable(script) else script

    # What came -----------------------------------------------------------------------------------------------------

    @property
    def open_connections(self) -> int:
        with self._changed:
            return len(self._connections)

    def calls(self, method: str) -> list[Request]:
        """The recorded requests of a custom method or path."""
        with self._changed:
            return [request for request in self.requests if method in (request.rpc, request.path)]

    def wait_for(self, predicate: Callable[[], object], timeout: float = 2.0) -> bool:
        """Wait until the predicate holds; it is asked again whenever a request or connection comes or ends."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: bool(predicate()), timeout))

    @property
    def secrets(self) -> set[str]:
        """Every code, token and key that was issued: none of them may show up in a log or a saved flow."""
        return set(self.google.oauth.issued) | self.google.public.keys

    def grant(self, client_id: str = "emulated-client", scope: str | None = None) -> dict[str, object]:
        """A token answer with a refresh token, as if the user had just allowed that client."""
        return self.google.grant(client_id, scope)

    def api_key(self) -> str:
        """A key of the public API, as if the user had just made one."""
        return self.google.api_key()

    def expire_tokens(self) -> None:
        self.google.oauth.expire_access()

    def revoke_tokens(self) -> None:
        self.google.oauth.revoke_all()

    # Connections ---------------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket, woken: socket.socket) -> None:
        with listener, woken, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while woken not in [key.fileobj for key, _ in selector.select()]:
                with contextlib.suppress(OSError):
                    self._welcome(listener.accept()[0])

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        with self._changed:
            self._accepted += 1
            connection = Connection(sock, self._accepted)
            thread = threading.Thread(target=self._serve, args=(connection,), name="emulator-call", daemon=True)
            self._connections[connection] = thread
            self._changed.notify_all()
        thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            while (request := connection.read()) is not None:
                if not self._answer(connection, request):
                    break
        except BadRequest:
            with contextlib.suppress(Gone):
                connection.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except (Gone, OSError, ValueError):
            pass  # ValueError: the file of a socket that was closed
        finally:
            connection.close()
            with self._changed:
                del self._connections[connection]
                self._changed.notify_all()

    def _answer(self, connection: Connection, request: Request) -> bool:
        self._record(request)
        try:
            answer = self._scripted(request)
            keeps = Delivery(connection, request, self._reply(request, answer), answer, self.settings).send()
            request.answered = answer.fault is None
        except Gone:
            request.disconnected = True
            raise
        finally:
            with self._changed:
                self._changed.notify_all()
        return keeps

    def _reply(self, request: Request, answer: Answer) -> Reply:
        if answer.frames is not None:
            return answer.reply()
        try:
            return self.google.answer(request)
        except Exception as error:  # a fault of the emulator must not pass for an answer of Google's
            logger.exception("The emulator failed at %s %s", request.method, request.path)
            return Reply(500, (("Content-Type", JSON_TYPE),), (f"emulator failed: {error!r}\n".encode(),))

    def _record(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)
            if len(self.requests) > self.settings.record_limit:
                del self.requests[: self.settings.record_limit // 2]
            self._changed.notify_all()
