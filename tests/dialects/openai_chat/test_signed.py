"""Thought signatures: each goes back to Google with the part it came with."""

import json
from typing import Any

import pytest

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.gemini.signatures import DUMMY, SignatureMemory
from gemini_proxy.gemini.transcript import image_id
from tests.exchanges import (
    HI,
    STOP,
    assistant_calls,
    call,
    called,
    candidate,
    chat_ask,
    chat_request,
    deltas,
    events,
    exchange,
    function,
    refused,
    result,
    said,
    sse_bytes,
    text,
    told,
)

NEW, NEWEST, OLD = "gemini-3-pro-preview", "gemini-3-flash", "gemini-2.5-pro"
SIG, OTHER = "c2lnbmF0dXJl", "b3RoZXIhISEh"


def talk(dialect: OpenAIChat, chunks: list[Any], **chat: Any) -> list[Any]:
    running = exchange(dialect, stream=True, **{"model": NEW, **chat})
    return events(b"".join(running.transform(sse_bytes(chunks)) + running.transform(b"")))


def signatures(messages: list[Any], dialect: OpenAIChat | None = None, model: str = NEW) -> list[str | None]:
    """Of all parts of the model, in order."""
    turns = chat_ask(chat_request(model=model, messages=messages), dialect).request["contents"]
    return [part.get("thoughtSignature") for turn in turns if turn["role"] == "model" for part in turn["parts"]]


def fresh() -> OpenAIChat:
    return OpenAIChat(SignatureMemory(None), {})


GOOGLE = {"google": {"thought_signature": SIG}}
KEPT: list[Any] = [
    pytest.param({"extra_content": GOOGLE}),
    pytest.param({"extra_content": {"google": {"thoughtSignature": SIG}}}, id="camel"),
    pytest.param({"provider_specific_fields": {"thought_signature": SIG}}, id="provider"),
    pytest.param({"thought_signature": SIG}, id="bare"),
    pytest.param({"thoughtSignature": SIG}, id="bare-camel"),
    pytest.param({"function": {"name": "f", "arguments": "{}", "extra_content": GOOGLE}}, id="in-the-function"),
    pytest.param({"id": f"call_x__thought__{SIG}"}, id="thought"),
    pytest.param({"id": f"call_x__sig__{SIG}"}, id="sig"),
    pytest.param({"id": f"call_x_TSIG_{SIG}"}, id="tsig"),
]


@pytest.mark.parametrize("kept", KEPT)
def test_a_signature_that_the_client_kept(kept: dict[str, Any]) -> None:
    message = assistant_calls(("a", "f", "{}"))
    message["tool_calls"][0] |= kept
    assert signatures([*HI, message, result(message["tool_calls"][0]["id"], "1")]) == [SIG]


LOST: list[Any] = [
    pytest.param({"id": "call_x__thought__not base64"}, id="no-base64"),
    pytest.param({"extra_content": {"google": {"thought_signature": "%%%"}}}, id="no-base64"),
    pytest.param({"extra_content": {"google": {"thought_signature": SIG[:-1]}}}, id="truncated"),
    pytest.param({"extra_content": {"google": {"thought_signature": 5}}}, id="number"),
    pytest.param({"extra_content": "x"}, id="text"),
    pytest.param({}),
]


@pytest.mark.parametrize("kept", LOST)
def test_a_signature_that_is_lost_has_a_stand_in(kept: dict[str, Any]) -> None:
    message = assistant_calls(("a", "f", "{}"), ("b", "f", "{}"))
    message["tool_calls"][0] |= kept
    messages = [*HI, message, result(message["tool_calls"][0]["id"], "1"), result("b", "1")]
    assert signatures(messages) == [DUMMY, None]
    assert signatures(messages, model=OLD) == [None, None]
    assert "stand-in" in told(messages=messages, model=NEW)
    assert told(messages=messages, model=OLD) == ""


def test_only_the_current_turn_needs_a_stand_in() -> None:
    step = [assistant_calls(("a", "f", "{}")), result("a", "1")]
    assert signatures([*HI, *step, *HI, *step, *step]) == [None, DUMMY, DUMMY]


