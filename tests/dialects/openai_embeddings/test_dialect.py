"""OpenAI's embeddings: what is asked of Google, what is refused, and the two formats of a vector."""

import base64
import json
import math
import struct
from typing import Any

import pytest

from gemini_proxy.dialects.openai_embeddings.dialect import OpenAIEmbeddings
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, Exchange
from gemini_proxy.http import ClientRequest
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi

DIALECT = OpenAIEmbeddings({"text-embedding-3-small": "gemini-embedding-001"})


def read(dialect: OpenAIEmbeddings = DIALECT, **body: Any) -> Ask:
    whole = {"model": "gemini-embedding-001", "input": "hi", **body}
    return dialect.read(ClientRequest("POST", "/v1/embeddings", {}, json.dumps(whole).encode()))


def refused(**body: Any) -> ProxyError:
    with pytest.raises(ProxyError) as raised:
        read(**body)
    return raised.value


def answered(ask: Ask, *vectors: list[float], **more: Any) -> Any:
    answer: Any = {"embeddings": [{"values": values} for values in vectors], **more}
    ask.renderer.feed(answer)
    return json.loads(b"".join(ask.renderer.end()))


def test_what_google_is_asked() -> None:
    ask = read(input=["a", "b"], dimensions=8, user="me", google={"task_type": "CLUSTERING", "title": "t"})
    one = {"model": "models/gemini-embedding-001", "outputDimensionality": 8, "taskType": "CLUSTERING", "title": "t"}
    assert ask.request == {"requests": [{**one, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]}
    assert (ask.model, ask.method, ask.stream, ask.warnings) == (
        "gemini-embedding-001",
        "batchEmbedContents",
        False,
        [],
    )


@pytest.mark.parametrize(
    "name",
    [
        "models/gemini-embedding-001",
        "google/gemini-embedding-001",
        "text-embedding-3-small",
        "models/text-embedding-3-small",
    ],
)
def test_names_of_models(name: str) -> None:
    assert read(model=name).model == "gemini-embedding-001"


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (100, [100]), (101, [100, 1]), (2048, [100] * 20 + [48])])
def test_batches(count: int, sizes: list[int]) -> None:
    ask = read(input=["x"] * count)
    assert [len(part.request["requests"]) for part in (*ask.earlier, ask)] == sizes
    assert {part.renderer for part in ask.earlier} <= {ask.renderer}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": ["x"] * 2049}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": None}, "input"),
        ({"model": ""}, "model"),
        ({"model": "models/"}, "model"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"google": 3}, "google"),
    ],
)
def test_what_is_refused(body: dict[str, Any], param: str) -> None:
    error = refused(**body)
    assert (error.status, error.param, error.retry) == (400, param, False)


def test_token_numbers_cannot_be_read_back() -> None:
    error = refused(input=[[15339, 1917]])
    assert error.code == "unsupported_value"
    assert "check_embedding_ctx_length=False" in error.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3"])
def test_no_json(body: bytes) -> None:
    with pytest.raises(ProxyError, match="JSON object"):
        DIALECT.read(ClientRequest("POST", "/v1/embeddings", {}, body))


def test_a_member_is_missing() -> None:
    with pytest.raises(ProxyError, match="'input' is required"):
        DIALECT.read(ClientRequest("POST", "/v1/embeddings", {}, b'{"model":"m"}'))


def test_what_is_not_known() -> None:
    assert read(odd=1, google={"odder": 2}).warnings == [
        "odd is not supported and was ignored",
        "google.odder is not supported and was ignored",
    ]
    assert read(OpenAIEmbeddings({}, "ignore"), odd=1).warnings == []
    with pytest.raises(ProxyError, match=r"Gemini has no odd\. Leave it out, or set GEMINI_UNSUPPORTED=warn") as raised:
        read(OpenAIEmbeddings({}, "error"), odd=1)
    assert (raised.value.status, raised.value.param) == (400, "odd")


def test_a_null_is_not_set() -> None:
    assert read(odd=None, google={"odd": None}).warnings == []
    assert read(OpenAIEmbeddings({}, "error"), odd=None).warnings == []


