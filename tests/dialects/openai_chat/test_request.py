"""What Google is asked."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.http import ClientRequest
from gemini_proxy.upstreams.code_assist.envelope import wrap
from tests.exchanges import HI, asked, chat_ask, chat_request, refused


def user(*texts: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text} for text in texts]}


def model(*texts: str) -> dict[str, Any]:
    return {"role": "model", "parts": [{"text": text} for text in texts]}


def says(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def texts(*words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": word} for word in words]


CONVERSATIONS = [
    pytest.param([says("system", "be brief"), *HI], user("be brief"), [user("hi")], id="string"),
    pytest.param([says("system", texts("a", "b")), *HI], user("a", "b"), [user("hi")], id="parts"),
    pytest.param([says("system", "a"), says("developer", "b"), *HI], user("a", "b"), [user("hi")]),
    pytest.param(
        [*HI, says("system", "now shout"), says("assistant", "HO")],
        None,
        [user("hi", "[system]\n", "now shout"), model("HO")],
    ),
    pytest.param([says("system", "a")], user("a"), [user(" ")]),
    pytest.param(
        [*HI, says("user", "there"), says("assistant", "a"), says("assistant", "b"), *HI],
        None,
        [user("hi", "there"), model("a", "b"), user("hi")],
    ),
    pytest.param([*HI, says("assistant", None), says("user", "x")], None, [user("hi", "x")], id="null"),
    pytest.param(
        [*HI, {"role": "assistant"}, says("assistant", []), says("assistant", ""), says("user", "x")],
        None,
        [user("hi", "x")],
        id="empty",
    ),
    pytest.param([says("user", "")], None, [user(" ")], id="only"),
    pytest.param([says("user", []), says("user", "x")], None, [user("x")], id="dropped"),
    pytest.param([*HI, says("assistant", "Sure:")], None, [user("hi"), model("Sure:")], id="prefill"),
    pytest.param(
        [says("assistant", "Hello"), *HI], None, [user(" "), model("Hello"), user("hi")], id="starts-with-user"
    ),
    pytest.param([{"role": "user", "content": "hi", "name": "ann"}], None, [user("hi")]),
    pytest.param([says("user", texts("a", "", "b"))], None, [user("a", "b")], id="text-parts"),
    pytest.param([says("user", "Hi")], None, [user("Hi")]),
]


@pytest.mark.parametrize(("messages", "system", "contents"), CONVERSATIONS)
def test_conversations(messages: list[Any], system: Any, contents: Any) -> None:
    request = asked(messages=messages)
    assert request.get("systemInstruction") == system
    assert request["contents"] == contents


PARAMETERS = [
    pytest.param({}, None, id="nothing-invented"),
    pytest.param({"temperature": 0, "top_p": 0}, {"temperature": 0, "topP": 0}),
    pytest.param({"temperature": 1.5, "top_p": 0.5, "seed": 7}, {"temperature": 1.5, "topP": 0.5, "seed": 7}),
    pytest.param({"max_tokens": 5}, {"maxOutputTokens": 5}, id="max_tokens"),
    pytest.param({"max_tokens": 5, "max_completion_tokens": 6}, {"maxOutputTokens": 6}),
    pytest.param({"stop": "x"}, {"stopSequences": ["x"]}, id="string"),
    pytest.param({"stop": ["a", "b", "", "a"]}, {"stopSequences": ["a", "b"]}, id="empties-and-duplicates"),
    pytest.param({"stop": []}, None, id="empty-list"),
    pytest.param({"stop": ""}, None, id="empty"),
    pytest.param({"stop": None, "temperature": None, "n": None, "seed": None, "max_tokens": None}, None, id="nulls"),
    pytest.param({"n": 1}, None, id="one"),
    pytest.param({"n": 2}, {"candidateCount": 2}, id="two"),
]


@pytest.mark.parametrize(("chat", "config"), PARAMETERS)
def test_parameters(chat: dict[str, Any], config: Any) -> None:
    values = asked(**chat)["generationConfig"]
    assert values.pop("thinkingConfig") == {"includeThoughts": True}  # thoughts keep a long answer's socket busy
    assert values == (config or {})


REFUSED = [
    pytest.param({"messages": []}, "messages"),
    pytest.param({"messages": None}, "messages", id="messages-null"),
    pytest.param({"messages": "hi"}, "messages", id="messages-string"),
    pytest.param({"messages": [{"content": "hi"}]}, "messages[0].role", id="no-role"),
    pytest.param({"messages": [*HI, says("robot", "hi")]}, "messages[1].role", id="unknown-role"),
    pytest.param({"messages": [says("user", 5)]}, "messages[0].content", id="content-number"),
    pytest.param({"messages": [says("user", [{"text": "x"}])]}, "messages[0].content[0].type", id="part-without-type"),
    pytest.param({"messages": [says("user", [{"type": "hologram"}])]}, "messages[0].content[0].type"),
    pytest.param({"temperature": 3}, "temperature", id="temperature"),
    pytest.param({"temperature": "hot"}, "temperature", id="temperature-text"),
    pytest.param({"top_p": 2}, "top_p", id="top_p"),
    pytest.param({"max_tokens": 0}, "max_tokens", id="max_tokens-zero"),
    pytest.param({"max_tokens": 1.5}, "max_tokens", id="max_tokens-float"),
    pytest.param({"n": 9}, "n", id="nine"),
    pytest.param({"n": True}, "n", id="n-bool"),
    pytest.param({"stop": ["a", "b", "c", "d", "e", "f"]}, "stop", id="six"),
    pytest.param({"stop": 5}, "stop", id="stop-number"),
    pytest.param({"stream": "true"}, "stream"),
    pytest.param({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage", id="include_usage-text"),
    pytest.param({"model": ""}, "model", id="empty"),
    pytest.param({"model": None}, "model", id="null"),
    pytest.param({"project": "theirs"}, "project", id="project"),
]


@pytest.mark.parametrize(("chat", "param"), REFUSED)
def test_bad_input_names_the_place(chat: dict[str, Any], param: str) -> None:
    error = refused(**chat)
    assert (error.status, error.param) == (400, param)
    assert error.message


BODIES = [
    b"",
    b"nonsense",
    b"[]",
    b'"x"',
    b"null",
    b'{"model": "m", "messages": [}',
    b'{"temperature": NaN}',
    b"\xff\xfe",
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_body_that_is_no_json_object(body: bytes) -> None:
    with pytest.raises(ProxyError) as caught:
        chat_ask(ClientRequest("POST", "/v1/chat/completions", {}, body))
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("stream", "method"), [(True, "streamGenerateContent"), (False, "generateContent"), (None, "generateContent")]
)
def test_stream(stream: bool | None, method: str) -> None:
    assert chat_ask(chat_request(stream=stream)).method == method


def test_fields_that_are_not_honoured_are_told() -> None:
    ask = chat_ask(chat_request(frobnicate=1, user="ann", store=True, metadata={"a": "b"}, verbosity=None))
    assert ask.warnings == ["frobnicate is not supported and was ignored"]


WORDS: list[Any] = [
    (b"", "empty"),
    (b"hello", "line 1, column 1"),
    (b'{"model": "m",\n "messages": x}', "line 2, column 14"),
    (b"model=m&messages=x", "Content-Type: application/json"),
    (b"--frontier\r\nContent-Disposition: form-data", "Content-Type: application/json"),
    (b'{"model": "m", "messages": []}', "'messages' is empty: give at least one message."),
    (b'{"model": "m", "messages": "x"}', "'messages' must be a list, not text ('x')."),
    (b'{"model": "m", "messages": [{"role": "user"}], "max_tokens": "100"}', "a whole number, not text ('100')."),
    (b'{"model": "m", "messages": [{"role": "user"}], "max_tokens": 1.5}', "a whole number, not 1.5."),
    (b'{"model": "m", "messages": [{"role": "user"}], "stream": "true"}', "true or false, not text ('true')."),
    (b'{"model": "m", "messages": [{"role": "user"}], "tools": [1]}', "'tools[0]' must be an object, not 1."),
]


@pytest.mark.parametrize(("body", "words"), WORDS, ids=range(len(WORDS)))
def test_what_is_wrong_is_said_in_plain_words(body: bytes, words: str) -> None:
    with pytest.raises(ProxyError) as caught:
        chat_ask(ClientRequest("POST", "/v1/chat/completions", {}, body))
    assert caught.value.status == 400
    assert words in caught.value.message


UNMET: list[Any] = [
    ({"logit_bias": {"1": 1}}, "logit_bias", "Gemini has no logit_bias. Leave it out, or", "have it ignored."),
    ({"frequency_penalty": 1}, "frequency_penalty", "This model refuses frequency_penalty. Leave it out", "a warning."),
    ({"a": 1, "b": 1}, "a", "Gemini has no a; Gemini has no b. Leave them out", "have them ignored."),
    ({"reasoning": {"what": 1}}, "reasoning.what", "Gemini has no reasoning.what.", "ignored."),
    (
        {"model": "gemini-3.7-flash", "reasoning_effort": "none"},
        "reasoning_effort",
        "This model cannot stop thinking",
        ".",
    ),
]


@pytest.mark.parametrize(("chat", "param", "start", "end"), UNMET)
def test_a_refusal_in_place_of_a_warning_does_not_say_that_it_was_ignored(
    chat: dict[str, Any], param: str, start: str, end: str
) -> None:
    with pytest.raises(ProxyError) as caught:
        chat_ask(chat_request(**chat), OpenAIChat(SignatureMemory(None), {}, "error"))
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "unsupported_parameter", param)
    assert caught.value.message.startswith(start)
    assert caught.value.message.endswith(end)
    assert "was ignored" not in caught.value.message
    assert "GEMINI_UNSUPPORTED=warn" in caught.value.message


def test_what_clients_echo_back_is_accepted() -> None:
    echoed: dict[str, Any] = {
        "role": "assistant",
        "content": "yes",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "parsed": None,
        "reasoning_content": "hm",
        "tool_calls": None,
    }
    assert asked(messages=[*HI, echoed, *HI])["contents"] == [user("hi"), model("yes"), user("hi")]


def test_the_request_is_json_that_says_what_was_said() -> None:
    words = '汉😀\u2028\x00 "quoted"'
    assert json.loads(json.dumps(asked(messages=[says("user", words)])))["contents"] == [user(words)]


WORDS_OF_CLIENTS = [
    "model",
    "messages",
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "id",
    "type",
    "function",
    "arguments",
    "text",
    "refusal",
    "image_url",
    "url",
    "detail",
    "input_audio",
    "file",
    "file_data",
    "extra_content",
    "google",
    "thought_signature",
    "parts",
    "tools",
    "tool_choice",
    "functions",
    "parameters",
    "description",
    "strict",
    "allowed_tools",
    "mode",
    "response_format",
    "json_schema",
    "schema",
    "stream",
    "stream_options",
    "include_usage",
    "temperature",
    "top_p",
    "top_k",
    "n",
    "stop",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "reasoning",
    "effort",
    "modalities",
    "audio",
    "voice",
    "format",
    "image_config",
    "web_search_options",
    "safety_settings",
    "extra_body",
    "thinking_config",
    "thinking_budget",
    "media_resolution",
    "parallel_tool_calls",
    "service_tier",
    "user",
    "metadata",
    "store",
    "$ref",
    "enum",
    "properties",
    "items",
    "anyOf",
]
VALUES_OF_CLIENTS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([2**70, 10**400, "system", "user", "assistant", "tool", "function", "auto", "required", "low"])
    | st.sampled_from(
        ["data:image/png;base64,iVBORw0KGgo=", "{}", "[", '{"a": 1}', "\ud83d", "text", "object", "f", ""]
    )
    | st.text(max_size=5)
)
ANYTHING = st.recursive(
    VALUES_OF_CLIENTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS_OF_CLIENTS), inner, max_size=4),
    max_leaves=10,
)


def members(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object whose members are as they should be, or anything, or absent."""
    return st.fixed_dictionaries({}, optional={name: value | ANYTHING for name, value in known.items()})


