"""Scripts of Code Assist's answers as the public API would give them: the same chunks without the envelope."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gemini_proxy.emulator import Answer, Emulator, Request

END = b"\r\n\r\n"
Script = Answer | Callable[[Request], Answer]


class BareScripts:
    """An emulator whose scripted answers lose their envelope; all else is the emulator's own."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._emulator, name)

    def script(self, method: str, *answers: Script) -> None:
        self._emulator.script(method, *(bare(answer) if isinstance(answer, Answer) else answer for answer in answers))


def bare(answer: Answer) -> Answer:
    frames = answer.frames
    return answer if frames is None else replace(answer, frames=tuple(map(_bare_frame, frames)))


def _bare_frame(frame: bytes) -> bytes:
    if not frame.startswith(b"data: "):
        return frame
    return END.join(map(_bare_event, frame.split(END)))


def _bare_event(event: bytes) -> bytes:
    if not event.startswith(b"data: {"):
        return event
    chunk = json.loads(event.removeprefix(b"data: "))
    return b"data: " + json.dumps(chunk.get("response", chunk), ensure_ascii=False).encode()
