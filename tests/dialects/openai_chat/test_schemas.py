"""Both ends against other people's descriptions: requests against google-genai's models, answers against openai's.

google-genai's models forbid members that they do not know; openai's allow them, so what they do not know is counted.
"""

import json
from typing import Any

import pytest
from google.genai import types as google
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from gemini_proxy.gemini.wire import GenerateContentRequest
from tests.exchanges import (
    HI,
    STOP,
    asked,
    assistant_calls,
    call,
    candidate,
    completion,
    errors,
    events,
    function,
    result,
    sse_bytes,
    stream,
    streamed,
    text,
)

OLD, NEW = "gemini-2.5-flash", "gemini-3-pro-preview"
SIG = "c2lnbmF0dXJl"
PNG = "data:image/png;base64,iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}}
VIDEO = {"type": "video_url", "video_url": {"url": "https://youtu.be/9hE5-98ZeCg", "fps": 2, "start": 1}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
FILE = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "b": {"$ref": "#/$defs/b"}},
    "required": ["a"],
    "additionalProperties": False,
    "$defs": {"b": {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 5}},
}
SIGNED = assistant_calls(("a", "f", '{"x": 1}'), ("b", "g.h", ""), content="so:")
SIGNED["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": SIG}}
LOOP = [SIGNED, result("b", "2"), result("a", [{"type": "text", "text": "look"}, IMAGE, VIDEO])]
EVERYTHING = {
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 3,
    "max_tokens": 9_000,
    "stop": ["x"],
    "seed": 7,
    "n": 2,
    "frequency_penalty": 1,
    "presence_penalty": -1,
    "logprobs": True,
    "top_logprobs": 3,
    "modalities": ["text", "audio", "image"],
    "audio": {"voice": "Kore", "format": "pcm16"},
    "image_config": {"aspect_ratio": "1:1", "image_size": "1K"},
    "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "google": {"media_resolution": "low"},
}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}
RECURSIVE = {"type": "object", "properties": {"next": {"$ref": "#"}}}
REQUESTS: list[Any] = [
    pytest.param({}, id="plain"),
    pytest.param({"messages": [{"role": "system", "content": "be brief"}, *HI]}, id="system"),
    *(pytest.param({"model": model, **EVERYTHING}, id=f"everything-{model}") for model in (OLD, NEW)),
    *(
        pytest.param(
            {"model": m, "messages": [{"role": "user", "content": [IMAGE, VIDEO, SOUND, FILE]}]}, id=f"media-{m}"
        )
        for m in (OLD, NEW)
    ),
    *(pytest.param({"model": m, "messages": [*HI, *LOOP, *HI, *LOOP]}, id=f"tool-loop-{m}") for m in (OLD, NEW)),
    pytest.param(
        {
            "model": NEW,
            "tools": [function("f", description="d", parameters=SCHEMA), function("g.h"), {"type": "web_search"}],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [function("g.h")]},
            "google": {"stream_function_call_arguments": True, "tools": [{"url_context": {}}]},
        },
        id="tools",
    ),
    pytest.param(
        {"tools": [{"type": "code_interpreter"}, {"type": "url_context"}, {"type": "google_search"}]}, id="google-s"
    ),
    pytest.param({"response_format": FORM}, id="typed-schema"),
    pytest.param(
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": RECURSIVE}}}, id="schema"
    ),
    pytest.param({"reasoning_effort": "low"}, id="budget"),
    pytest.param({"model": NEW, "reasoning_effort": "none"}, id="level"),
    pytest.param({"google": {"thinking_config": {"thinking_budget": 0}}}, id="own-thinking"),
]
# What stands beside generationConfig on the wire stands inside google-genai's configuration.
BESIDE = ("systemInstruction", "tools", "toolConfig", "safetySettings")


@pytest.mark.parametrize("chat", REQUESTS)
def test_a_request_is_what_google_s_own_sdk_knows(chat: dict[str, Any]) -> None:
    request = json.loads(json.dumps(asked(**chat)))
    assert request.keys() <= GenerateContentRequest.__annotations__.keys()
    for content in request["contents"]:
        google.Content.model_validate(content)
        for part in content["parts"]:
            google.Part.model_validate(part)
    generation = request.get("generationConfig", {})
    google.GenerationConfig.model_validate({k: v for k, v in generation.items() if k != "imageConfig"})
    config = {**generation, **{name: request[name] for name in BESIDE if name in request}}
    google.GenerateContentConfig.model_validate(config)


