"""Gemini's answer in OpenAI's words: chunks of a stream, or one chat completion (mapping B.4).

Both are made of the same deltas: a stream sends each, a whole answer puts them together, so the two cannot drift.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from gemini_proxy import sse
from gemini_proxy.dialects.openai_chat.errors import error_object
from gemini_proxy.dialects.openai_chat.usage import usage_from
from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.answer import End, Event, Reader, Reason, Text
from gemini_proxy.gemini.wire import GenerateContentResponse

Delta = dict[str, Any]

FINISH: dict[Reason, str] = {
    "stop": "stop",
    "length": "length",
    "blocked": "content_filter",
    "calls": "tool_calls",
}
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # a reverse proxy such as nginx would hold the stream back (C24)
}


def delta_of(event: Event) -> Delta:
    return {"content": event.text} if isinstance(event, Text) else {"reasoning_content": event.text}


def closing_delta(end: End) -> Delta:
    """What only the end tells: why the prompt was blocked (C40, C41)."""
    return {"refusal": end.message} if end.reason == "blocked" and not end.native else {}


class StreamRenderer:
    """Frames of `chat.completion.chunk`. The envelope is the same in all (C52) and is encoded once."""

    def __init__(self, answer_id: str, created: int, model: str, include_usage: bool) -> None:
        head = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + to_json(head)[:-1]
        self._tail = (b',"usage":null' if include_usage else b"") + b"}\n\n"  # C68, C69
        self._include_usage = include_usage
        self._reader = Reader()
        self._opened: set[int] = set()

    @property
    def warnings(self) -> list[str]:
        return self._reader.warnings

    def headers(self) -> Mapping[str, str]:
        return STREAM_HEADERS

    def feed(self, chunk: GenerateContentResponse) -> list[bytes]:
        frames: list[bytes] = []
        for event in self._reader.feed(chunk):
            frames += self._say(event.index, delta_of(event))
        return frames

    def end(self) -> list[bytes]:
        frames: list[bytes] = []
        for end in self._reader.ends():
            frames += self._say(end.index, closing_delta(end))
            frames.append(self._frame(end.index, {}, FINISH[end.reason], end.native))
        if self._include_usage and self._reader.usage is not None:
            usage = to_json(usage_from(self._reader.usage))
            frames.append(self._head + b',"choices":[],"usage":' + usage + b"}\n\n")
        return [*frames, sse.DONE]

    def fail(self, error: ProxyError) -> list[bytes]:
        return [sse.encode(error_object(error)), sse.DONE]

    def _say(self, index: int, delta: Delta) -> list[bytes]:
        frames = []
        if index not in self._opened:  # the role once a choice, never again (C51)
            self._opened.add(index)
            frames.append(self._frame(index, {"role": "assistant", "content": ""}))
        return [*frames, self._frame(index, delta)] if delta else frames

    def _frame(self, index: int, delta: Delta, finish: str | None = None, native: str = "") -> bytes:
        if finish is None:
            end = b',"finish_reason":null}]'
        else:
            end = b',"finish_reason":' + to_json(finish) + b',"native_finish_reason":' + to_json(native or None) + b"}]"
        return b'%s,"choices":[{"index":%d,"delta":%s%s%s' % (self._head, index, to_json(delta), end, self._tail)


class WholeRenderer:
    """One `chat.completion`, said at the end."""

    def __init__(self, answer_id: str, created: int, model: str) -> None:
        self._head = {"id": answer_id, "object": "chat.completion", "created": created, "model": model}
        self._reader = Reader()
        self._said: dict[int, dict[str, list[str]]] = {}

    @property
    def warnings(self) -> list[str]:
        return self._reader.warnings

    def headers(self) -> Mapping[str, str]:
        version = self._reader.model_version
        return {"content-type": "application/json"} | ({"x-gemini-model-version": version} if version else {})

    def feed(self, chunk: GenerateContentResponse) -> list[bytes]:
        for event in self._reader.feed(chunk):
            self._add(event.index, delta_of(event))
        return []

    def end(self) -> list[bytes]:
        ends = self._reader.ends()
        if self._reader.usage is None:
            self._reader.warnings.append("Google told no usage")  # C75: some clients crash without the member
        usage = usage_from(self._reader.usage or {})
        return [to_json({**self._head, "choices": [self._choice(end) for end in ends], "usage": usage})]

    def fail(self, error: ProxyError) -> list[bytes]:
        return [to_json(error_object(error))]

    def _add(self, index: int, delta: Delta) -> None:
        said = self._said.setdefault(index, {})
        for name, text in delta.items():
            said.setdefault(name, []).append(text)

    def _choice(self, end: End) -> dict[str, Any]:
        self._add(end.index, closing_delta(end))
        said = {name: "".join(texts) for name, texts in self._said[end.index].items()}
        content = said.pop("content", None if "refusal" in said else "")
        message = {"role": "assistant", "content": content, "refusal": None, **said}
        return {
            "index": end.index,
            "message": message,
            "logprobs": None,
            "finish_reason": FINISH[end.reason],
            "native_finish_reason": end.native or None,
        }
