"""The conversation: history, calls and their results, parts. Conformance F and I; see also test_request.py."""

import json
import time
from typing import Any

import pytest

from tests.exchanges import HI, asked, assistant_calls, refused, result, told

OLD, NEW, NEWEST = "gemini-2.5-flash", "gemini-3-pro-preview", "gemini-3-flash"
PNG = "iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
BLOB = {"inlineData": {"mimeType": "image/png", "data": PNG}}
CALLS = [("a", "f", '{"x": 1}'), ("b", "g", "{}")]


def contents(*messages: Any, **chat: Any) -> Any:
    return asked(messages=[*HI, *messages], **chat)["contents"]


def responses(*messages: Any, **chat: Any) -> list[dict[str, Any]]:
    parts = contents(*messages, **chat)[2]["parts"]
    return [part["functionResponse"] for part in parts if "functionResponse" in part]


def image(**more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {**IMAGE["image_url"], **more}}  # type: ignore[dict-item]


def test_a_tool_loop_alternates_between_two_roles() -> None:
    loop = [assistant_calls(*CALLS), result("a", "1"), result("b", "2")]
    turns = contents(*loop, *loop, {"role": "assistant", "content": "done"}, *HI)
    assert [turn["role"] for turn in turns] == ["user", "model", "user", "model", "user", "model", "user"]


def test_text_then_calls() -> None:
    turn = contents(assistant_calls(*CALLS, content="so:"), result("a", "1"), result("b", "2"))[1]
    assert [next(iter(part)) for part in turn["parts"]] == ["text", "functionCall", "functionCall"]
    assert turn["parts"][1] == {"functionCall": {"name": "f", "args": {"x": 1}}}


ECHOES: list[Any] = [
    pytest.param({"content": [{"type": "refusal", "refusal": "no"}]}, [{"text": "no"}]),
    pytest.param({"content": "a", "reasoning_content": "hm", "reasoning": "hm"}, [{"text": "a"}]),
    pytest.param(
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]},
        [{"text": "a"}],
        id="parts",
    ),
    pytest.param({"content": "a", "thinking_blocks": [{"thinking": "hm"}]}, [{"text": "a"}], id="blocks"),
]


@pytest.mark.parametrize(("message", "parts"), ECHOES)
def test_what_the_model_said(message: dict[str, Any], parts: Any) -> None:
    assert contents({"role": "assistant", **message}, *HI)[1] == {"role": "model", "parts": parts}


def test_a_thought_in_the_history_is_left_out() -> None:
    thought = {"role": "assistant", "content": "hm", "extra_content": {"google": {"thought": True}}}
    assert len(contents(thought, *HI)) == 1


def test_prefill() -> None:
    prefill = {"role": "assistant", "content": "Sure:"}
    assert contents(prefill)[-1] == {"role": "model", "parts": [{"text": "Sure:"}]}
    assert told(messages=[*HI, prefill]) == ""
    assert contents(prefill, model=NEWEST)[-1] == {"role": "user", "parts": [{"text": " "}]}
    assert "does not go on" in told(messages=[*HI, prefill], model=NEWEST)


