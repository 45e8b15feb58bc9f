"""Conversations as any dialect tells them."""

from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.family import FLASH_3, FLASH_25, FLASH_35, GEMMA_3, OLD, Family
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.request.contents import Call, Contents, ToolResponse
from gemini_proxy.gemini.request.media import RemoteUrl
from gemini_proxy.gemini.request.remote import RequestMedia
from gemini_proxy.gemini.request.results import CallName, ResultName
from gemini_proxy.gemini.request.signing import Signatures
from gemini_proxy.gemini.signatures import DUMMY
from gemini_proxy.gemini.wire import Part

HI: Part = {"text": "hi"}
USER: list[CallName] = []  # the entry of a message without calls
SIG = "c2ln"


def called(*ids: str) -> list[CallName]:
    return [CallName(call_id, f"f{call_id}") for call_id in ids]


def result(call_id: str, function: str = "") -> ResultName:
    return ResultName(call_id, function, "m", "id")


def conversation(history: list[Any], family: Family = FLASH_25, **more: Any) -> Contents:
    media = more.get("media") or RequestMedia(family)
    response = more.get("response") or (lambda place: ToolResponse({"place": place}, []))
    return Contents(history, family, ToolNames(), Signatures(family.name), media, response)


def told(contents: Contents, history: list[Any]) -> list[Any]:
    """The contents of a history in which each message without calls is the user's."""
    for place, entry in enumerate(history):
        if isinstance(entry, ResultName):
            contents.answer_calls()
        elif entry:
            contents.add("model", [], [Call(call.id, call.function, {}) for call in entry], place)
        else:
            contents.add("user", [HI])
    return contents.end("last")


def responses(turn: Any) -> list[Any]:
    return [part["functionResponse"] for part in turn["parts"]]


def test_results_are_in_the_order_of_the_calls() -> None:
    history = [USER, called("a", "b"), result("b"), result("a")]
    user, model, results = told(conversation(history), history)
    assert [user["role"], model["role"], results["role"]] == ["user", "model", "user"]
    assert [part["functionCall"]["name"] for part in model["parts"]] == ["fa", "fb"]
    assert responses(results) == [{"name": "fa", "response": {"place": 3}}, {"name": "fb", "response": {"place": 2}}]


def test_a_missing_result_has_a_stand_in() -> None:
    history = [USER, called("a", "b"), result("a"), USER]
    contents = conversation(history)
    *_, results, user = told(contents, history)
    assert [it["response"] for it in responses(results)] == [{"place": 2}, {"error": "no result provided"}]
    assert user["parts"] == [HI]
    assert len(contents.remarks) == 1


def test_the_user_goes_on_after_calls_without_results() -> None:
    history = [USER, called("a"), USER]
    *_, results, user = told(conversation(history), history)
    assert [it["response"] for it in responses(results)] == [{"error": "no result provided"}]
    assert user == {"role": "user", "parts": [HI]}


def test_a_result_that_a_later_one_replaces_is_never_read() -> None:
    read: list[int] = []

    def response(place: int) -> ToolResponse:
        read.append(place)
        return ToolResponse({}, [])

    history = [USER, called("a"), result("a"), result("a")]
    contents = conversation(history, response=response)
    told(contents, history)
    assert read == [3]
    assert contents.remarks == ["m: its tool call has several results; the last one counts"]


@pytest.mark.parametrize("unknown", [result("x"), result("x", "g"), result("")])
def test_a_result_of_no_call_is_refused(unknown: ResultName) -> None:
    with pytest.raises(ProxyError) as caught:
        conversation([USER, unknown])
    assert caught.value.param == "m.id"


def test_ids_are_told_to_models_that_know_them_and_no_two_are_alike() -> None:
    history = [USER, called("a", "a"), result("a"), result("a")]
    assert "id" not in told(conversation(history), history)[1]["parts"][0]["functionCall"]
    _, model, results = told(conversation(history, FLASH_3), history)
    ids = [part["functionCall"]["id"] for part in model["parts"]]
    assert ids == [it["id"] for it in responses(results)]
    assert len(set(ids)) == 2