def test_a_client_that_keeps_nothing_but_ids() -> None:
    dialect = fresh()
    found = talk(dialect, [candidate(call("f", thoughtSignature=SIG), call("g")), STOP])
    made = called(found)
    assert made[0]["extra_content"] == {"google": {"thought_signature": SIG}}
    assert "extra_content" not in made[1]
    said = [json.dumps(delta) for delta in deltas(found)]
    assert sum(SIG in delta for delta in said) == 1
    history = [
        *HI,
        assistant_calls(*((it["id"], "renamed", "{}") for it in made)),
        *(result(it["id"], "1") for it in made),
    ]
    assert signatures(history, dialect) == [SIG, None]  # by the id alone
    assert signatures(history, fresh()) == [DUMMY, None]
    assert signatures(history, dialect, NEWEST) == [DUMMY, None]  # another family's


def test_a_family_s_signature_is_not_another_s_even_if_the_client_kept_it() -> None:
    dialect = fresh()
    (made,) = called(talk(dialect, [candidate(call("f", thoughtSignature=SIG)), STOP]))
    message = assistant_calls((made["id"], "f", "{}"))
    message["tool_calls"][0]["extra_content"] = made["extra_content"]
    history = [*HI, message, result(made["id"], "1")]
    assert signatures(history, dialect) == [SIG]
    assert signatures(history, dialect, NEWEST) == [DUMMY]


def test_a_signature_in_a_later_part_belongs_to_the_call() -> None:
    dialect = fresh()
    chunks = [candidate(call("f")), candidate({"text": "", "thoughtSignature": SIG}, finishReason="STOP")]
    (made,) = called(talk(dialect, chunks))
    assert signatures([*HI, assistant_calls((made["id"], "f", "{}")), result(made["id"], "1")], dialect) == [SIG]


def test_a_later_signature_does_not_replace_the_call_s_own() -> None:
    dialect = fresh()
    chunks = [candidate(call("f", thoughtSignature=SIG)), candidate({"text": "", "thoughtSignature": OTHER}), STOP]
    (made,) = called(talk(dialect, chunks))
    assert signatures([*HI, assistant_calls((made["id"], "f", "{}")), result(made["id"], "1")], dialect) == [SIG]


def test_a_later_signature_is_not_for_the_second_of_two_calls() -> None:
    dialect = fresh()
    chunks = [
        candidate(call("f", thoughtSignature=SIG)),
        candidate(call("g")),
        candidate({"text": "", "thoughtSignature": OTHER}, finishReason="STOP"),
    ]
    made = called(talk(dialect, chunks))
    calls = assistant_calls(*((it["id"], "f", "{}") for it in made))
    assert signatures([*HI, calls, *(result(it["id"], "1") for it in made)], dialect) == [SIG, None]


def test_a_later_signature_belongs_to_the_text_where_there_is_one() -> None:
    dialect = fresh()
    chunks = [candidate({"text": "so:"}, call("f")), candidate({"text": "", "thoughtSignature": SIG}), STOP]
    (made,) = called(talk(dialect, chunks))
    history = [*HI, assistant_calls((made["id"], "f", "{}"), content="so:"), result(made["id"], "1")]
    assert signatures(history, dialect) == [SIG, DUMMY]


def test_a_later_signature_does_not_replace_the_text_s_own() -> None:
    dialect = fresh()
    signed = candidate({"text": "so:", "thoughtSignature": SIG}, call("f"))
    (made,) = called(talk(dialect, [signed, candidate({"text": "", "thoughtSignature": OTHER}), STOP]))
    history = [*HI, assistant_calls((made["id"], "f", "{}"), content="so:"), result(made["id"], "1")]
    assert signatures(history, dialect) == [SIG, DUMMY]


CODE = {"executableCode": {"language": "PYTHON", "code": "1"}}


@pytest.mark.parametrize("part", [CODE, {"fileData": {"fileUri": "u"}}, {"toolCall": {}}, {"hologram": {}}])
def test_the_signature_of_another_part_is_not_the_text_s(part: dict[str, Any]) -> None:
    dialect = fresh()
    found = talk(dialect, [text("a"), candidate({**part, "thoughtSignature": SIG}), text("b"), STOP])
    assert SIG not in json.dumps(found)
    assert signatures([*HI, {"role": "assistant", "content": said(found)}, *HI], dialect) == [None]


