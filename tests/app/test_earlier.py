"""The calls before the last of a request that takes several."""

import json

import pytest

from gemini_proxy.app.earlier import ask_earlier
from gemini_proxy.dialects.openai_embeddings.dialect import OpenAIEmbeddings
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, HttpRequest
from gemini_proxy.google_login.client import Reply
from gemini_proxy.http import ClientRequest
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi

UPSTREAM = GeminiApi("https://google.test", "AIza" + "k" * 35)


def asked(count: int) -> Ask:
    body = json.dumps({"model": "m", "input": ["x"] * count}).encode()
    return OpenAIEmbeddings({}).read(ClientRequest("POST", "/v1/embeddings", {}, body))


async def embed(request: HttpRequest) -> Reply:
    vectors = [{"values": [1.0]} for _ in json.loads(request.body)["requests"]]
    return Reply(200, json.dumps({"embeddings": vectors}).encode())


async def test_their_answers_come_first() -> None:
    ask = asked(250)
    await ask_earlier(ask, UPSTREAM, embed)
    answer = UPSTREAM.decode((await embed(await UPSTREAM.encode(ask))).body)
    assert answer is not None
    ask.renderer.feed(answer)
    assert len(json.loads(b"".join(ask.renderer.end()))["data"]) == 250


@pytest.mark.parametrize(
    ("status", "body", "code"), [(429, b"{}", "rate_limit_exceeded"), (200, b"<html>", "upstream_invalid")]
)
async def test_one_of_them_fails(status: int, body: bytes, code: str) -> None:
    async def fail(request: HttpRequest) -> Reply:
        return Reply(status, body, {"retry-after": "7"})

    with pytest.raises(ProxyError) as raised:
        await ask_earlier(asked(101), UPSTREAM, fail)
    assert (raised.value.code, raised.value.retry_after) == (code, 7 if status == 429 else None)
    await ask_earlier(asked(100), UPSTREAM, fail)  # there is none
