"""Gemini's answer in OpenAI's words: chunks of a stream, or one chat completion.

Both are made of the same deltas: a stream sends each, a whole answer puts them together, so the two cannot drift.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from gemini_proxy import sse
from gemini_proxy.dialects.openai_chat.deltas import Delta, Deltas
from gemini_proxy.dialects.openai_chat.logprobs import logprobs_from
from gemini_proxy.dialects.openai_chat.usage import usage_from
from gemini_proxy.dialects.openai_errors import error_object
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import header_text
from gemini_proxy.gemini.answer.reader import LOGPROBS, Reader
from gemini_proxy.gemini.answer.resolved import Ending, ResolvedAnswer
from gemini_proxy.gemini.wire import GenerateContentResponse

STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # a reverse proxy such as nginx would hold the stream back
}

BEAT = b": keep-alive\n\n"  # a comment, which every reader of server-sent events skips
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Head:
    """What every chunk of an answer repeats. `model` is what the client called it."""

    id: str
    created: int
    model: str


@dataclass
class Telling:
    """One answer on its way: what is read, and how it is said."""

    head: Head
    answer: ResolvedAnswer = field(default_factory=ResolvedAnswer)
    deltas: Deltas = field(default_factory=Deltas)
    include_usage: bool = False

    @property
    def reader(self) -> Reader:
        return self.answer.reader

    @property
    def warnings(self) -> list[str]:
        return [*self.answer.warnings, *self.deltas.warnings]

    def ending(self, end: Ending) -> dict[str, Any]:
        """How a choice ended, in OpenAI's word and in Google's."""
        more = {"native_finish_message": end.message} if end.message else {}
        return {"finish_reason": self.deltas.finish(end.reason), "native_finish_reason": end.native or None, **more}


class StreamRenderer:
    """Frames of `chat.completion.chunk`. What they have in common is encoded once."""

    def __init__(self, telling: Telling) -> None:
        head = telling.head
        self._common = {"id": head.id, "object": "chat.completion.chunk", "created": head.created, "model": head.model}
        self._head = b""
        self._tail = (b',"usage":null' if telling.include_usage else b"") + b"}\n\n"
        self._telling = telling
        self._opened: set[int] = set()

    @property
    def warnings(self) -> list[str]:
        return self._telling.warnings

    def headers(self) -> Mapping[str, str]:
        return STREAM_HEADERS

    def feed(self, chunk: GenerateContentResponse) -> list[bytes]:
        frames: list[bytes] = []
        delta_of = self._telling.deltas.of
        for event in self._telling.answer.feed(chunk):
            if delta := delta_of(event):
                if event.index not in self._opened:
                    frames.append(self._opening(event.index))
                frames.append(self._frame(event.index, to_json(delta, inf_nan_mode="null")))
        return frames

    def end(self, *, broken: bool = False) -> list[bytes]:
        frames: list[bytes] = []
        for end in self._telling.answer.ends(broken=broken):
            if end.index not in self._opened:
                frames.append(self._opening(end.index))
            if delta := self._telling.deltas.closing(end):
                frames.append(self._frame(end.index, to_json(delta, inf_nan_mode="null")))
            frames.append(self._last(end))  # on its own, after the last tool call: SDK helpers lose that one otherwise
        usage = self._telling.reader.usage
        if self._telling.include_usage and usage is not None:
            frames.append(self._start() + b',"choices":[],"usage":' + to_json(usage_from(usage)) + b"}\n\n")
        return [*frames, DONE]

    def fail(self, error: ProxyError) -> list[bytes]:
        return [sse.encode(error_object(error)), DONE]

    def beat(self) -> bytes:
        return BEAT

    def _opening(self, index: int) -> bytes:
        """The role, once a choice and never again."""
        self._opened.add(index)
        return self._frame(index, b'{"role":"assistant","content":""}')

    def _start(self) -> bytes:
        """What all frames begin with, settled with the first one: then Google has said which model it is."""
        if not self._head:
            version = self._telling.reader.model_version
            common = {**self._common, "system_fingerprint": version} if version else self._common
            self._head = b"data: " + to_json(common)[:-1]
        return self._head

    def _frame(self, index: int, delta: bytes, end: bytes = b',"finish_reason":null}]') -> bytes:
        return b'%s,"choices":[{"index":%d,"delta":%s%s%s' % (self._start(), index, delta, end, self._tail)

    def _last(self, end: Ending) -> bytes:
        more = self._telling.ending(end)
        if logprobs := logprobs_from(end.extras.get(LOGPROBS)):
            more["logprobs"] = logprobs
        return self._frame(end.index, b"{}", b"," + to_json(more, inf_nan_mode="null")[1:] + b"]")


class WholeRenderer:
    """One `chat.completion`, said at the end."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._messages: dict[int, Message] = {}
        self._natives: list[str] = []

    @property
    def warnings(self) -> list[str]:
        return self._telling.warnings

    def headers(self) -> Mapping[str, str]:
        reader = self._telling.reader
        told = {
            "x-gemini-model-version": reader.model_version,
            "x-gemini-trace-id": reader.trace_id,
            "x-gemini-finish-reason": ", ".join(self._natives),
        }
        return {"content-type": "application/json"} | {name: header_text(text) for name, text in told.items() if text}

    def feed(self, chunk: GenerateContentResponse) -> list[bytes]:
        for event in self._telling.answer.feed(chunk):
            self._message(event.index).add(self._telling.deltas.of(event))
        return []

    def end(self, *, broken: bool = False) -> list[bytes]:
        ends = self._telling.answer.ends(broken=broken)
        self._natives = [end.native for end in ends if end.native]
        head, usage = self._telling.head, self._telling.reader.usage
        if usage is None:
            self._telling.reader.warnings.append("Google told no usage")  # some clients crash without the member
        completion: dict[str, Any] = {
            "id": head.id,
            "object": "chat.completion",
            "created": head.created,
            "model": head.model,
            "choices": [self._choice(end) for end in ends],
            "usage": usage_from(usage or {}),
        }
        if version := self._telling.reader.model_version:
            completion["system_fingerprint"] = version
        return [to_json(completion, inf_nan_mode="null")]

    def fail(self, error: ProxyError) -> list[bytes]:
        return [to_json(error_object(error))]

    def beat(self) -> bytes:
        return b""

    def _message(self, index: int) -> "Message":
        return self._messages.setdefault(index, Message())

    def _choice(self, end: Ending) -> dict[str, Any]:
        message = self._message(end.index)
        message.add(self._telling.deltas.closing(end))
        return {
            "index": end.index,
            "message": message.whole(),
            "logprobs": logprobs_from(end.extras.get(LOGPROBS)),
            **self._telling.ending(end),
        }


class Message:
    """Deltas put together: texts joined, lists appended, their places in the stream (`index`) left out."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._lists: dict[str, list[Any]] = {}
        self._rest: dict[str, Any] = {}
        self._audio: list[dict[str, Any]] = []

    def add(self, delta: Delta) -> None:
        for name, value in delta.items():
            if name == "audio":
                self._audio.append(value)
            elif isinstance(value, str):
                self._texts.setdefault(name, []).append(value)
            elif isinstance(value, list):
                self._lists.setdefault(name, []).extend(_without_index(item) for item in value)
            else:
                self._rest[name] = value

    def whole(self) -> dict[str, Any]:
        if self._audio:
            self._rest["audio"] = {**self._audio[0], "data": _joined([piece["data"] for piece in self._audio])}
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        silent = {"tool_calls", "function_call", "audio"} & {*texts, *self._lists, *self._rest}
        content = texts.pop("content", None if silent else "")
        return {"role": "assistant", "content": content, "refusal": None, **texts, **self._lists, **self._rest}


def _joined(pieces: list[str]) -> str:
    """Base64 of several pieces as one: each may end with padding."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(map(base64.b64decode, pieces))).decode()
    except binascii.Error:
        return "".join(pieces)


def _without_index(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "index"}
