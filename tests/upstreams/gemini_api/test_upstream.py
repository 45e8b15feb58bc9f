"""The public API as an upstream: what is sent, what is read, whose key it is."""

import json
from typing import Any

import pytest

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.errors import ProxyError, Unreadable
from gemini_proxy.exchange import Ask, Exchange, linked
from gemini_proxy.gemini.inline import MB, MediaLimits
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi
from tests.exchanges import chat_ask, chat_request, events, said, sse_bytes

KEY = "AIza" + "k" * 35
BASE = "https://generativelanguage.googleapis.com"
NO_SIGNATURE = b'{"error":{"code":400,"message":"Thought signature is not valid.","status":"INVALID_ARGUMENT"}}'


def upstream(key: str = KEY, **more: Any) -> GeminiApi:
    return GeminiApi(BASE, key, **more)


def ask(**chat: Any) -> Ask:
    return chat_ask(chat_request(**chat))


@pytest.mark.parametrize(("stream", "target"), [(False, "generateContent"), (True, "streamGenerateContent?alt=sse")])
async def test_the_request(stream: bool, target: str) -> None:
    request = await upstream().encode(ask(stream=stream))
    assert (request.method, request.url) == ("POST", f"{BASE}/v1beta/models/gemini-2.5-flash:{target}")
    assert request.headers["x-goog-api-key"] == KEY
    assert "authorization" not in request.headers
    assert set(json.loads(request.body)) <= {"contents", "generationConfig"}
    assert KEY not in repr(request)


async def test_a_key_that_the_client_brought() -> None:
    own = "AIza" + "c" * 35
    asked = Ask("m", "generateContent", {}, ask().renderer, client_key=own)
    assert (await upstream().encode(asked)).headers["x-goog-api-key"] == own
    assert own not in repr(asked)


async def test_without_a_key() -> None:
    with pytest.raises(ProxyError) as raised:
        await upstream("").encode(ask())
    assert (raised.value.status, raised.value.code) == (401, "google_api_key_required")
    obstacle = upstream("").obstacle()
    assert obstacle is not None
    assert obstacle.code == "google_api_key_required"
    assert upstream("", client_keys=True).obstacle() is None


def test_an_answer_and_its_absence() -> None:
    assert upstream().decode(b'{"candidates":[{"new":1}]}') == {"candidates": [{"new": 1}]}
    assert upstream().decode(b'[{"candidates":[]}]') == {"candidates": []}
    assert upstream().decode(b"[DONE]") is None


@pytest.mark.parametrize("event", [b"{", b"[]", b'"x"', b"17"])
def test_no_answer_at_all(event: bytes) -> None:
    with pytest.raises(Unreadable):
        upstream().decode(event)


def test_an_error_in_mid_stream() -> None:
    with pytest.raises(ProxyError) as raised:
        upstream().decode(b'{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}')
    assert (raised.value.status, raised.value.code) == (503, "overloaded")


def test_what_stands_in_the_way_until_an_answer_comes() -> None:
    google = upstream()
    google.refuse(400, {}, b'{"error":{"message":"User location is not supported for the API use."}}')
    obstacle = google.obstacle()
    assert obstacle is not None
    assert obstacle.code == "unsupported_location"
    google.decode(b'{"candidates":[]}')
    assert google.obstacle() is None
    google.refuse(503, {}, b"{}")
    assert google.obstacle() is None


def test_a_client_s_bad_key_is_not_the_operator_s() -> None:
    google = upstream(client_keys=True)
    google.refuse(
        400, {}, b'{"error":{"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT"}}'
    )
    assert google.obstacle() is None


async def test_a_signature_that_google_refuses() -> None:
    google, asked = upstream(), ask()
    signed = {"functionCall": {"name": "f"}, "thoughtSignature": "eA=="}
    asked.request["contents"][:] = [{"role": "model", "parts": [signed]}]
    sent = await google.encode(asked)
    again = await google.second_try(asked, sent, 400, NO_SIGNATURE)
    assert again is not None
    assert b"eA==" not in again.body
    assert asked.warnings
    assert await google.second_try(asked, sent, 401, b"{}") is None


def test_one_translator_for_both() -> None:
    dialect = OpenAIChat(SignatureMemory(None), {})
    exchange = Exchange(dialect, upstream(), chat_ask(chat_request(stream=True), dialect))
    chunks = [{"candidates": [{"content": {"parts": [{"text": "ab"}]}}]}, {"candidates": [{"finishReason": "STOP"}]}]
    frames = exchange.transform(sse_bytes(chunks)) + exchange.transform(b"")
    assert said(events(b"".join(frames))) == "ab"


