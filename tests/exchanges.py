"""One exchange without a network: what the client said and what Google's bytes were, to what the client hears."""

import json
from collections.abc import Iterable
from typing import Any, cast

import pytest

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, Exchange
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist

NOBODY = TokenSource(*cast(Any, (None, None, None, "")))  # signed in to nothing: no call leaves here

HI = [{"role": "user", "content": "hi"}]


def chat_request(**chat: Any) -> ClientRequest:
    body = json.dumps({"model": "gemini-2.5-flash", "messages": HI, **chat}).encode()
    return ClientRequest("POST", "/v1/chat/completions", {"content-type": "application/json"}, body)


def chat_ask(request: ClientRequest, dialect: OpenAIChat | None = None) -> Ask:
    asked = (dialect or OpenAIChat(SignatureMemory(None), {})).read(request)
    assert isinstance(asked, Ask)
    return asked


def asked(**chat: Any) -> Any:
    """What Google is asked."""
    return chat_ask(chat_request(**chat)).request


def told(**chat: Any) -> str:
    """What the client is warned of before Google is asked."""
    return "; ".join(chat_ask(chat_request(**chat)).warnings)


def refused(**chat: Any) -> ProxyError:
    with pytest.raises(ProxyError) as caught:
        chat_ask(chat_request(**chat))
    return caught.value


def exchange(dialect: OpenAIChat | None = None, **chat: Any) -> Exchange:
    dialect = dialect or OpenAIChat(SignatureMemory(None), {})
    upstream = CodeAssist("https://google.test", NOBODY)
    return Exchange(dialect, upstream, chat_ask(chat_request(**chat), dialect))


def sse_bytes(chunks: Iterable[Any], end: bytes = b"\r\n\r\n") -> bytes:
    """As Google frames them: one line each, CRLF, no [DONE]. Bytes and text pass as they are."""
    return b"".join(b"data: " + _payload(chunk) + end for chunk in chunks)


def _payload(chunk: Any) -> bytes:
    if isinstance(chunk, bytes):
        return chunk
    return json.dumps(chunk, ensure_ascii=False).encode() if not isinstance(chunk, str) else chunk.encode()


def candidate(*parts: dict[str, Any], index: int = 0, **more: Any) -> dict[str, Any]:
    """One candidate in Code Assist's envelope; without parts it has no content. `usage` goes beside it."""
    usage = {"usageMetadata": more.pop("usage")} if "usage" in more else {}
    content = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return {"response": {"candidates": [{"index": index, **content, **more}], **usage}, "traceId": "t"}


def text(words: str, **more: Any) -> dict[str, Any]:
    return candidate({"text": words}, **more)


def call(name: str, args: Any = None, /, **more: Any) -> dict[str, Any]:
    """A part with a function call; `id` goes into the call, the rest beside it."""
    identity = {"id": more.pop("id")} if "id" in more else {}
    return {"functionCall": {"name": name, **identity, **({} if args is None else {"args": args})}, **more}


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def assistant_calls(*calls: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """An assistant message with calls, each an id, a name and arguments."""
    made = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
    return {"role": "assistant", "content": None, "tool_calls": made, **more}


def result(call_id: str | None, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **more}


def called(found: list[Any], index: int = 0) -> list[dict[str, Any]]:
    """The tool calls of a streamed answer, put together as a client does."""
    calls: dict[int, dict[str, Any]] = {}
    for event in found:
        for choice in event.get("choices", []) if isinstance(event, dict) else []:
            for piece in choice["delta"].get("tool_calls", []) if choice["index"] == index else []:
                known = calls.setdefault(piece["index"], {"arguments": ""})
                known.update({name: piece[name] for name in ("id", "type", "extra_content") if name in piece})
                known["name"] = known.get("name", "") + piece["function"].get("name", "")
                known["arguments"] += piece["function"].get("arguments", "")
    assert sorted(calls) == list(range(len(calls)))
    return [calls[place] for place in sorted(calls)]


STOP = candidate(
    {"text": ""}, finishReason="STOP", usage={"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}
)


def stream(pieces: bytes | list[bytes], **chat: Any) -> bytes:
    """All the bytes of a streamed answer."""
    running = exchange(stream=True, **chat)
    frames = [f for piece in ([pieces] if isinstance(pieces, bytes) else pieces) for f in running.transform(piece)]
    return b"".join(frames + running.transform(b""))


def events(body: bytes) -> list[Any]:
    """The events of a streamed answer, [DONE] as text; ids and times, which differ by design, are taken out."""
    assert body.endswith(b"\n\n")
    found = []
    for frame in body.removesuffix(b"\n\n").split(b"\n\n"):
        assert frame.startswith(b"data: ")
        assert b"\n" not in frame
        payload = frame.removeprefix(b"data: ")
        event = "[DONE]" if payload == b"[DONE]" else json.loads(payload)
        if isinstance(event, dict):
            event.pop("id", None)
            event.pop("created", None)
        found.append(event)
    return found


def streamed(chunks: Iterable[Any], **chat: Any) -> list[Any]:
    return events(stream(sse_bytes(chunks), **chat))


def deltas(found: list[Any]) -> list[dict[str, Any]]:
    return [choice["delta"] for event in found if isinstance(event, dict) for choice in event.get("choices", [])]


def said(found: list[Any], name: str = "content", index: int = 0) -> str:
    choices = [c for event in found if isinstance(event, dict) for c in event.get("choices", []) if c["index"] == index]
    return "".join(choice["delta"].get(name) or "" for choice in choices)


def finishes(found: list[Any]) -> list[str]:
    choices = [c for event in found if isinstance(event, dict) for c in event.get("choices", [])]
    return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


def errors(found: list[Any]) -> list[Any]:
    return [event["error"] for event in found if isinstance(event, dict) and "error" in event]


def whole(document: Any, **chat: Any) -> Answer:
    return exchange(**chat).whole({"content-type": "application/json"}, json.dumps(document).encode())


def completion(document: Any, **chat: Any) -> Any:
    answer = whole(document, **chat)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)