CALLS = candidate(call("f", {"x": 1}, thoughtSignature=SIG), call("g"), finishReason="STOP")
GROUNDED = {
    "groundingMetadata": {
        "groundingChunks": [{"web": {"uri": "https://example.com", "title": "t"}}],
        "groundingSupports": [{"segment": {"endIndex": 1}, "groundingChunkIndices": [0]}],
    }
}
LOGPROBS = {"logprobsResult": {"chosenCandidates": [{"token": "a", "logProbability": -1}], "topCandidates": [{}]}}
USAGE = {
    "promptTokenCount": 5,
    "candidatesTokenCount": 3,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 10,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
}
DRAWN = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
SPOKEN = {"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}
ANSWERS: list[Any] = [
    pytest.param(text("a", finishReason="STOP", usage=USAGE), {}, id="text"),
    pytest.param(candidate({"text": "hm", "thought": True}, {"text": "a"}, finishReason="STOP"), {}, id="thoughts"),
    pytest.param(text("a", finishReason="MAX_TOKENS", finishMessage="why"), {}, id="length"),
    pytest.param(text("a", finishReason="SAFETY"), {}, id="blocked"),
    pytest.param(CALLS, {"tools": [function("f"), function("g")]}, id="calls"),
    pytest.param(CALLS, {"functions": [{"name": "f"}]}, id="legacy-call"),
    pytest.param(text("a", finishReason="STOP", **GROUNDED), {}, id="grounding"),
    pytest.param(text("a", finishReason="STOP", **LOGPROBS), {"logprobs": True}, id="logprobs"),
    pytest.param(candidate(DRAWN, {"executableCode": {"code": "1"}}, finishReason="STOP"), {}, id="image-and-code"),
    pytest.param(candidate(SPOKEN, SPOKEN, finishReason="STOP"), {"modalities": ["audio"]}, id="sound"),
]
# Ours and other people's extensions.
EXTENSIONS = {"native_finish_reason", "native_finish_message", "reasoning_content", "extra_content", "images"} | {
    *("text_tokens", "annotations", "audio", "extra_content")
}


def unknown(model: BaseModel) -> set[str]:
    """Members, anywhere in a model of openai's, that it does not know."""
    found = set(model.model_extra or {})
    for name in model.model_fields_set & set(type(model).model_fields):
        value = getattr(model, name)
        for inner in value if isinstance(value, list) else [value]:
            found |= unknown(inner) if isinstance(inner, BaseModel) else set()
    return found


@pytest.mark.parametrize(("document", "chat"), ANSWERS)
def test_a_whole_answer_is_what_openai_s_own_sdk_knows(document: Any, chat: dict[str, Any]) -> None:
    body = completion(document, **chat)
    found = ChatCompletion.model_validate(body, strict=False)
    assert unknown(found) <= EXTENSIONS
    assert body["id"].startswith("chatcmpl-")
    assert isinstance(body["created"], int)
    assert_usage(body["usage"])
    for choice in body["choices"]:
        assert {"index", "message", "logprobs", "finish_reason"} <= choice.keys()  # required by OpenAI's schema
        assert {"role", "content", "refusal"} <= choice["message"].keys()
        assert_audio(choice["message"])


@pytest.mark.parametrize(("document", "chat"), ANSWERS)
def test_a_streamed_answer_is_what_openai_s_own_sdk_knows(document: Any, chat: dict[str, Any]) -> None:
    wire = stream(sse_bytes([document]), stream_options={"include_usage": True}, **chat)
    raw = [json.loads(frame[6:]) for frame in wire.split(b"\n\n")[:-2]]
    for event in raw:
        assert unknown(ChatCompletionChunk.model_validate(event)) <= EXTENSIONS
        assert isinstance(event["created"], int)
        for choice in event["choices"]:
            assert {"index", "delta", "finish_reason"} <= choice.keys()
            assert None not in choice["delta"].values()
    assert len({(event["id"], event["created"], event["model"], event["object"]) for event in raw}) == 1
    finishes = [c["finish_reason"] for event in raw for c in event["choices"] if c["finish_reason"]]
    assert len(finishes) == 1
    roles = [delta for event in raw for c in event["choices"] if "role" in (delta := c["delta"])]
    assert len(roles) == 1


def assert_usage(usage: dict[str, Any]) -> None:
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] <= usage["completion_tokens"]


def assert_audio(message: dict[str, Any]) -> None:
    if "audio" in message:
        assert {"id", "data", "transcript", "expires_at"} == message["audio"].keys()


def test_the_sdk_s_own_helper_puts_a_stream_together() -> None:
    """With the deltas of openai-python's accumulator: no role twice, no id, name or signature joined with itself."""
    from openai.lib.streaming.chat._completions import ChatCompletionStreamState

    state: Any = ChatCompletionStreamState()
    chunks = [candidate({"text": "hm", "thought": True}), text("so"), CALLS, STOP]
    wire = stream(sse_bytes(chunks), tools=[function("f"), function("g")], stream_options={"include_usage": True})
    done = []
    for frame in wire.split(b"\n\n")[:-2]:
        for event in state.handle_chunk(ChatCompletionChunk.model_validate(json.loads(frame[6:]))):
            done += [event.name] if event.type == "tool_calls.function.arguments.done" else []
    assert done == ["f", "g"]  # finish_reason stands in a chunk of its own: else the last one is lost
    message = state.get_final_completion().choices[0].message
    assert (message.role, message.content) == ("assistant", "so")
    assert [(it.type, it.function.name, it.function.arguments) for it in message.tool_calls] == [
        ("function", "f", '{"x":1}'),
        ("function", "g", "{}"),
    ]
    assert message.tool_calls[0].extra_content == {"google": {"thought_signature": SIG}}


def test_errors_have_all_members() -> None:
    (error,) = errors(streamed([text("a")]))
    assert {name: type(value).__name__ for name, value in error.items()} == {
        "message": "str",
        "type": "str",
        "param": "NoneType",
        "code": "str",
    }
    assert events(stream(sse_bytes([text("a")])))[-1] == "[DONE]"
