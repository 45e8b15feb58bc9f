"""The public Gemini API: keys, the same strictness without the envelope, models, embeddings."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from gemini_proxy.emulator import Google, Reply, Request, Settings
from gemini_proxy.emulator.public_errors import NAMED
from tests.emulator.asking import Clock, body_of, chunks_of, functions, refusal, user

FLASH = "/v1beta/models/gemini-2.5-flash"
EMBEDDING = "/v1beta/models/gemini-embedding-001"
HI = {"contents": [user("hi")]}


def google(**changes: Any) -> Google:
    return Google(Settings(**changes), Clock())


def ask(google: Google, target: str, body: Any = None, key: str | None = None, **headers: str) -> Reply:
    path, _, query = target.partition("?")
    sent = {"content-type": "application/json", "x-goog-api-key": google.api_key() if key is None else key, **headers}
    data = b"" if body is None else json.dumps(body).encode()
    return google.answer(Request("GET" if body is None else "POST", path, query, sent, data))


def embed(google: Google, texts: list[str], model: str = "gemini-embedding-001", **more: Any) -> Any:
    requests = [{"model": f"models/{model}", "content": {"parts": [{"text": text}]}, **more} for text in texts]
    reply = ask(google, f"/v1beta/models/{model}:batchEmbedContents", {"requests": requests})
    assert reply.status == 200, reply.body
    return body_of(reply)


def test_an_answer_has_no_envelope() -> None:
    answer = body_of(ask(google(), f"{FLASH}:generateContent", HI))
    assert set(answer) == {"candidates", "usageMetadata", "modelVersion", "responseId"}
    assert "hi" in answer["candidates"][0]["content"]["parts"][0]["text"]


def test_a_stream_is_framed_like_the_other() -> None:
    chunks = chunks_of(ask(google(), f"{FLASH}:streamGenerateContent?alt=sse", HI).body)
    assert all("response" not in chunk for chunk in chunks)
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_a_stream_without_alt_is_an_array() -> None:
    reply = ask(google(), f"{FLASH}:streamGenerateContent", HI)
    assert isinstance(body_of(reply), list)


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.5-flash"])
def test_the_envelope_is_refused(model: str) -> None:
    body = {"model": model, "project": "p", "request": HI}
    status, text = refusal(ask(google(), f"{FLASH}:generateContent", body))
    assert status == 400
    assert 'Unknown name "project"' in text
    assert 'Unknown name "request"' in text


@pytest.mark.parametrize("field", ["sessionId", "session_id", "labels"])
def test_fields_of_code_assist_are_refused(field: str) -> None:
    assert refusal(ask(google(), f"{FLASH}:generateContent", {**HI, field: "x"}))[0] == 400


@pytest.mark.parametrize(
    "more",
    [
        {"toolConfig": {"functionCallingConfig": {"mode": "AUTO", "streamFunctionCallArguments": True}}},
        {"tools": [{"googleSearch": {"excludeDomains": ["example.com"]}}]},
        {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "method": "SEVERITY"}]},
        {"generationConfig": {"audioTimestamp": True}},
    ],
)
def test_fields_of_vertex_ai_are_refused(more: Any) -> None:
    assert "Unknown name" in refusal(ask(google(), f"{FLASH}:generateContent", {**HI, **more}))[1]


def test_the_rules_of_the_conversation_are_the_same() -> None:
    body = {"contents": [{"role": "system", "parts": [{"text": "x"}]}]}
    assert refusal(ask(google(), f"{FLASH}:generateContent", body)) == (400, "Please use a valid role: user, model.")
    config = {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}
    answer = body_of(ask(google(), f"{FLASH}:generateContent", {**HI, "tools": functions("f"), **config}))
    assert answer["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] == "f"


def test_the_model_of_the_body_is_that_of_the_path() -> None:
    assert ask(google(), f"{FLASH}:generateContent", {**HI, "model": "models/gemini-2.5-flash"}).status == 200
    assert ask(google(), f"{FLASH}:generateContent", {**HI, "model": "models/gemini-2.5-pro"}).status == 400


@pytest.mark.parametrize("model", ["gemini-9", "gemini-3-flash", "gemini-embedding-001"])
def test_a_model_it_has_not(model: str) -> None:
    status, text = refusal(ask(google(), f"/v1beta/models/{model}:generateContent", HI))
    assert (status, text.partition(",")[0]) == (404, f"models/{model} is not found for API version v1beta")


@pytest.mark.parametrize("path", ["/v1beta/models/gemini-2.5-flash:predict", "/v1beta/models", "/v1beta/files"])
def test_other_paths(path: str) -> None:
    assert ask(google(), path, HI).status == 404


def test_a_cache_that_nobody_made() -> None:
    assert refusal(ask(google(), f"{FLASH}:generateContent", {**HI, "cachedContent": "cachedContents/x"}))[0] == 403


# Keys ---------------------------------------------------------------------------------------------------------------


def test_a_key_in_the_header_or_the_query() -> None:
    g = google()
    key = g.api_key()
    assert key.startswith("AIza")
    assert len(key) == 39
    assert ask(g, f"{FLASH}:generateContent?key={key}", HI, key="").status == 200
    assert ask(g, f"{FLASH}:generateContent", HI, key=key).status == 200


def test_no_key() -> None:
    status, text = refusal(ask(google(), f"{FLASH}:generateContent", HI, key=""))
    assert status == 403
    assert text.startswith("Method doesn't allow unregistered callers")


def test_a_wrong_key() -> None:
    reply = ask(google(), f"{FLASH}:generateContent", HI, key="AIzaWrong")
    error = body_of(reply)["error"]
    assert (reply.status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["reason"] == "API_KEY_INVALID"
    assert ask(google(any_token=True), f"{FLASH}:generateContent", HI, key="AIzaWrong").status == 200


def test_a_bearer_token_is_not_taken() -> None:
    assert ask(google(), f"{FLASH}:generateContent", HI, authorization="Bearer x").status == 401


def test_an_unknown_query_parameter() -> None:
    assert ask(google(), f"{FLASH}:generateContent?pageSize=3", HI).status == 400


@pytest.mark.parametrize("name", [*NAMED, "suspended"])
def test_errors_by_name(name: str) -> None:
    reply = ask(google(public_error=name), f"{FLASH}:streamGenerateContent?alt=sse", HI)
    assert reply.status in (400, 403, 429, 503)
    assert refusal(reply)[1]


def test_quota_by_project_and_model() -> None:
    error = body_of(ask(google(public_error="daily"), f"{FLASH}:generateContent", HI))["error"]
    violation = error["details"][0]["violations"][0]
    assert violation["quotaId"] == "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    assert violation["quotaDimensions"]["model"] == "gemini-2.5-flash"
    assert error["details"][2]["retryDelay"] == "27s"


# Models and tokens --------------------------------------------------------------------------------------------------


def test_the_list_comes_in_pages() -> None:
    g, names, token = google(), [], "0"
    while token:
        page = body_of(ask(g, f"/v1beta/models?pageSize=4&pageToken={token}"))
        assert len(page["models"]) <= 4
        names += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken", "")
    assert len(names) == len(set(names)) > 8
    assert "models/gemini-embedding-001" in names
    assert refusal(ask(g, "/v1beta/models?pageToken=x"))[0] == 400


def test_one_model() -> None:
    model = body_of(ask(google(), FLASH))
    assert model["inputTokenLimit"] == 1_048_576
    assert "generateContent" in model["supportedGenerationMethods"]
    assert refusal(ask(google(), "/v1beta/models/gemini-9"))[0] == 404


def test_count_tokens() -> None:
    counted = body_of(ask(google(), f"{FLASH}:countTokens", HI))
    wrapped = {"generateContentRequest": {"model": "models/gemini-2.5-flash", **HI}}
    assert counted["totalTokens"] == body_of(ask(google(), f"{FLASH}:countTokens", wrapped))["totalTokens"] > 0
    assert ask(google(), EMBEDDING + ":countTokens", HI).status == 200


@pytest.mark.parametrize(
    "body",
    [{}, {**HI, "generateContentRequest": HI}, {"generateContentRequest": HI}, {"request": HI}],
    ids=["none", "both", "without-model", "code-assist"],
)
def test_count_tokens_refuses(body: Any) -> None:
    assert refusal(ask(google(), f"{FLASH}:countTokens", body))[0] == 400


# Embeddings ---------------------------------------------------------------------------------------------------------


def test_vectors_are_deterministic_and_of_length_one() -> None:
    first, second, again = embed(google(), ["a", "b", "a"])["embeddings"]
    assert first == again != second
    assert len(first["values"]) == 3072
    assert math.hypot(*first["values"]) == pytest.approx(1)
    one = ask(google(), f"{EMBEDDING}:embedContent", {"content": {"parts": [{"text": "a"}]}})
    assert body_of(one)["embedding"] == first


@pytest.mark.parametrize(("model", "unit"), [("gemini-embedding-001", False), ("gemini-embedding-2", True)])
def test_fewer_dimensions(model: str, unit: bool) -> None:
    answer = embed(google(), ["a"], model, outputDimensionality=768)
    values = answer["embeddings"][0]["values"]
    assert len(values) == 768
    assert (abs(math.hypot(*values) - 1) < 1e-6) is unit
    assert ("usageMetadata" in answer) is unit


@pytest.mark.parametrize(
    "body",
    [
        {"requests": []},
        {"requests": [{"content": {"parts": [{"text": "a"}]}}]},
        {"requests": [{"model": "models/gemini-embedding-001", "content": {"parts": [{"text": ""}]}}]},
        {"requests": [{"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}}] * 101},
        {"requests": [{"model": "models/gemini-embedding-001", "outputDimensionality": 0, "content": user("a")}]},
        {"requests": [{"model": "models/gemini-embedding-001", "taskType": "GUESSING", "content": user("a")}]},
        {"input": "a"},
    ],
    ids=["empty", "no-model", "no-text", "too-many", "dimensions", "task", "openai"],
)
def test_what_cannot_be_embedded(body: Any) -> None:
    assert refusal(ask(google(), f"{EMBEDDING}:batchEmbedContents", body))[0] == 400


def test_a_chat_model_does_not_embed() -> None:
    body = {"requests": [{"model": "models/gemini-2.5-flash", "content": user("a")}]}
    assert refusal(ask(google(), f"{FLASH}:batchEmbedContents", body))[0] == 404


# Media --------------------------------------------------------------------------------------------------------------


def test_a_picture() -> None:
    answer = body_of(ask(google(), f"{FLASH}-image:generateContent", HI))
    assert answer["candidates"][0]["content"]["parts"][1]["inlineData"]["mimeType"] == "image/png"


def test_speech() -> None:
    path = "/v1beta/models/gemini-2.5-flash-preview-tts:generateContent"
    answer = body_of(ask(google(), path, {**HI, "generationConfig": {"responseModalities": ["AUDIO"]}}))
    assert answer["candidates"][0]["content"]["parts"][0]["inlineData"]["mimeType"].startswith("audio/L16")
    assert refusal(ask(google(), path, HI))[0] == 400


@pytest.mark.parametrize(
    ("uri", "taken"),
    [("https://example.com/a.png", True), ("http://example.com/a.png", False), ("gs://bucket/a.png", False)],
)
def test_addresses_that_it_fetches(uri: str, taken: bool) -> None:
    reply = ask(google(), f"{FLASH}:generateContent", {"contents": [user({"fileData": {"fileUri": uri}})]})
    assert reply.status == (200 if taken else 400)
    assert taken or refusal(reply) == (400, f"Invalid or unsupported file uri: {uri}")


def test_what_gemma_and_speech_models_refuse() -> None:
    body = {**HI, "systemInstruction": user("be brief")}
    gemma = "/v1beta/models/gemma-3n-e4b-it:generateContent"
    assert refusal(ask(google(), gemma, body)) == (400, "Developer instruction is not enabled for this model.")
    assert ask(google(), gemma, {**HI, "generationConfig": {"frequencyPenalty": 0.5}}).status == 200
    speech = "/v1beta/models/gemini-3.1-flash-tts-preview:generateContent"
    config: dict[str, Any] = {"responseModalities": ["AUDIO"]}
    assert ask(google(), speech, {**HI, "generationConfig": config}).status == 200
    for thinking, text in (
        ({"thinkingLevel": "LOW"}, "level is not supported"),
        ({"includeThoughts": True}, "not enabled"),
    ):
        status, words = refusal(
            ask(google(), speech, {**HI, "generationConfig": {**config, "thinkingConfig": thinking}})
        )
        assert (status, text in words) == (400, True)
