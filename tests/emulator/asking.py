"""Short ways to write requests for the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from gemini_proxy.emulator import Google, Reply, Request, Settings

Json = dict[str, Any]
PROJECT = Settings().project
NOW = 1_800_000_000.0


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        return self.time


def user(*parts: str | Json) -> Json:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model(*parts: str | Json) -> Json:
    return {**user(*parts), "role": "model"}


def call(name: str, args: Json | None = None, **more: Any) -> Json:
    return {"functionCall": {"name": name, "args": args or {}}, **more}


def answered(name: str, **response: Any) -> Json:
    return {"functionResponse": {"name": name, "response": response}}


def functions(*names: str) -> list[Json]:
    return [{"functionDeclarations": [{"name": name} for name in names]}]


def envelope(*contents: Json, model: str = "gemini-2.5-flash", config: Json | None = None, **request: Any) -> Json:
    inner = {"contents": list(contents) or [user("hi")], **request}
    if config is not None:
        inner["generationConfig"] = config
    return {"model": model, "project": PROJECT, "request": inner}


def google(now: Clock | None = None, **changes: Any) -> Google:
    return Google(Settings(**{"any_token": True, **changes}), now or Clock())


def post(google: Google, method: str, body: Any, token: str = "any", query: str = "") -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    return google.answer(Request("POST", f"/v1internal:{method}", query, headers, data))


def form(google: Google, path: str, **fields: str) -> Reply:
    return google.answer(Request("POST", path, body=urlencode(fields).encode()))


def body_of(reply: Reply) -> Any:
    return json.loads(reply.body)


def refusal(reply: Reply) -> tuple[int, str]:
    """Status and message of an error, in either form."""
    body = body_of(reply)
    error = (body[0] if isinstance(body, list) else body)["error"]
    assert error["code"] == reply.status
    return reply.status, error["message"]


def chunks_of(data: bytes) -> list[Json]:
    """The events of a stream; asserts the service's framing."""
    assert data.endswith(b"\r\n\r\n")
    events = data.removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
    return [json.loads(event[6:]) for event in events]


def stream(google: Google, body: Json) -> list[Json]:
    reply = post(google, "streamGenerateContent", body, query="alt=sse")
    assert reply.status == 200, reply.body
    return chunks_of(reply.body)


def unary(google: Google, body: Json) -> Json:
    reply = post(google, "generateContent", body)
    assert reply.status == 200, reply.body
    response: Json = body_of(reply)["response"]
    return response


def parts_in(chunks: Iterable[Json], index: int = 0) -> list[Json]:
    return [
        part
        for chunk in chunks
        for candidate in chunk["response"]["candidates"]
        if candidate["index"] == index
        for part in candidate.get("content", {}).get("parts", [])
    ]


def text_of(chunks: Iterable[Json], index: int = 0) -> str:
    return "".join(part.get("text", "") for part in parts_in(chunks, index) if not part.get("thought"))


def finish_of(chunks: list[Json]) -> str:
    reason: str = chunks[-1]["response"]["candidates"][0]["finishReason"]
    return reason