def test_legacy_function_messages() -> None:
    ask = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x": 1}'}}
    turns = contents(ask, {"role": "function", "name": "f", "content": "sunny"})
    assert turns[1]["parts"] == [{"functionCall": {"name": "f", "args": {"x": 1}}}]
    assert turns[2]["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "sunny"}}}]


RESULTS: list[Any] = [
    pytest.param('{"a": {"b": 1}}', {"a": {"b": 1}}),
    *(
        pytest.param(text, {"output": text}, id=f"as-it-is-{text!r}")
        for text in ("[1, 2]", "17", "true", "null", "3.10\n", "12e4567", "7e10", "-0", "1234567890123456789", "007")
    ),
    pytest.param('[{"id": 9007199254740993}]', {"output": '[{"id": 9007199254740993}]'}, id="long-id-in-a-list"),
    *(
        pytest.param(f'{{"a": [{number}]}}', {"output": f'{{"a": [{number}]}}'}, id=f"lost-in-a-double-{number}")
        for number in (
            "9007199254740993",
            "-9007199254740993",
            "1e999",
            "12345678901234.5678",
            "0.30000000000000004441",
        )
    ),
    pytest.param('{"a": 9007199254740992, "b": 0.1, "c": 1e3}', {"a": 2**53, "b": 0.1, "c": 1000.0}, id="kept"),
    pytest.param('{"a": "9007199254740993"}', {"a": "9007199254740993"}, id="long-id-that-is-text"),
    pytest.param('{"a": "x\ny"}', {"a": "x\ny"}, id="raw-line-break"),
    pytest.param(' \n{"a": 1}', {"a": 1}, id="space-before"),
    pytest.param('"x"', {"output": '"x"'}, id="string"),
    pytest.param("sunny", {"output": "sunny"}, id="text"),
    pytest.param("", {"output": ""}, id="empty"),
    pytest.param(None, {"output": ""}, id="null"),
    pytest.param("{broken", {"output": "{broken"}, id="broken"),
    pytest.param('{"a": "\\u0041" b}', {"output": '{"a": "\\u0041" b}'}, id="broken-with-escapes"),
    pytest.param('{"a": NaN}', {"output": '{"a": NaN}'}, id="not-a-number"),
    pytest.param("[" * 5000, {"output": "[" * 5000}, id="too-deep"),
    pytest.param('{"$ref": "#/x"}', {"output": '{"$ref": "#/x"}'}),
    pytest.param('{"a": [{"$ref": "x"}]}', {"output": '{"a": [{"$ref": "x"}]}'}, id="inside"),
    pytest.param('[{"$ref": "x"}]', {"output": '[{"$ref": "x"}]'}, id="in-a-list"),
    pytest.param('{"$ref": 5}', {"$ref": 5}, id="no-string"),
    pytest.param([{"type": "text", "text": '{"a":'}, {"type": "text", "text": "1}"}], {"a": 1}, id="texts"),
]


@pytest.mark.parametrize(("content", "response"), RESULTS)
def test_results(content: Any, response: Any) -> None:
    assert responses(assistant_calls(CALLS[0]), result("a", content)) == [{"name": "f", "response": response}]


def test_a_result_with_an_image() -> None:
    shown = result("a", [{"type": "text", "text": "look"}, image(detail="low")])
    new = contents(assistant_calls(CALLS[0]), shown, model=NEW)[2]["parts"]
    response = {"id": "a", "name": "f", "response": {"output": "look"}, "parts": [BLOB]}
    assert new == [{"functionResponse": response}]
    old = contents(assistant_calls(CALLS[0]), shown)[2]["parts"]
    assert old == [{"functionResponse": {"name": "f", "response": {"output": "look"}}}, BLOB]


def test_a_result_with_google_s_own_parts() -> None:
    def shown(parts: Any) -> dict[str, Any]:
        return result("a", "look", extra_content={"google": {"parts": parts}})

    parts = [{"inline_data": {"mime_type": "image/png", "data": PNG}}, {"fileData": {"fileUri": "gs://b/a.png"}}]
    turns = contents(assistant_calls(CALLS[0]), shown(parts), model=NEW)
    assert turns[2]["parts"][0]["functionResponse"]["parts"] == [BLOB, {"fileData": {"fileUri": "gs://b/a.png"}}]
    for wrong, place in ((5, "parts"), ([{}], "parts[0]"), ([{"inlineData": 1}], "parts[0]")):
        error = refused(messages=[*HI, assistant_calls(CALLS[0]), shown(wrong)])
        assert (error.status, error.param) == (400, f"messages[2].extra_content.google.{place}")


ORDERS: list[Any] = [
    pytest.param([assistant_calls(*CALLS), result("a", "1"), result("b", "2")]),
    pytest.param([assistant_calls(*CALLS), result("b", "2"), result("a", "1")], id="reversed"),
    pytest.param(
        [assistant_calls(CALLS[0]), assistant_calls(CALLS[1]), result("a", "1"), result("b", "2")],
        id="two-messages",
    ),
    pytest.param([assistant_calls(*CALLS), result("x", "1", name="f"), result(None, "2", name="g")], id="by-name"),
    pytest.param([assistant_calls(*CALLS), result("a", "0"), result("b", "2"), result("a", "1")]),
]


@pytest.mark.parametrize("messages", ORDERS)
def test_results_stand_in_one_turn_in_the_order_of_the_calls(messages: list[Any]) -> None:
    assert [(it["name"], it["response"]["output"]) for it in responses(*messages)] == [("f", "1"), ("g", "2")]
    assert [turn["role"] for turn in contents(*messages)] == ["user", "model", "user"]


def test_several_results_for_one_call_are_a_warning() -> None:
    messages = [*HI, assistant_calls(CALLS[0]), result("a", "1"), result("a", "2")]
    assert "messages[3]" in told(messages=messages)


def test_calls_of_one_name_and_results_without_ids() -> None:
    twice = assistant_calls(("", "f", "{}"), ("", "f", "{}"))
    messages = [twice, result("", "1", name="f"), result("", "2", name="f")]
    assert [it["response"]["output"] for it in responses(*messages)] == ["1", "2"]


@pytest.mark.parametrize("after", [[], HI, [{"role": "system", "content": "x"}]])
def test_a_missing_result(after: list[Any]) -> None:
    messages = [assistant_calls(*CALLS), result("b", "2"), *after]
    assert responses(*messages) == [
        {"name": "f", "response": {"error": "no result provided"}},
        {"name": "g", "response": {"output": "2"}},
    ]
    assert "'a' has no result" in told(messages=[*HI, *messages])


def test_calls_at_the_end_without_any_result() -> None:
    (only,) = contents(assistant_calls(CALLS[0]))[2]["parts"]
    assert only["functionResponse"]["response"] == {"error": "no result provided"}


def test_a_result_that_answers_nothing() -> None:
    for messages in ([*HI, result("nope", "x")], [result("a", "1"), assistant_calls(CALLS[0])]):
        error = refused(messages=messages)
        assert (error.status, error.param) == (
            400,
            f"messages[{len(messages) - 1 if messages[0] in HI else 0}].tool_call_id",
        )
    assert "nope" in refused(messages=[*HI, result("nope", "x")]).message


def test_what_a_user_says_after_results_is_a_turn_of_its_own() -> None:
    turns = contents(assistant_calls(CALLS[0]), result("a", "1"), {"role": "user", "content": "and?"})
    assert turns[3] == {"role": "user", "parts": [{"text": "and?"}]}
    assert len(turns[2]["parts"]) == 1


EMPTY = ("", "{}", " \n", None, "null", " null ", "[]", '""')


@pytest.mark.parametrize("arguments", [pytest.param(text, id=f"{text!r}") for text in EMPTY])
def test_no_arguments(arguments: Any) -> None:
    turn = contents(assistant_calls(("a", "f", arguments)), result("a", "1"))[1]
    assert turn["parts"][0]["functionCall"]["args"] == {}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(text, id=f"{text[:6]}")
        for text in ("{", "[1]", '"x"', "0", "false", "nope", '{"a": NaN}', "[" * 5000)
    ],
)
def test_arguments_that_are_no_object(arguments: str) -> None:
    error = refused(
        messages=[*HI, assistant_calls(CALLS[0], ("c", "f", arguments)), result("a", "1"), result("c", "1")]
    )
    assert (error.status, error.code) == (400, "invalid_tool_arguments")
    assert error.param == "messages[1].tool_calls[1].function.arguments"
    legacy = {"role": "assistant", "function_call": {"name": "f", "arguments": arguments}}
    assert refused(messages=[*HI, legacy]).param == "messages[1].function_call.arguments"


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ('{"id": 9007199254740993, "n": 5}', {"id": "9007199254740993", "n": 5}),
        ('{"id": [1e999]}', {"id": ["1e999"]}),
        ('{"text": "a\nb\t\\"c"}', {"text": 'a\nb\t"c'}),
        ('{"text": "9007199254740993, 1e999"}', {"text": "9007199254740993, 1e999"}),
        ('{"text": "\\ud83d 1e9"}', {"text": "\ufffd 1e9"}),
    ],
)
def test_arguments_keep_what_they_say(arguments: str, args: Any) -> None:
    turn = contents(assistant_calls(("a", "f", arguments)), result("a", "1"))[1]
    assert turn["parts"][0]["functionCall"]["args"] == args


