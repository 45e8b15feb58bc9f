"""One connection: HTTP/1.1 read and written by hand, so that every byte and every border is ours."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import unquote

from gemini_proxy.emulator.answers import Answer, Write, gzipped, up_to, writes_of
from gemini_proxy.emulator.messages import Reply, Request
from gemini_proxy.emulator.settings import Settings

MAX_LINE = 65_536
GARBAGE = b"\x00\x01 this is not HTTP \xff\xfe\r\n\r\n"


class Gone(Exception):
    """The client closed the connection, or the emulator stops."""


class BadRequest(Exception):
    """What came is not HTTP/1.x."""


class Connection:
    """A socket with what is needed to speak, to wait beside it, and to end it in several ways."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.number = sock, number
        self.reader: BinaryIO = sock.makefile("rb")
        self.stopping = threading.Event()

    # Reading -------------------------------------------------------------------------------------------------------

    def read(self) -> Request | None:
        """The next request, None when the client is done with the connection."""
        try:
            line = self.reader.readline(MAX_LINE)
        except OSError:
            return None
        if not line.strip():
            return None
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest
        headers = self._headers()
        path, _, query = words[1].partition("?")
        body = self._body(headers)
        if words[2] == "HTTP/1.0":
            headers.setdefault("connection", "close")
        return Request(words[0], unquote(path), query, headers, body, time.time(), self.number)

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while (line := self.reader.readline(MAX_LINE)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            name = name.strip().lower()
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
        return headers

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length", "0")
        if not length.isdigit():
            raise BadRequest
        return self._exactly(int(length))

    def _chunks(self) -> bytes:
        body = b""
        while size := self._chunk_size():
            body += self._exactly(size)
            self.reader.readline(MAX_LINE)
        while self.reader.readline(MAX_LINE).strip():
            pass  # trailers
        return body

    def _chunk_size(self) -> int:
        try:
            return int(self.reader.readline(MAX_LINE).partition(b";")[0], 16)
        except ValueError:
            raise BadRequest from None

    def _exactly(self, size: int) -> bytes:
        data = self.reader.read(size) if size else b""
        if len(data) < size:
            raise Gone
        return data

    # Writing and waiting -------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError:
            raise Gone from None

    def wait(self, seconds: float | None) -> None:
        """Let time pass, but notice at once when the client goes away. None: until it does."""
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            left = 0.5 if end is None else min(0.5, max(end - time.monotonic(), 0.0005))
            if self._heard(left):
                # The client sent its next request already; a close behind it cannot be seen.
                self.stopping.wait(left)
            if self.stopping.is_set():
                raise Gone

    def _heard(self, seconds: float) -> bool:
        """Whether bytes arrive within that time; Gone when the end of the connection does."""
        try:
            self.sock.settimeout(seconds)
            data = self.sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return False
        except OSError:
            raise Gone from None
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(None)
        if not data:
            raise Gone
        return True

    def reset(self) -> None:
        """RST instead of FIN: SO_LINGER on, with no time to linger."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def shut(self) -> None:
        """From another thread: wakes whatever the connection's own thread waits for."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.reader.close()
        with contextlib.suppress(OSError):
            self.sock.close()


class Delivery:
    """One reply on its way: framing, cuts, pauses and faults. `send` says whether the connection lives on."""

    def __init__(
        self, connection: Connection, request: Request, reply: Reply, answer: Answer, settings: Settings
    ) -> None:
        self.connection, self.request, self.reply, self.answer = connection, request, reply, answer
        self.pace = settings.pace if answer.pace is None else answer.pace
        self.delay = settings.first_byte_delay if answer.first_byte_delay is None else answer.first_byte_delay
        self.framing = answer.framing if answer.framing != "auto" else "chunked" if reply.stream else "length"

    def send(self) -> bool:
        if self.delay:
            self.connection.wait(self.delay)
        if self._failed_before_headers():
            return False
        frames = gzipped(self.reply.frames) if self.answer.gzip else self.reply.frames
        length = sum(len(frame) for frame in frames)
        writes = writes_of(frames, self.answer.pieces)
        if self.answer.fault:
            writes = up_to(writes, self.answer.at)
        if self.answer.fault == "end-early":
            length = min(length, self.answer.at)
        self._send_body(self._head(length), [] if self.request.method == "HEAD" else writes)
        return self._ended()

    def _failed_before_headers(self) -> bool:
        fault = self.answer.fault
        if fault == "stall-before-headers":
            self.connection.wait(None)
        if fault == "reset-before-headers":
            self.connection.reset()
        if fault == "garbage":
            self.connection.write(GARBAGE)
        return fault in ("reset-before-headers", "close-before-headers", "garbage")

    def _head(self, length: int) -> bytes:
        lines = [f"HTTP/1.1 {self.reply.status} {_phrase(self.reply.status)}"]
        lines += [f"{name}: {value}" for name, value in self.reply.headers]
        if self.answer.gzip:
            lines.append("Content-Encoding: gzip")
        if self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        elif self.framing == "length":
            lines.append(f"Content-Length: {length}")
        if not self._keeps():
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def _send_body(self, head: bytes, writes: list[Write]) -> None:
        """Headers and first bytes are separate writes only when the reply is a stream, as at Google."""
        if self.framing == "length" and self.answer.pieces is None and len(writes) == 1:
            self.connection.write(head + writes[0].data)
            return
        self.connection.write(head)
        for write in writes:
            if write.pause and self.pace:
                self.connection.wait(self.pace)
            self.connection.write(self._framed(write.data))

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self.framing == "chunked" else data

    def _ended(self) -> bool:
        fault = self.answer.fault
        if fault == "stall":
            self.connection.wait(None)
        if fault == "reset":
            self.connection.reset()
        if fault in ("reset", "truncate"):
            return False
        if self.framing == "chunked" and self.request.method != "HEAD":
            self.connection.write(b"0\r\n\r\n")
        return self._keeps()

    def _keeps(self) -> bool:
        return self.framing != "close" and "close" not in self.request.headers.get("connection", "").lower()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request" if status == 499 else "Unknown"