def test_the_client_s_id_of_the_request_goes_with_all_calls() -> None:
    body = json.dumps({"model": "m", "input": ["x"] * 101}).encode()
    ask = DIALECT.read(ClientRequest("POST", "/v1/embeddings", {"x-request-id": "mine"}, body))
    assert {part.request_id for part in (*ask.earlier, ask)} == {"mine"}


def test_a_text_that_was_cut_within_an_emoji() -> None:
    (one,) = read(input="cut \ud83d").request["requests"]
    assert one["content"] == {"parts": [{"text": "cut \ufffd"}]}


def test_both_formats_say_the_same() -> None:
    values = [0.1, -0.2, 1 / 3]
    floats = answered(read(encoding_format="float"), values)["data"][0]["embedding"]
    text = answered(read(encoding_format="base64"), values)["data"][0]["embedding"]
    assert list(struct.unpack("<3f", base64.b64decode(text))) == floats
    assert floats == pytest.approx(values)


def test_shortened_vectors_get_length_one() -> None:
    assert answered(read(dimensions=2), [3, 4])["data"][0]["embedding"] == pytest.approx([0.6, 0.8])
    assert answered(read(dimensions=2), [0, 0])["data"][0]["embedding"] == [0, 0]
    assert math.hypot(*answered(read(), [3, 4])["data"][0]["embedding"]) == 5  # Google's own is as it is


def test_the_form_of_the_answer() -> None:
    ask = read(model="models/gemini-embedding-001", input=["a", "b"])
    body = answered(ask, [1], [2], usageMetadata={"promptTokenCount": 7})
    assert body == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1]},
            {"object": "embedding", "index": 1, "embedding": [2]},
        ],
        "model": "models/gemini-embedding-001",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }
    assert ask.renderer.headers() == {"content-type": "application/json"}
    assert ask.renderer.warnings == []


def test_usage_that_google_does_not_count_is_an_estimate() -> None:
    ask = read(input=["x" * 40, "é"])
    assert answered(ask, [1], [2])["usage"] == {"prompt_tokens": 11, "total_tokens": 11}
    assert "estimate" in ask.renderer.warnings[0]


def test_vectors_are_missing() -> None:
    ask = read(input=["a", "b"])
    ask.renderer.feed({"embeddings": [{"values": [1]}]})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(ProxyError, match="1 of 2"):
        ask.renderer.end()


@pytest.mark.parametrize(
    "values", [None, [], [None], ["x"], [float("inf")], [float("nan")], [1e308], [1.0, -1e39], 5, {"a": 1}]
)
def test_a_vector_that_is_none(values: Any) -> None:
    """A good answer with it would fail later, in the client's database."""
    for dimensions in (None, 2):
        with pytest.raises(ProxyError) as raised:
            answered(read(dimensions=dimensions), values)
        assert (raised.value.status, raised.value.code) == (502, "upstream_invalid")


def test_vectors_of_different_lengths() -> None:
    with pytest.raises(ProxyError, match="different lengths"):
        answered(read(input=["a", "b"]), [1.0], [1.0, 2.0])


@pytest.mark.parametrize("usage", [[1], 5, {"promptTokenCount": "many"}])
def test_usage_that_cannot_be_read_costs_the_usage_alone(usage: Any) -> None:
    google = {"embeddings": [{"values": [1.0]}], "usageMetadata": usage}
    running = Exchange(DIALECT, GeminiApi("https://google.test", "k"), read())
    answer = running.whole({"content-type": "application/json"}, json.dumps(google).encode())
    assert answer.status == 200
    assert "estimate" in answer.headers["x-gemini-proxy-warnings"]


def test_an_answer_that_is_none() -> None:
    with pytest.raises(ProxyError) as raised:
        read().renderer.feed({"embeddings": [{"value": 1}]})  # type: ignore[typeddict-unknown-key]
    assert raised.value.status == 502
    assert json.loads(b"".join(read().renderer.fail(raised.value)))["error"]["code"] == "upstream_invalid"