# The ids of two calls, those of two results, and which result each call gets.
SHARED_IDS: list[Any] = [
    pytest.param(["run", "run"], ["run", "run"], [0, 1], id="one-id"),
    pytest.param(["", ""], ["", ""], [0, 1], id="empty"),
    pytest.param([None, None], [None, None], [0, 1], id="none"),
    pytest.param(["", ""], ["x", "y"], [0, 1], id="ids-that-only-the-results-have"),
    pytest.param(["a", "b"], ["", ""], [0, 1], id="ids-that-only-the-calls-have"),
    pytest.param(["a", ""], ["", "a"], [1, 0], id="crossed"),
]


@pytest.mark.parametrize(("calls", "results", "expected"), SHARED_IDS)
def test_each_result_answers_the_next_call_of_its_id(calls: list[Any], results: list[Any], expected: list[int]) -> None:
    said = assistant_calls(*((call_id, "f", "{}") for call_id in calls))
    for model_name in (OLD, NEW):
        turns = contents(said, *(result(call_id, f"said {i}") for i, call_id in enumerate(results)), model=model_name)
        parts = [part["functionResponse"] for part in turns[-1]["parts"]]
        assert [part["response"]["output"] for part in parts] == [f"said {i}" for i in expected]
        ids = [part["functionCall"].get("id") for part in turns[1]["parts"]]
        assert [part.get("id") for part in parts] == ids
        assert len({i for i in ids if i}) == len([i for i in ids if i])