NAME = st.sampled_from(["f", "g.h", "1", ""])
IDS = st.sampled_from(["a", "b", "", None])
ARGUMENTS = st.sampled_from(["{}", "", "[", '{"a": 1}', "null"])
FUNCTION_CALL = st.fixed_dictionaries({"name": NAME, "arguments": ARGUMENTS})
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "function"])},
    optional={
        "content": st.text(max_size=3) | st.lists(members(type=st.just("text"), text=st.text(max_size=3)), max_size=2),
        "tool_calls": st.lists(st.fixed_dictionaries({"id": IDS, "function": FUNCTION_CALL}), max_size=2),
        "tool_call_id": IDS,
        "name": NAME,
        "function_call": FUNCTION_CALL,
        "extra_content": ANYTHING,
    },
)
TOOL = members(type=st.sampled_from(["function", "google_search"]), function=members(name=NAME, parameters=ANYTHING))
CHAT = members(
    model=st.sampled_from(["gemini-2.5-flash", "gemini-3-flash", "x-search:low"]),
    messages=st.lists(MESSAGE, min_size=1, max_size=4),
    tools=st.lists(TOOL, max_size=2),
    tool_choice=st.sampled_from(["auto", "none", "required"]),
    functions=st.lists(members(name=NAME), max_size=2),
    stream=st.booleans(),
    google=ANYTHING,
    extra_body=ANYTHING,
    response_format=members(type=st.just("json_schema"), json_schema=members(schema=ANYTHING)),
    reasoning=ANYTHING,
    audio=ANYTHING,
    image_config=ANYTHING,
)


