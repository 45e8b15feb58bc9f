"""Deltas that are neither plain text nor calls; see also test_answer.py and test_tools.py."""

import base64
import json
from typing import Any

import pytest

from tests.exchanges import STOP, candidate, completion, deltas, finishes, said, streamed, text, whole

PNG, SOUND = "iVBORw0KGgo=", [b"\0\1\2", b"\3\4", b"\5"]
CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)", "id": "c1"}}
OUTPUT = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n", "id": "c1"}}


def message(*parts: dict[str, Any], **chat: Any) -> dict[str, Any]:
    found: dict[str, Any] = completion(candidate(*parts, finishReason="STOP"), **chat)["choices"][0]["message"]
    return found


def extras(found: list[Any]) -> list[Any]:
    return [delta["extra_content"]["google"] for delta in deltas(found) if "extra_content" in delta]


def test_code_that_google_ran() -> None:
    parts: list[dict[str, Any]] = [{"text": "Let me see."}, CODE, OUTPUT]
    found = streamed([*(candidate(part) for part in parts), STOP])
    assert said(found) == "Let me see.\n```python\nprint(1)\n```\n\n```\n1\n```\n"
    assert extras(found) == [{"code_execution": [CODE, OUTPUT]}]
    assert message(*parts)["content"] == said(found)
    assert message(*parts)["extra_content"] == {"google": {"code_execution": [CODE, OUTPUT]}}
    failed = {"codeExecutionResult": {"outcome": "OUTCOME_FAILED"}}
    assert "OUTCOME_FAILED" in message(failed)["content"]


def test_images() -> None:
    blob = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    found = streamed([candidate(blob), text("and"), candidate(blob), STOP])
    assert [it for delta in deltas(found) for it in delta.get("images", [])] == [
        {"index": 0, **url},
        {"index": 1, **url},
    ]
    assert message(blob, blob)["images"] == [url, url]
    assert message(blob)["content"] == ""


def test_sound() -> None:
    pieces = [base64.b64encode(piece).decode() for piece in SOUND]
    parts = [{"inlineData": {"mimeType": "audio/L16;rate=24000", "data": piece}} for piece in pieces]
    chat = {"modalities": ["audio"]}
    audio = message(*parts, **chat)["audio"]
    assert set(audio) == {"id", "data", "transcript", "expires_at"}
    assert base64.b64decode(audio["data"]) == b"".join(SOUND)
    found = [
        delta["audio"]
        for delta in deltas(streamed([*(candidate(part) for part in parts), STOP], **chat))
        if "audio" in delta
    ]
    assert [piece["data"] for piece in found] == pieces
    assert ["id" in piece for piece in found] == [True, False, False]
    assert message({"inlineData": {"mimeType": "audio/x", "data": "A"}}, *parts, **chat)["audio"]["data"]


def test_a_file() -> None:
    part = {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/v"}}
    found = streamed([candidate(part), STOP])
    assert said(found) == "https://example.com/v"
    assert extras(found) == [{"files": [{"mime_type": "video/mp4", "uri": "https://example.com/v"}]}]


def test_a_draft_of_an_image_is_not_part_of_the_answer() -> None:
    draft = {"inlineData": {"mimeType": "image/jpeg", "data": "RFJBRlQ="}, "thought": True}
    final = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    assert [it["image_url"]["url"] for it in message(draft, final)["images"]] == [f"data:image/png;base64,{PNG}"]
    found = streamed([candidate(draft), candidate(final), STOP])
    assert sum("images" in delta for delta in deltas(found)) == 1


@pytest.mark.parametrize("part", [{"hologram": {}}, {"functionCall": {}}, {"functionCall": {"name": ""}}])
def test_a_part_that_nobody_knows(part: dict[str, Any]) -> None:
    answer = whole(candidate({"text": "a"}, part, {"text": "b"}, finishReason="STOP"))
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "ab"
    assert "skipped" in answer.headers["x-gemini-proxy-warnings"]
    assert said(streamed([candidate({"text": "a"}, part, {"text": "b"}), STOP])) == "ab"


def test_one_done_after_the_usage() -> None:
    found = streamed([text("a"), STOP], stream_options={"include_usage": True})
    assert found[-1] == "[DONE]"
    assert found[-2]["choices"] == []
    assert found.count("[DONE]") == 1


def test_what_google_said_of_the_end() -> None:
    blocked = candidate({"text": "a"}, finishReason="SAFETY", finishMessage="Too bold.")
    assert completion(blocked)["choices"][0]["native_finish_message"] == "Too bold."
    assert streamed([blocked])[-2]["choices"][0]["native_finish_message"] == "Too bold."
    assert said(streamed([blocked])) == "a"
    assert "native_finish_message" not in completion(text("a", finishReason="STOP"))["choices"][0]


def test_which_model_it_was() -> None:
    chunk = text("a", finishReason="STOP", usage={"totalTokenCount": 1})
    chunk["response"] |= {"modelVersion": "gemini-2.5-flash-001", "responseId": "r1"}
    answer = whole(chunk)
    assert json.loads(answer.body)["system_fingerprint"] == "gemini-2.5-flash-001"
    assert answer.headers["x-gemini-model-version"] == "gemini-2.5-flash-001"
    assert answer.headers["x-gemini-finish-reason"] == "STOP"
    assert answer.headers["x-gemini-trace-id"] == "t"
    found = streamed([chunk, text("b")], stream_options={"include_usage": True})
    assert {event["system_fingerprint"] for event in found[:-1]} == {"gemini-2.5-flash-001"}
    late = [text("a"), chunk]
    assert not any("system_fingerprint" in event for event in streamed(late)[:-1])  # the same in all chunks


def test_arguments_that_never_end_are_no_answer() -> None:
    opened = candidate({"functionCall": {"name": "f", "willContinue": True}})
    found = streamed([opened, STOP])
    assert finishes(found) == []
    assert [event["error"]["code"] for event in found if "error" in event] == ["upstream_incomplete"]
    assert finishes(streamed([opened, candidate(finishReason="MAX_TOKENS")])) == ["length"]