def test_many_calls_of_one_id_take_no_quadratic_time() -> None:
    said = assistant_calls(*(("", "f", "{}") for _ in range(20_000)))
    began = time.process_time()
    turns = contents(said, *(result("", str(i)) for i in range(20_000)), model=NEW)
    assert time.process_time() - began < 5  # seconds; where each looks at all it is minutes
    assert turns[-1]["parts"][-1]["functionResponse"]["response"] == {"output": "19999"}


@pytest.mark.parametrize("model_name", ["gemma-3n-e4b-it", "gemma-3-27b-it"])
def test_instructions_open_the_first_turn_of_a_model_without_a_place_for_them(model_name: str) -> None:
    head = [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "developer", "content": "x"},
    ]
    request = asked(messages=[*head, *HI], model=model_name)
    assert "systemInstruction" not in request
    assert request["contents"] == [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "x"}, {"text": "hi"}]}]
    assert asked(messages=head, model=model_name)["contents"][0]["parts"] == [{"text": "Be brief."}, {"text": "x"}]


def test_an_id_that_is_used_again_means_the_nearest_call() -> None:
    turns = contents(
        assistant_calls(("a", "f", "{}")), result("a", "1"), assistant_calls(("a", "g", "{}")), result("a", "2")
    )
    answered = [turn["parts"][0]["functionResponse"] for turn in (turns[2], turns[4])]
    assert [(it["name"], it["response"]["output"]) for it in answered] == [("f", "1"), ("g", "2")]


@pytest.mark.parametrize("call_id", [pytest.param(i, id=f"{i[:5]}") for i in ("a|b", "a:b", "x" * 2000, "-_=", "ä")])
def test_any_id_of_a_call(call_id: str) -> None:
    messages = [assistant_calls((call_id, "f", "{}")), result(call_id, "1")]
    assert call_id not in json.dumps(contents(*messages, model=OLD), ensure_ascii=False)
    turns = contents(*messages, model=NEW)
    assert turns[1]["parts"][0]["functionCall"]["id"] == call_id
    assert turns[2]["parts"][0]["functionResponse"]["id"] == call_id