def test_turns_of_one_role_are_one() -> None:
    contents = conversation([USER] * 3)
    contents.add("user", [HI])
    contents.add("user", [])
    contents.add("user", [{"text": "there"}])
    assert contents.end("last") == [{"role": "user", "parts": [HI, {"text": "there"}]}]


def test_the_first_turn_is_the_user_s() -> None:
    contents = conversation([USER])
    contents.add("model", [HI])
    assert [turn["role"] for turn in contents.end("last")] == ["user", "model"]


@pytest.mark.parametrize(("family", "added"), [(FLASH_25, 0), (FLASH_35, 1)])
def test_an_unfinished_turn_of_the_model(family: Family, added: int) -> None:
    contents = conversation([USER, USER], family)
    contents.add("user", [HI])
    contents.add("model", [HI])
    assert len(contents.end("last")) == 2 + added
    assert [unmet.param for unmet in contents.unsupported] == ["last"] * added


def test_instructions_have_their_own_place_or_are_the_first_words() -> None:
    contents = conversation([])
    contents.instruct([HI])
    assert contents.system_instruction == {"role": "user", "parts": [HI]}
    contents = conversation([], GEMMA_3)
    contents.instruct([HI])
    assert contents.system_instruction is None
    assert contents.end("last") == [{"role": "user", "parts": [HI]}]


@pytest.mark.parametrize(
    ("family", "signature", "sent"), [(FLASH_3, "", DUMMY), (FLASH_3, SIG, SIG), (FLASH_25, "", None)]
)
def test_the_first_call_of_a_step_is_signed(family: Family, signature: str, sent: str | None) -> None:
    history = [USER, called("a"), result("a")]
    contents = conversation(history, family)
    contents.add("user", [HI])
    contents.add("model", [], [Call("a", "f", {}, signature)], 1)
    assert contents.end("last")[1]["parts"][0].get("thoughtSignature") == sent


def with_image(family: Family) -> tuple[RequestMedia, list[Any]]:
    media = RequestMedia(family)
    remote = RemoteUrl("https://example.com/a.png", "image", "m.image")
    history = [USER, called("a"), result("a")]
    contents = conversation(
        history,
        family,
        media=media,
        response=lambda place: ToolResponse({}, [media.look(media.part(remote), "high", image=True)]),
    )
    return media, told(contents, history)


def test_media_of_a_result_are_inside_it_or_beside_it() -> None:
    media, turns = with_image(FLASH_3)
    ((response,),) = [responses(turns[2])]
    assert not media.remote[0].link()  # a function's response holds data
    media.remote[0].fill(b"\x89PNG\r\n\x1a\n", "image/png")
    assert [set(part) for part in response["parts"]] == [{"inlineData"}]
    media, turns = with_image(FLASH_25)
    assert media.remote[0].link()
    assert turns[2]["parts"][1] == {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}}


def test_media_of_the_user_are_linked_where_google_fetches_them() -> None:
    remote = RemoteUrl("https://example.com/a.png", "image", "m.image")
    for family, linked in ((FLASH_3, True), (OLD, False)):
        media = RequestMedia(family)
        part = media.part(remote)
        history = [USER, called("a"), result("a")]
        contents = conversation(history, family, media=media)
        told(contents, history)
        assert media.remote[0].link() == linked
        assert ("fileData" in part) == linked


@pytest.mark.parametrize(
    ("details", "resolution", "warned"),
    [
        ([], None, False),
        ([None], None, False),
        (["low"], "MEDIA_RESOLUTION_LOW", False),
        (["low", "high"], "MEDIA_RESOLUTION_HIGH", True),
        (["low", None], None, True),
    ],
)
def test_one_resolution_for_all_images(details: list[str | None], resolution: str | None, warned: bool) -> None:
    media = RequestMedia(FLASH_25)
    for detail in details:
        assert media.look({}, detail, image=True) == {}
    assert media.resolution("detail") == resolution
    assert bool(media.unsupported) == warned
    media = RequestMedia(FLASH_3)
    assert [("mediaResolution" in media.look({}, detail, image=True)) for detail in details] == [
        detail is not None for detail in details
    ]
    assert media.resolution("detail") is None
