"""The doors of the dialect: the models, and what a request is called."""

import json
import re
import uuid
from dataclasses import replace
from urllib.parse import unquote

import pytest

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.models import Model
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.http import Answer, ClientRequest
from tests.exchanges import chat_ask, chat_request

DIALECT = OpenAIChat(SignatureMemory(None), {})


def get(path: str, method: str = "GET", dialect: OpenAIChat = DIALECT) -> Answer:
    answer = dialect.read(ClientRequest(method, path, {}))
    assert isinstance(answer, Answer)
    return answer


def test_the_models() -> None:
    listed = json.loads(get("/v1/models").body)
    assert listed["object"] == "list"
    assert {"gemini-2.5-pro", "gemini-3-pro-preview"} <= {model["id"] for model in listed["data"]}
    for model in listed["data"]:
        assert json.loads(get(f"/v1/models/{model['id']}", "HEAD").body) == model
        assert model["object"] == "model"
        assert model["created"] > 1_700_000_000
        assert model["owned_by"] == "google"


def test_pickers_that_take_the_first_model_get_a_cheap_and_stable_one() -> None:
    names = [model["id"] for model in json.loads(get("/v1/models").body)["data"]]
    assert names[0] == "gemini-2.5-flash"
    assert names.index("gemini-2.5-pro") < min(i for i, name in enumerate(names) if "preview" in name)


ALIASES = {"gpt-4o-mini": "gemini-2.5-flash", "search": "gemini-x-search", "odd": "x:y", "gemini-2.5-pro": "gemini-x"}
NAMED = OpenAIChat(
    SignatureMemory(None), ALIASES, models=lambda: (Model("gemini-x", 5, 6), Model("gemini-2.5-flash", 7, 8))
)


def limits(name: str) -> tuple[int, int]:
    model = json.loads(get(f"/v1/models/{name}", dialect=NAMED).body)
    assert model["id"] == unquote(name)
    return model["context_length"], model["max_output_tokens"]


def test_the_operator_s_names_are_models_too() -> None:
    data = json.loads(get("/v1/models", dialect=NAMED).body)["data"]
    assert [model["id"] for model in data] == ["gemini-2.5-flash", "gemini-x", *ALIASES]
    assert {model["id"]: model["context_length"] for model in data}["search"] == 5


@pytest.mark.parametrize(
    "name",
    [
        "gemini-x",
        "models/gemini-x",
        "google%2Fgemini-x",
        "gemini-x-search",
        "gemini-x:low",
        "gemini-x%3Alow",
        "search:low",
    ],
)
def test_every_name_that_a_chat_takes_is_a_model(name: str) -> None:
    assert limits(name) == (5, 6)
    assert limits("gpt-4o-mini") == (7, 8)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpt-4o", "GEMINI_ALIASES=gpt-4o="),
        ("gemini-2.5-falsh", "mean gemini-2.5-flash?"),
        ("x:lo", "/v1/models"),
        ("", "/v1/models"),
    ],
)
def test_a_model_that_is_not_listed(name: str, words: str) -> None:
    with pytest.raises(ProxyError, match=re.escape(words)) as caught:
        get(f"/v1/models/{name}")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


@pytest.mark.parametrize("name", ["x-request-id", "x-activity-request-id"])
def test_the_client_s_own_id_of_a_request_is_kept(name: str) -> None:
    assert chat_ask(replace(chat_request(), headers={name: "req-1.2:3_4"})).request_id == "req-1.2:3_4"
    for odd in ("", "a b", "x" * 129, "ä", "a\nb"):
        made = chat_ask(replace(chat_request(), headers={name: odd})).request_id
        assert str(uuid.UUID(made)) == made