URL = "data:image/png;base64,iVBORw0KGgo="
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
DRAWN = {"role": "assistant", "content": "A cat.", "images": [{"type": "image_url", "image_url": {"url": URL}}]}
AMONG_PARTS = {
    "role": "assistant",
    "content": [{"type": "text", "text": "A cat."}, {"type": "image_url", "image_url": {"url": URL}}],
}


@pytest.mark.parametrize("echo", [DRAWN, AMONG_PARTS])
@pytest.mark.parametrize("is_stream", [True, False])
def test_an_image_goes_back_with_its_signature(echo: dict[str, Any], is_stream: bool) -> None:
    dialect = fresh()
    chunk = candidate(
        {"text": "A cat.", "thoughtSignature": OTHER}, {**IMAGE, "thoughtSignature": SIG}, finishReason="STOP"
    )
    exchange(dialect, stream=is_stream, model=NEW).whole(
        {"content-type": "application/json"}, json.dumps(chunk).encode()
    )
    request = chat_request(model=NEW, messages=[*HI, echo, {"role": "user", "content": "Now a dog."}])
    (_, turn, _) = chat_ask(request, dialect).request["contents"]
    blob = {**IMAGE, "thoughtSignature": SIG}
    assert turn["parts"][-1] == blob
    assert turn["parts"][0]["text"] == "A cat."
    if echo is DRAWN:
        assert turn["parts"][0]["thoughtSignature"] == OTHER


def test_an_image_without_its_signature_goes_to_models_that_want_none() -> None:
    messages = [*HI, DRAWN, *HI]
    (_, turn, _) = chat_ask(chat_request(model=OLD, messages=messages)).request["contents"]
    assert turn["parts"] == [{"text": "A cat."}, IMAGE]
    (_, turn, _) = chat_ask(chat_request(model=NEW, messages=messages)).request["contents"]
    assert turn["parts"] == [{"text": "A cat."}]
    assert "messages[1].images[0] cannot go back" in told(model=NEW, messages=messages)
    assert told(model=OLD, messages=messages) == ""


@pytest.mark.parametrize("images", [[{"type": "image_url"}], [None], ["x"], {"a": 1}, "x"])
def test_images_that_are_none_are_told_of(images: Any) -> None:
    assert "messages[1].images[0] cannot go back" in told(messages=[*HI, {**DRAWN, "images": images}, *HI])


def test_an_image_that_cannot_be_read_is_named() -> None:
    broken = {**DRAWN, "images": [{"image_url": "data:image/png;base64,%"}]}
    assert str(refused(messages=[*HI, broken, *HI]).param).startswith("messages[1].images[0]")


def test_images_are_told_apart_by_all_that_they_are() -> None:
    big = URL + "A" * 100_000
    others = [
        URL,
        big[:-1],
        big + "A",
        big[:50_000] + "B" * 1000 + big[51_000:],
        big[:-1] + "B",
    ]
    assert len({image_id(url) for url in [big, *others]}) == 1 + len(others)


def test_answers_that_run_side_by_side_do_not_mix() -> None:
    dialect = fresh()
    first, second = (exchange(dialect, stream=True, model=NEW) for _ in range(2))
    wire = [sse_bytes([candidate(call("f", thoughtSignature=signature)), STOP]) for signature in (SIG, OTHER)]
    heard: list[list[bytes]] = [[], []]
    for a, b in zip(wire[0], wire[1], strict=True):
        heard[0] += first.transform(bytes([a]))
        heard[1] += second.transform(bytes([b]))
    for frames, running, signature in ((heard[0], first, SIG), (heard[1], second, OTHER)):
        (made,) = called(events(b"".join(frames + running.transform(b""))))
        assert signatures([*HI, assistant_calls((made["id"], "f", "{}")), result(made["id"], "1")], dialect) == [
            signature
        ]