def test_the_order_of_parts_is_kept() -> None:
    parts = [{"type": "text", "text": "a"}, IMAGE, {"type": "text", "text": "b"}]
    (turn,) = asked(messages=[{"role": "user", "content": parts}])["contents"]
    assert turn["parts"] == [{"text": "a"}, BLOB, {"text": "b"}]


DETAILS: list[Any] = [
    pytest.param(["low"], "LOW", False, id="low"),
    pytest.param(["high", "high"], "HIGH", False, id="uniform"),
    pytest.param(["low", "high"], "HIGH", True, id="mixed"),
    pytest.param(["low", None], None, True, id="mixed-with-unset"),
    pytest.param(["auto", None], None, False, id="auto"),
]


@pytest.mark.parametrize(("details", "level", "warned"), DETAILS)
def test_detail(details: list[str | None], level: str | None, warned: bool) -> None:
    images = [image(detail=detail) if detail else image() for detail in details]
    messages = [{"role": "user", "content": images}]
    config = asked(messages=messages)["generationConfig"]
    assert config.get("mediaResolution") == (level and f"MEDIA_RESOLUTION_{level}")
    assert ("looks at all images alike" in told(messages=messages)) == warned
    new = asked(messages=messages, model=NEW)
    assert "mediaResolution" not in new["generationConfig"]
    found = [
        part.get("mediaResolution", {}).get("level", "").rpartition("_")[2] for part in new["contents"][0]["parts"]
    ]
    assert found == [{"auto": "UNSPECIFIED", None: ""}.get(detail, str(detail).upper()) for detail in details]


PLACES: list[Any] = [
    pytest.param({"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,AAAA"}}, ".image_url.url"),
    pytest.param({"type": "file", "file": {"file_id": "file-1"}}, ".file.file_id"),
    pytest.param({"type": "hologram"}, ".type"),
]


@pytest.mark.parametrize(("part", "place"), PLACES)
def test_a_bad_part_names_its_place(part: Any, place: str) -> None:
    assert refused(messages=[*HI, {"role": "user", "content": [IMAGE, part]}]).param == f"messages[1].content[1]{place}"


def test_media_on_the_web_wait_to_be_fetched() -> None:
    from tests.exchanges import chat_ask, chat_request

    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
    ask = chat_ask(chat_request(messages=[{"role": "user", "content": [part]}], model=NEW))
    assert [media.url for media in ask.remote] == ["https://example.com/a.png"]


def test_half_an_emoji_is_replaced() -> None:
    (turn,) = asked(messages=[{"role": "user", "content": "cut \ud83d, whole 😀, \\ud83d, nul \x00"}])["contents"]
    assert turn["parts"] == [{"text": "cut \ufffd, whole 😀, \\ud83d, nul \x00"}]
    arguments = json.dumps({"a": "\ude00x\ud83d"})
    turns = contents(assistant_calls(("a", "f", arguments)), result("a", "1"))
    assert turns[1]["parts"][0]["functionCall"]["args"] == {"a": "\ufffdx\ufffd"}


def test_what_the_model_spoke_is_not_kept() -> None:
    spoken = {"role": "assistant", "content": "see", "audio": {"id": "audio_1"}}
    assert "messages[1].audio" in told(messages=[*HI, spoken, *HI])


@pytest.mark.parametrize("content", [None, "", [], "absent"])
def test_all_forms_of_an_assistant_message_with_calls(content: Any) -> None:
    message = assistant_calls(CALLS[0], content=content, refusal=None, annotations=[], audio=None, parsed=None)
    message["tool_calls"][0]["function"]["parsed_arguments"] = {"x": 1}
    message["tool_calls"][0]["index"] = 0
    if content == "absent":
        del message["content"]
    turns = contents(message, result("a", [{"type": "text", "text": "1"}], name="f"))
    assert turns[1]["parts"] == [{"functionCall": {"name": "f", "args": {"x": 1}}}]
    assert told(messages=[*HI, message, result("a", "1")]) == ""
