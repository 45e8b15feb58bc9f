"""Whatever a client puts into whichever member, it is a request or a refusal that says so: never a failure of ours."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.http import ClientRequest

PNG = "data:image/png;base64,iVBORw0KGgo="
SCHEMA: Any = {
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/b", "title": "A"}, "k": {"const": "x"}, "l": {"enum": [1, None]}},
    "required": ["a"],
    "additionalProperties": False,
    "$defs": {"b": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": ["string", "null"], "minLength": 1}]}},
}
CALL: Any = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"id": 9007199254740993}'}}
SIGNED: Any = {**CALL, "id": "d", "extra_content": {"google": {"thought_signature": "c2ln"}}}
BODY: Any = {
    "model": "gemini-2.5-flash",
    "messages": [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "t"},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low", "format": "png"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "video_url", "video_url": {"url": "https://e.org/v.mp4", "fps": 2, "start": "1.5s"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERi0x"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL, SIGNED]},
        {"role": "tool", "tool_call_id": "c", "content": '{"n": 1}'},
        {
            "role": "tool",
            "tool_call_id": "d",
            "content": [{"type": "text", "text": "3.10"}],
            "extra_content": {"google": {"parts": [{"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]}},
        },
        {"role": "assistant", "function_call": {"name": "g", "arguments": "null"}},
        {"role": "function", "name": "g", "content": "7e10"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}
    ],
    "functions": [{"name": "g", "parameters": {"type": "object"}}],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    },
    "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA}},
    "reasoning": {"effort": "low", "summary": "auto", "exclude": False},
    "thinking": {"type": "enabled"},
    "google": {"safety_settings": [{"category": "c", "threshold": "t"}], "media_resolution": "low", "tools": []},
    "extra_body": {"google": {"cached_content": "c"}},
    "stop": ["a"],
    "seed": 5,
    "temperature": 1,
    "max_tokens": 100,
    "modalities": ["text"],
    "audio": {"voice": "Kore", "format": "pcm16"},
    "image_config": {"aspect_ratio": "1:1"},
    "web_search_options": {"search_context_size": "low"},
    "stream_options": {"include_usage": True},
    "logit_bias": {"1": 1},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from places(inner, (*path, name))


PLACES = [path for path in places(BODY) if path]
ODD: Any = st.recursive(
    st.sampled_from(
        [None, True, False, 0, -1, 1.5, 1e308, 2**63, 10**400, "", " ", "x", "auto", "\ud83d", "\0", "a/b", "1e999"]
    )
    | st.sampled_from(
        ["https://[::1", "data:", "data:;base64,A", "gs://b", PNG, "#/$defs/b", "null", "[]", '{"a": 1e999}']
    )
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "function", "name", "url", "google", "$ref", "properties", "required", "tools", "text"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


def changed(changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    body = copy.deepcopy(BODY)
    for path, value in changes:
        here = body
        try:
            for name in path[:-1]:
                here = here[name]
            here[path[-1]] = copy.deepcopy(value)
        except (LookupError, TypeError):
            continue  # an earlier change has taken the place away
    return body


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=3),
    st.sampled_from(["gemini-2.5-flash", "gemini-3-pro-preview", "gemma-3-27b-it"]),
    st.sets(st.sampled_from(["functions", "tool_choice", "response_format", "tools"])),
)
def test_whatever_a_member_holds(changes: list[Any], model: str, without: set[str]) -> None:
    body = {name: value for name, value in changed(changes).items() if name not in without}
    body["model"] = model if body.get("model") == BODY["model"] else body.get("model")
    try:
        asked = OpenAIChat(SignatureMemory(None), {}).read(
            ClientRequest("POST", "/v1/chat/completions", {}, json.dumps(body).encode())
        )
    except ProxyError as error:
        assert 400 <= error.status < 500  # noqa: PT017 - most are no error at all
        return
    assert isinstance(asked, Ask)
    to_json(asked.request)