ANSWERED = {"role": "assistant", "content": "It is 漢 sunny."}
TEXT = [text("It is 漢"), candidate({"text": " sunny.", "thoughtSignature": SIG}, finishReason="STOP")]
AS_PARTS = {"role": "assistant", "content": [{"type": "text", "text": "It is 漢 "}, {"type": "text", "text": "sunny."}]}
HISTORIES: list[Any] = [
    pytest.param([*HI, ANSWERED, *HI], [SIG], id="same"),
    pytest.param([*HI, AS_PARTS, *HI], [None, SIG], id="as-parts"),
    pytest.param([*HI, ANSWERED, {"role": "user", "content": "other"}], [SIG], id="another-end"),
    pytest.param([*HI, {**ANSWERED, "content": "It is sunny"}, *HI], [None], id="another-text"),
    pytest.param([*HI, *HI, ANSWERED, *HI], [None], id="another-beginning"),
    pytest.param([{"role": "system", "content": "x"}, *HI, ANSWERED, *HI], [None], id="another-system"),
]


@pytest.mark.parametrize(("messages", "expected"), HISTORIES)
def test_the_signature_of_a_text(messages: list[Any], expected: list[str | None]) -> None:
    dialect = fresh()
    found = talk(dialect, TEXT)
    assert deltas(found)[-2] == {"extra_content": {"google": {"thought_signature": SIG}}}
    assert signatures(messages, dialect) == expected
    assert signatures(messages, fresh()) == [None] * len(expected)
    assert signatures(messages, dialect, NEWEST) == [None] * len(expected)


def test_the_signature_of_a_text_in_a_whole_answer() -> None:
    dialect = fresh()
    running = exchange(dialect, model=NEW)
    wire = json.dumps(candidate({"text": ANSWERED["content"], "thoughtSignature": SIG}, finishReason="STOP")).encode()
    message = json.loads(running.whole({}, wire).body)["choices"][0]["message"]
    assert message["extra_content"] == GOOGLE
    assert signatures([*HI, ANSWERED, *HI], dialect) == [SIG]
    assert signatures([*HI, message, *HI], fresh()) == [SIG]  # the client kept it


def test_a_text_before_calls_keeps_its_signature() -> None:
    dialect = fresh()
    chunks = [candidate({"text": "so:", "thoughtSignature": SIG}, call("f", thoughtSignature=OTHER)), STOP]
    (made,) = called(talk(dialect, chunks, tools=[function("f")]))
    history = [*HI, assistant_calls((made["id"], "f", "{}"), content="so:"), result(made["id"], "1")]
    assert signatures(history, dialect) == [SIG, OTHER]


def test_the_history_of_a_history() -> None:
    dialect = fresh()
    talk(dialect, TEXT)
    longer = [*HI, ANSWERED, {"role": "user", "content": [{"type": "text", "text": "and then?"}]}]
    talk(
        dialect,
        [text("rain", finishReason="STOP"), candidate({"text": "", "thoughtSignature": OTHER})],
        messages=longer,
    )
    assert signatures([*longer, {"role": "assistant", "content": "rain"}, *HI], dialect) == [SIG, OTHER]


def test_what_signs_a_thought_goes_nowhere() -> None:
    found = talk(fresh(), [candidate({"text": "hm", "thought": True, "thoughtSignature": SIG}), text("a"), STOP])
    assert SIG not in json.dumps(found)


def test_two_signatures_of_one_text_come_as_one() -> None:
    signed = candidate({"text": "a", "thoughtSignature": SIG}, {"text": "b", "thoughtSignature": OTHER})
    told_of = [delta["extra_content"] for delta in deltas(talk(fresh(), [signed, STOP])) if "extra_content" in delta]
    assert told_of == [{"google": {"thought_signature": OTHER}}]


def picture(data: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{data}"
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"role": "user", "content": content}


CAT, DOG, LONG_CAT = "aVZCT1J3MEtHZ28=", "aVZCT1J3MEtHZ29=", "AAAAaVZCT1J3MEtHZ28="


@pytest.mark.parametrize(("shown", "expected"), [(CAT, SIG), (DOG, None), (LONG_CAT, None)])
def test_a_text_s_signature_belongs_to_the_media_that_it_was_about(shown: str, expected: str | None) -> None:
    """Two conversations with the same words and other pictures are two."""
    dialect = fresh()
    signed = candidate({"text": "It is an animal.", "thoughtSignature": SIG}, finishReason="STOP")
    exchange(dialect, model=NEW, messages=[picture(CAT)]).whole(
        {"content-type": "application/json"}, json.dumps(signed).encode()
    )
    history = [picture(shown), {"role": "assistant", "content": "It is an animal."}, *HI]
    assert signatures(history, dialect) == [expected]