def assert_read_or_refused(body: str) -> None:
    refusal, ask = None, None
    try:
        ask = chat_ask(ClientRequest("POST", "/v1/chat/completions", {}, body.encode()))
    except ProxyError as error:
        refusal = error
    assert refusal is None or (refusal.status == 400 and refusal.message)
    assert ask is None or json.loads(wrap(ask, "project", "session"))["request"]["contents"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANYTHING | CHAT)
def test_whatever_a_client_sends_it_is_a_request_or_a_400(document: Any) -> None:
    assert_read_or_refused(json.dumps(document))


@pytest.mark.parametrize("depth", [50, 150, 190, 199, 5000])
def test_deep_nesting_is_a_request_or_a_400(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for body in (
        f'{{"model": "m", "messages": {deep}}}',
        f'{{"model": "m", "messages": [{{"role": "user", "content": "x", "y": {deep}}}]}}',
        f'{{"model": "m", "messages": [{{"role": "user", "content": "x"}}], "tools": [{{"type": "function", "function": '
        f'{{"name": "f", "parameters": {{"type": {deep}}}}}}}]}}',
        json.dumps(
            {
                "model": "m",
                "messages": [
                    *HI,
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": f'{{"a": {deep}}}'}}],
                    },
                    {"role": "tool", "tool_call_id": "a", "content": f'{{"a": {deep}}}'},
                ],
            }
        ),
    ):
        assert_read_or_refused(body)


def test_ten_thousand_messages_of_one_role_are_one_turn() -> None:
    (turn,) = asked(messages=[says("user", str(i)) for i in range(10_000)])["contents"]
    assert len(turn["parts"]) == 10_000
