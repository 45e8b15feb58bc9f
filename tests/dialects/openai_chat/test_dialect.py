"""The doors of the dialect: its paths, the models, and what a request is called."""

import json
import uuid
from dataclasses import replace

import pytest

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.http import Answer, ClientRequest
from tests.exchanges import chat_ask, chat_request

DIALECT = OpenAIChat(SignatureMemory(None), {})


def get(path: str, method: str = "GET") -> Answer:
    answer = DIALECT.read(ClientRequest(method, path, {}))
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize(
    ("path", "speaks"),
    [
        ("/v1/chat/completions", True),
        ("/v1/models", True),
        ("/v1/models/gemini-2.5-pro", True),
        ("/v1/chat/completions?x=1", True),
        ("/v1/modelsx", False),
        ("/v1/responses", False),
        ("/", False),
    ],
)
def test_paths(path: str, speaks: bool) -> None:
    assert DIALECT.speaks(ClientRequest("GET", path, {})) is speaks


def test_the_models() -> None:
    listed = json.loads(get("/v1/models").body)
    assert listed["object"] == "list"
    assert {"gemini-2.5-pro", "gemini-3-pro-preview"} <= {model["id"] for model in listed["data"]}
    for model in listed["data"]:
        assert json.loads(get(f"/v1/models/{model['id']}", "HEAD").body) == model
        assert model["object"] == "model"
        assert {"created", "owned_by"} <= model.keys()


def test_a_model_that_is_not_listed() -> None:
    with pytest.raises(ProxyError) as caught:
        get("/v1/models/gpt-4o")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("PUT", "/v1/models/x", "GET, HEAD"),
    ],
)
def test_other_methods_c236(method: str, path: str, allowed: str) -> None:
    with pytest.raises(ProxyError) as caught:
        DIALECT.read(ClientRequest(method, path, {}))
    assert (caught.value.status, caught.value.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("name", ["x-request-id", "x-activity-request-id"])
def test_the_client_s_own_id_of_a_request_is_kept(name: str) -> None:
    assert chat_ask(replace(chat_request(), headers={name: "req-1.2:3_4"})).request_id == "req-1.2:3_4"
    for odd in ("", "a b", "x" * 129, "ä", "a\nb"):
        made = chat_ask(replace(chat_request(), headers={name: odd})).request_id
        assert str(uuid.UUID(made)) == made