async def test_what_this_api_does_not_know_is_left_out() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    google = {"stream_function_call_arguments": True, "cached_content": "cachedContents/1"}
    for choice, kept in (("required", {"mode": "ANY"}), (None, None)):
        asked = ask(tools=tools, tool_choice=choice, google=google)
        sent = json.loads((await upstream().encode(asked)).body)
        assert sent["toolConfig"].get("functionCallingConfig") == kept
        assert sent["cachedContent"] == "cachedContents/1"
        assert len(asked.warnings) == 1


class Small(GeminiApi):
    media = MediaLimits(total=30, pdf=20)


async def test_what_it_takes_of_media_is_checked_before_it_is_sent() -> None:
    def sent(mime: str, size: int) -> Ask:
        part = {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{'A' * (size // 3 * 4)}"}}
        return ask(messages=[{"role": "user", "content": [part]}])

    await Small(BASE, KEY).encode(sent("image/png", 30))
    for mime, size in (("image/png", 33), ("application/pdf", 21)):
        with pytest.raises(ProxyError) as raised:
            await Small(BASE, KEY).encode(sent(mime, size))
        assert (raised.value.status, raised.value.code) == (400, "request_too_large")
    assert (GeminiApi.media.total, GeminiApi.media.pdf) == (100 * MB, 50 * MB)
    assert (CodeAssist.media.total, CodeAssist.media.pdf) == (20 * MB, 20 * MB)


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
LINK = {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}}


@pytest.mark.parametrize(
    ("model", "goes"), [("gemini-2.5-flash", True), ("gemini-3-pro-preview", True), ("gemini-2.0-flash", False)]
)
def test_a_public_address_goes_to_the_api_that_fetches_it(model: str, goes: bool) -> None:
    asked = ask(model=model, messages=[{"role": "user", "content": [IMAGE]}])
    assert linked(asked, CodeAssist.media) is asked  # here it is for us to fetch
    assert bool(linked(asked, GeminiApi.media).remote) is not goes
    (part,) = asked.request["contents"][0]["parts"]
    assert {name: part[name] for name in part if name != "mediaResolution"} == (LINK if goes else {})
    assert ("mediaResolution" in part) is (model == "gemini-3-pro-preview")


def test_an_address_that_is_not_public_is_left_to_be_fetched() -> None:
    near = {"type": "image_url", "image_url": {"url": "https://nas.local/a.png"}}
    asked = linked(ask(messages=[{"role": "user", "content": [IMAGE, near]}]), GeminiApi.media)
    assert [media.url for media in asked.remote] == ["https://nas.local/a.png"]


@pytest.mark.parametrize(("model", "linked_beside"), [("gemini-2.5-flash", True), ("gemini-3-pro-preview", False)])
def test_media_that_a_tool_showed(model: str, linked_beside: bool) -> None:
    """Gemini 3 wants them inside the response, where there is no place for an address."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": [IMAGE]}]
    asked = linked(ask(model=model, messages=messages), GeminiApi.media)
    assert (LINK in asked.request["contents"][-1]["parts"]) is linked_beside
    assert bool(asked.remote) is not linked_beside


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("gemini-2.5-falsh", "Did you mean gemini-2.5-flash?"),
        ("gpt-4o", "GEMINI_ALIASES=gpt-4o="),
        ("", "does not know"),
    ],
)
def test_a_model_that_google_does_not_know(model: str, words: str) -> None:
    body = b'{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}'
    error = upstream().refuse(404, {}, body, model)
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert words in error.message
    assert error.message.endswith("Google says: Requested entity was not found.")


@pytest.mark.parametrize(
    "message",
    [
        "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
        "Thinking level is not supported for this model.",
        "Budget 0 is invalid. This model only works in thinking mode.",
        "The thinking budget 5 is invalid. Please choose a value between 128 and 32768.",
    ],
)
async def test_how_much_to_think_is_left_to_a_model_that_refuses_what_was_asked(message: str) -> None:
    asked = ask(model="gemini-9-flash", reasoning_effort="low", temperature=1)
    sent = await upstream().encode(asked)
    body = json.dumps({"error": {"code": 400, "message": message}}).encode()
    again = await upstream().second_try(asked, sent, 400, body)
    assert again is not None
    assert json.loads(again.body)["generationConfig"] == {"temperature": 1}
    assert "thought as much as it does by itself" in asked.warnings[-1]
    plain = ask(model="gemini-2.0-flash")
    assert await upstream().second_try(plain, sent, 400, body) is None
    assert await upstream().second_try(asked, sent, 500, body) is None
