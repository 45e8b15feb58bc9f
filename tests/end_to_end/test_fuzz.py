"""Whatever a client or Google says: no 500, no exception in the log, no stream without an end.

Few examples with every run; `pytest -m long` takes minutes.
"""

import json
import string
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemini_proxy.emulator import Answer, Emulator
from tests.end_to_end.proxy import Proxy
from tests.exchanges import HI, STOP, errors, events, finishes, sse_bytes, text

CHAT = "/v1/chat/completions"
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=SHARED)
LONG = settings(max_examples=5_000, deadline=None, suppress_health_check=SHARED)

LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["user", "assistant", "tool", "system", "text", "image_url", "function", "data:image/png;base64,AA==", "auto",
     "call_1", "json_schema", "object", "\ud800", "\0", "gemini-3-pro-preview", "1" * 400]
)  # fmt: skip
ANY = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "image_url", "url", "function", "name", "arguments"])
            | st.text(string.ascii_letters, max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELDS = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "stop",
    "seed",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "logprobs",
    "top_logprobs",
    "presence_penalty",
    "frequency_penalty",
    "modalities",
    "extra_body",
    "functions",
    "function_call",
    "user",
    "metadata",
    "parallel_tool_calls",
]
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "developer", "function"]) | LEAF},
    optional={"content": ANY, "tool_calls": ANY, "tool_call_id": LEAF, "name": LEAF, "reasoning_content": LEAF},
)
REQUEST = st.fixed_dictionaries(
    {"model": st.just("gemini-2.5-flash"), "messages": st.just(HI) | st.lists(MESSAGE | ANY, max_size=3)},
    optional=dict.fromkeys(FIELDS[2:], ANY),
)
ODD = [
    b"", b"\0", b"null", b"[]", b"NaN", b'"x"', b"{", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"[" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b'{"model":1e999}', b'{"model":"\\ud800","messages":[]}',
    b'{"model":"m","model":"n","messages":[{"role":"user","content":"a","content":"b"}]}',
    b'{"model":"gemini-2.5-flash","messages":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"model":"gemini-2.5-flash","temperature":NaN,"messages":[{"role":"user","content":"hi"}]}',
    b'{"model":"gemini-2.5-flash","max_tokens":' + b"9" * 5_000 + b',"messages":[{"role":"user","content":"hi"}]}',
    json.dumps({"model": "gemini-2.5-flash", "messages": [*HI, {"role": "assistant", "content": "ho"}] * 5_000}).encode(),
]  # fmt: skip


def wire(request: Any) -> bytes:
    return json.dumps(request).encode("utf-8", "surrogatepass")


def check(proxy: Proxy, answer: httpx.Response) -> None:
    assert answer.status_code != 500, answer.text
    assert answer.content
    assert b"<html" not in answer.content.lower()
    if answer.status_code != 200:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    elif "event-stream" in answer.headers["content-type"]:
        assert events(answer.content)[-1] == "[DONE]"


def assert_quiet(proxy: Proxy) -> None:
    for word in ("Traceback", "has crashed", "could not be"):
        assert word not in proxy.log


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_odd_bodies(proxy: Proxy, http: httpx.Client, google: Emulator, body: bytes) -> None:
    check(proxy, http.post(CHAT, content=body))
    check(proxy, http.post(CHAT, content=body, headers={"content-type": "text/plain", "content-encoding": "gzip"}))
    assert http.get("/health").status_code == 200
    assert_quiet(proxy)


def some_body(proxy: Proxy, http: httpx.Client, body: bytes) -> None:
    check(proxy, http.post(CHAT, content=body, headers={"content-type": "application/json"}))


BODIES = REQUEST.map(wire) | ANY.map(wire) | st.binary(max_size=60)
UPSTREAM = st.binary(max_size=300) | st.lists(
    st.sampled_from([text("one"), STOP, b"{}", b"[DONE]", b"{", b"null", {"error": {"code": 400}}, {"response": None}]) | ANY,
    max_size=5,
).map(lambda chunks: sse_bytes(c if isinstance(c, bytes) else wire(c) for c in chunks))  # fmt: skip


def some_answer(proxy: Proxy, google: Emulator, http: httpx.Client, body: bytes, how: tuple[bool, bool, str]) -> None:
    stream, gzip, content_type = how
    method = "streamGenerateContent" if stream else "generateContent"
    google.script(method, Answer.raw(body, 200, content_type, gzip=gzip))
    answer = http.post(CHAT, json={"model": "gemini-2.5-flash", "messages": HI, "stream": stream})
    check(proxy, answer)
    if answer.status_code == 200 and stream:
        found = events(answer.content)
        assert bool(errors(found)) != bool(finishes(found)), found


HOW = st.tuples(
    st.booleans(), st.booleans(), st.sampled_from(["text/event-stream", "application/json", "text/html", ""])
)


@QUICK
@given(BODIES)
def test_client_bodies(proxy: Proxy, http: httpx.Client, google: Emulator, body: bytes) -> None:
    some_body(proxy, http, body)


@QUICK
@given(UPSTREAM, HOW)
def test_upstream_bytes(
    proxy: Proxy, http: httpx.Client, google: Emulator, body: bytes, how: tuple[bool, bool, str]
) -> None:
    some_answer(proxy, google, http, body, how)


def test_nothing_was_logged(proxy: Proxy) -> None:
    assert_quiet(proxy)


@pytest.mark.long
@LONG
@given(BODIES)
def test_many_client_bodies(proxy: Proxy, http: httpx.Client, google: Emulator, body: bytes) -> None:
    some_body(proxy, http, body)


@pytest.mark.long
@LONG
@given(UPSTREAM, HOW)
def test_many_upstream_bytes(
    proxy: Proxy, http: httpx.Client, google: Emulator, body: bytes, how: tuple[bool, bool, str]
) -> None:
    some_answer(proxy, google, http, body, how)
