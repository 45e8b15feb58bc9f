"""Google's own SDK against the emulator of the public API: a second witness that shares no code with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gemini_proxy.emulator import Emulator

genai = pytest.importorskip("google.genai")
FLASH = "gemini-2.5-flash"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Emulator() as google:
        yield genai.Client(api_key=google.api_key(), http_options={"base_url": google.url})


def test_generate(client: Any) -> None:
    answer = client.models.generate_content(model=FLASH, contents="hi", config={"temperature": 0.5})
    assert "hi" in answer.text
    assert answer.usage_metadata.total_token_count > 0


def test_stream(client: Any) -> None:
    chunks = list(client.models.generate_content_stream(model=FLASH, contents="hi"))
    assert len(chunks) > 2
    assert "hi" in "".join(chunk.text or "" for chunk in chunks)


@pytest.mark.parametrize("model", [FLASH, "gemini-3.1-pro-preview"])
def test_function_calling(client: Any, model: str) -> None:
    asked: list[str] = []

    def weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "sunny"

    answer = client.models.generate_content(model=model, contents="weather()", config={"tools": [weather]})
    assert len(asked) == 1
    assert "sunny" in answer.text


def test_structured_output(client: Any) -> None:
    config = {"response_mime_type": "application/json", "response_schema": list[str]}
    assert isinstance(client.models.generate_content(model=FLASH, contents="hi", config=config).parsed, list)


def test_embed(client: Any) -> None:
    answer = client.models.embed_content(
        model="gemini-embedding-001", contents=["a", "b"], config={"output_dimensionality": 128}
    )
    assert [len(embedding.values) for embedding in answer.embeddings] == [128, 128]


def test_list_models(client: Any) -> None:
    names = [model.name for model in client.models.list(config={"page_size": 5})]
    assert f"models/{FLASH}" in names
    assert client.models.get(model=FLASH).input_token_limit == 1_048_576


def test_count_tokens(client: Any) -> None:
    assert client.models.count_tokens(model=FLASH, contents="hi there").total_tokens > 0


def test_a_wrong_key(client: Any) -> None:
    with Emulator() as google:
        wrong = genai.Client(api_key="AIzaWrong", http_options={"base_url": google.url})
        with pytest.raises(genai.errors.ClientError, match="API key not valid"):
            wrong.models.generate_content(model=FLASH, contents="hi")
