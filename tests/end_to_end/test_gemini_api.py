"""The public Gemini API as the upstream: every test of chat completions once more, and what is this upstream's own."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from openai import OpenAI
from pydantic import BaseModel

from gemini_proxy.emulator import Answer, Emulator
from tests.end_to_end import test_chat
from tests.end_to_end.bare import BareScripts
from tests.end_to_end.proxy import Proxy, running, sign_in
from tests.exchanges import HI

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
PUBLIC = "reverse:https://generativelanguage.googleapis.com"
USE_IT = ("--set", "gemini_upstream=gemini-api")

# Those of the sign-in, of its project, and of Code Assist's paths have their counterparts below.
OTHERS = {"test_what_google_is_sent", "test_fifty_requests_and_one_refresh", "test_nobody_is_signed_in"}
OTHERS |= {"test_without_a_network"}
SAME = {name: test for name, test in vars(test_chat).items() if name.startswith("test_") and name not in OTHERS}
globals().update(SAME)


@pytest.fixture
def google(_google: Emulator) -> Iterator[Emulator]:
    _google.clear()
    yield cast(Emulator, BareScripts(_google))
    _google.settings.public_error = ""


@pytest.fixture(scope="module")
def key(_google: Emulator) -> str:
    return _google.api_key()


@pytest.fixture(scope="module")
def proxy(_google: Emulator, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """With a Google key, without a sign-in."""
    env = {"GEMINI_API_KEY": key}
    with running(tmp_path_factory.mktemp("proxy"), None, *USE_IT, mode=f"reverse:{_google.url}", env=env) as proxy:
        yield proxy


def test_the_tests_are_the_same() -> None:
    assert len(SAME) > 12


# What Google gets, and what stands in the way ----------------------------------------------------------------------


def test_what_google_is_sent(http: httpx.Client, google: Emulator, key: str) -> None:
    secret = {"authorization": "Bearer client-key", "cookie": "a=b", "accept-encoding": "gzip"}
    for stream, method in ((True, "streamGenerateContent"), (False, "generateContent")):
        body = {"model": "gemini-2.5-flash", "messages": HI, "stream": stream, "temperature": 0.5}
        assert http.post(CHAT, json=body, headers=secret).status_code == 200
        request = google.requests[-1]
        assert (request.path, request.query) == (
            f"/v1beta/models/gemini-2.5-flash:{method}",
            "alt=sse" if stream else "",
        )
        names = {"host", "accept", "accept-encoding", "content-type", "user-agent", "content-length", "x-goog-api-key"}
        assert set(request.headers) == names
        assert request.headers["x-goog-api-key"] == key
        assert request.headers["accept-encoding"] == "identity"
        assert request.json["generationConfig"]["temperature"] == 0.5
        assert not {"model", "project", "request", "session_id"} & set(request.json)


def test_a_model_s_name_cannot_leave_its_place(http: httpx.Client, google: Emulator) -> None:
    answer = http.post(CHAT, json={"model": "../../v1internal?x#", "messages": HI})
    assert answer.status_code == 404
    assert google.requests[-1].path.startswith("/v1beta/models/../../v1internal?x#")  # it was quoted


def test_without_a_network(tmp_path: Path, key: str) -> None:
    with (
        running(tmp_path, None, *USE_IT, mode="reverse:http://127.0.0.1:9", env={"GOOGLE_API_KEY": key}) as proxy,
        httpx.Client(base_url=proxy.url, trust_env=False) as http,
    ):
        assert http.get("/health/ready").json() == {"status": "ready", "upstream": "gemini-api"}
        assert len(http.get("/v1/models").json()["data"]) > 3  # the built-in list
        assert http.post(CHAT, json={"model": "gemini-2.5-flash", "messages": HI}).status_code == 502


def test_no_key(tmp_path: Path, google: Emulator) -> None:
    with running(tmp_path, None, mode=PUBLIC) as proxy, httpx.Client(base_url=proxy.url, trust_env=False) as http:
        answer = http.post(CHAT, json={"model": "gemini-2.5-flash", "messages": HI})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (401, "google_api_key_required")
        assert "GEMINI_API_KEY" in error["message"]
        assert "https://aistudio.google.com/apikey" in error["message"]
        assert answer.headers["x-should-retry"] == "false"
        ready = http.get("/health/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "google_api_key_required")
        status = http.get("/auth/status").json()
        assert (status["authenticated"], status["upstream"]) == (False, "gemini-api")
        assert http.get("/auth/login").status_code == 404
        assert http.get("/v1/models").status_code == 200
    assert "GEMINI_API_KEY" in proxy.log
    assert "Code Assist" not in proxy.log


def test_status_with_a_key(http: httpx.Client) -> None:
    status = http.get("/auth/status").json()
    assert status == {
        "authenticated": True,
        "email": None,
        "projectId": None,
        "expiresAt": None,
        "upstream": "gemini-api",
    }
    assert http.get("/health/ready").json() == {"status": "ready", "upstream": "gemini-api"}


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("expired", 401, "expired_google_api_key"),
        ("leaked", 401, "leaked_google_api_key"),
        ("suspended", 403, "google_api_key_suspended"),
        ("disabled", 403, "service_disabled"),
        ("blocked", 403, "google_api_key_restricted"),
        ("location", 403, "unsupported_location"),
        ("billing", 403, "billing_required"),
        ("quota", 429, "rate_limit_exceeded"),
        ("daily", 429, "insufficient_quota"),
        ("no-free-tier", 429, "insufficient_quota"),
        ("overloaded", 503, "overloaded"),
    ],
)
def test_errors_of_this_api(http: httpx.Client, google: Emulator, key: str, name: str, status: int, code: str) -> None:
    google.settings.public_error = name
    for stream in (True, False):
        answer = http.post(CHAT, json={"model": "gemini-2.5-flash", "messages": HI, "stream": stream})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert key not in answer.text
    if name == "quota":
        assert answer.headers["retry-after"] == "27"
    google.settings.public_error = ""
    assert http.post(CHAT, json={"model": "gemini-2.5-flash", "messages": HI}).status_code == 200
    assert http.get("/health/ready").status_code == 200


def test_a_wrong_key(tmp_path: Path, google: Emulator) -> None:
    with running(tmp_path, None, *USE_IT, mode=f"reverse:{google.url}", env={"GEMINI_API_KEY": "AIzaWrong"}) as proxy:
        answer = httpx.post(proxy.url + CHAT, json={"model": "gemini-2.5-flash", "messages": HI}, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_google_api_key")
        ready = httpx.get(proxy.url + "/health/ready", trust_env=False)
        assert (ready.status_code, ready.json()["reason"]) == (503, "invalid_google_api_key")


# Keys of clients ----------------------------------------------------------------------------------------------------


def test_a_client_s_own_key(tmp_path: Path, google: Emulator) -> None:
    own, server = google.api_key(), google.api_key()
    env = {"GEMINI_ALLOW_CLIENT_KEY": "true", "PROXY_API_KEY": "proxy-key", "GEMINI_API_KEY": server}
    with running(tmp_path, None, *USE_IT, mode=f"reverse:{google.url}", env=env) as proxy:
        for bearer, status, used in (
            (own, 200, own),
            ("proxy-key", 200, server),
            ("AIza" + "x" * 35, 401, ""),
            ("guess", 401, ""),
        ):
            before = len(google.requests)
            headers = {"authorization": f"Bearer {bearer}"}
            body = {"model": "gemini-embedding-001", "input": ["a"] * 101, "dimensions": 2}
            answer = httpx.post(proxy.url + EMBEDDINGS, json=body, headers=headers, trust_env=False)
            assert answer.status_code == status
            sent = {request.headers["x-goog-api-key"] for request in google.requests[before:]}
            assert not used or sent == {used}
        assert httpx.get(proxy.url + "/health/ready", trust_env=False).status_code == 200
        assert own not in proxy.log


def test_a_client_s_key_is_not_taken_unless_allowed(tmp_path: Path, google: Emulator) -> None:
    env = {"PROXY_API_KEY": "proxy-key", "GEMINI_API_KEY": google.api_key()}
    with running(tmp_path, None, *USE_IT, mode=f"reverse:{google.url}", env=env) as proxy:
        headers = {"authorization": f"Bearer {google.api_key()}"}
        body = {"model": "gemini-2.5-flash", "messages": HI}
        assert httpx.post(proxy.url + CHAT, json=body, headers=headers, trust_env=False).status_code == 401


# Models and embeddings ----------------------------------------------------------------------------------------------


def test_models_are_google_s_own(http: httpx.Client, google: Emulator) -> None:
    models = {model["id"]: model for model in http.get("/v1/models").json()["data"]}
    assert models["gemini-2.5-flash"]["context_length"] == 1_048_576
    assert models["gemini-embedding-001"]["context_length"] == 2048
    assert "gemini-3-flash" not in models  # Code Assist's name
    assert http.get("/v1/models/gemini-2.5-flash-image").json()["max_output_tokens"] == 32_768
    calls = [request for request in google.requests if request.path == "/v1beta/models"]
    http.get("/v1/models")
    assert len([request for request in google.requests if request.path == "/v1beta/models"]) == len(calls)


def test_many_texts_take_several_calls(http: httpx.Client, google: Emulator) -> None:
    texts = [f"text {i}" for i in range(250)]
    before = len(google.calls("batchEmbedContents"))
    answer = http.post(EMBEDDINGS, json={"model": "gemini-embedding-001", "input": texts, "dimensions": 8}).json()
    assert [found["index"] for found in answer["data"]] == list(range(250))
    sizes = [len(request.json["requests"]) for request in google.calls("batchEmbedContents")[before:]]
    assert sizes == [100, 100, 50]
    alone = http.post(EMBEDDINGS, json={"model": "gemini-embedding-001", "input": "text 100", "dimensions": 8}).json()
    assert alone["data"][0]["embedding"] == answer["data"][100]["embedding"]
    assert all(math.hypot(*found["embedding"]) == pytest.approx(1, abs=1e-6) for found in answer["data"])


def test_an_earlier_call_fails(http: httpx.Client, google: Emulator) -> None:
    google.script("batchEmbedContents", Answer(), Answer.error("rate-limited"))
    answer = http.post(EMBEDDINGS, json={"model": "gemini-embedding-001", "input": ["a"] * 250})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")


def test_code_assist_has_no_embeddings(tmp_path: Path, google: Emulator) -> None:
    sign_in(google, tmp_path / "tokens.json")
    with running(tmp_path, google) as proxy:
        body = {"model": "gemini-embedding-001", "input": "a"}
        answer = httpx.post(proxy.url + EMBEDDINGS, json=body, trust_env=False)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "unsupported_upstream")
    assert "GEMINI_API_KEY" in error["message"]
    assert PUBLIC in error["message"]


# OpenAI's SDK against the demo --------------------------------------------------------------------------------------


class City(BaseModel):
    name: str
    people: int


TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    folder = tmp_path_factory.mktemp("demo")
    with (
        running(folder, None, "--set", "gemini_demo=true", mode=PUBLIC) as proxy,
        httpx.Client(trust_env=False) as http,
    ):
        yield OpenAI(base_url=f"{proxy.url}/v1", api_key="any", http_client=cast(Any, http))
        assert "DEMO" in proxy.log


def test_openai_chat(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="gemini-2.5-flash", messages=[{"role": "user", "content": "hi"}])
    assert "hi" in (answer.choices[0].message.content or "")
    with openai.chat.completions.create(
        model="gemini-3.1-pro-preview", messages=[{"role": "user", "content": "hi"}], stream=True
    ) as stream:
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "hi" in "".join(pieces)


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3.1-pro-preview"])
def test_openai_tools(openai: OpenAI, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "call weather() please"}]
    said = openai.chat.completions.create(model=model, messages=messages, tools=[TOOL]).choices[0].message
    assert said.tool_calls
    messages += [said, {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "sunny"}]
    last = openai.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    assert "sunny" in (last.choices[0].message.content or "")


def test_openai_parse(openai: OpenAI) -> None:
    answer = openai.chat.completions.parse(
        model="gemini-2.5-flash", messages=[{"role": "user", "content": "hi"}], response_format=City
    )
    assert isinstance(answer.choices[0].message.parsed, City)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3.1-pro-preview"])
def test_openai_tools_and_a_typed_result(openai: OpenAI, model: str, streamed: bool) -> None:
    """What agents do: functions and a type of result in each request, until there is a result, and then once more."""
    parameters = {**TOOL["function"]["parameters"], "additionalProperties": False}
    how: Any = {
        "model": model,
        "tools": [{"type": "function", "function": {**TOOL["function"], "parameters": parameters, "strict": True}}],
        "response_format": City,
    }

    def ask(messages: list[Any]) -> Any:
        if not streamed:
            return openai.chat.completions.parse(messages=messages, **how).choices[0]
        with openai.chat.completions.stream(messages=messages, **how) as stream:
            return stream.get_final_completion().choices[0]

    messages: list[Any] = [{"role": "user", "content": 'weather {"city": "Oslo"}'}]
    for _ in range(2):
        choice = ask(messages)
        assert choice.finish_reason == "tool_calls"
        (call,) = choice.message.tool_calls
        said = {"role": "assistant", "tool_calls": [call.model_dump(exclude={"function": {"parsed_arguments"}})]}
        messages += [said, {"role": "tool", "tool_call_id": call.id, "content": "3.10"}]
        choice = ask(messages)
        assert choice.finish_reason == "stop"
        assert isinstance(choice.message.parsed, City)
        messages += [{"role": "assistant", "content": choice.message.content}, messages[0]]


def test_openai_models(openai: OpenAI) -> None:
    assert "gemini-2.5-flash-preview-tts" in [model.id for model in openai.models.list()]
    assert openai.models.retrieve("gemini-embedding-001").id == "gemini-embedding-001"


@pytest.mark.parametrize("dimensions", [3072, 768])
def test_openai_embeddings(openai: OpenAI, dimensions: int) -> None:
    texts = [f"text {i}" for i in range(100)]
    how: Any = {"model": "gemini-embedding-001", "input": texts} | (
        {"dimensions": dimensions} if dimensions < 3072 else {}
    )
    default = openai.embeddings.create(**how)
    floats = openai.embeddings.create(**how, encoding_format="float")
    assert len(floats.data) == 100
    assert {len(found.embedding) for found in floats.data} == {dimensions}
    assert [found.embedding for found in default.data] == [found.embedding for found in floats.data]
    assert floats.usage.prompt_tokens > 0
    raw = openai.embeddings.create(**how, encoding_format="base64")
    assert all(isinstance(found.embedding, str) for found in raw.data)


def test_openai_embeddings_counted_by_google(openai: OpenAI) -> None:
    answer = openai.embeddings.with_raw_response.create(model="gemini-embedding-2", input="one two")
    assert "x-gemini-proxy-warnings" not in answer.headers
    assert answer.parse().usage.total_tokens == 2


def test_a_picture_and_speech(openai: OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    drawn: Any = openai.chat.completions.create(model="gemini-2.5-flash-image", messages=messages)
    assert "data:image/png;base64," in str(drawn.choices[0].message)
    spoken = openai.chat.completions.create(
        model="gemini-2.5-flash-preview-tts",
        messages=messages,
        modalities=["audio"],
        audio={"voice": "Kore", "format": "pcm16"},
    )
    assert spoken.choices[0].message.audio is not None
    assert spoken.choices[0].message.audio.data


# Secrets ------------------------------------------------------------------------------------------------------------


def test_no_key_is_logged_or_saved(tmp_path: Path, google: Emulator) -> None:
    own, server = google.api_key(), google.api_key()
    saved, har = tmp_path / "saved.flow", tmp_path / "saved.har"
    arguments = ["-w", str(saved), "--set", f"hardump={har}", "--set", "termlog_verbosity=debug"]
    env = {"GEMINI_API_KEY": server, "GEMINI_ALLOW_CLIENT_KEY": "true"}
    mode = f"reverse:{google.url}"
    with running(tmp_path, None, *USE_IT, *arguments, "--set", "flow_detail=4", mode=mode, env=env) as proxy:
        for headers in ({}, {"authorization": f"Bearer {own}"}):
            with httpx.Client(base_url=proxy.url, trust_env=False, timeout=20, headers=headers) as http:
                for stream in (True, False):
                    body = {"model": "gemini-2.5-flash", "messages": HI, "stream": stream}
                    assert http.post(CHAT, json=body).status_code == 200
                embed = {"model": "gemini-embedding-001", "input": ["a"] * 101, "dimensions": 2}
                assert http.post(EMBEDDINGS, json=embed).status_code == 200
                http.get("/v1/models")
                google.settings.public_error = "suspended"  # an error that quotes the key
                answer = http.post(CHAT, json={"model": "gemini-2.5-flash", "messages": HI})
                assert answer.status_code == 403
                assert server not in answer.text
                assert own not in answer.text
                google.settings.public_error = ""
                google.script("generateContent", Answer(fault="reset-before-headers"))
                assert http.post(CHAT, json={"model": "gemini-2.5-flash", "messages": HI}).status_code == 502
    shown = saved.read_bytes() + har.read_bytes() + proxy.log.encode()
    assert b"gemini-2.5-flash" in shown
    assert json.loads(har.read_bytes())["log"]["entries"]
    for secret in (own, server):
        assert secret.encode() not in shown
