"""Golden files: what Google said (NAME.google.*) and what a client must hear, streamed and whole (NAME.openai.*).

The shapes are those of answers that the service gave; texts, ids and signatures are made up.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.exchanges import exchange, function

SAMPLES = Path(__file__).parents[2] / "samples"
TYPES = {".sse": "text/event-stream", ".json": "application/json; charset=UTF-8"}
CHATS: dict[str, dict[str, Any]] = {
    "grounding": {"tools": [{"type": "google_search"}]},
    "malformed_function_call": {"tools": [function("look_around")]},
    "text_signature_last_part": {},
    "tool_call_signature": {"tools": [function("look_around")]},
}


def rendered(name: str, stream: bool) -> bytes:
    (google,) = SAMPLES.glob(f"{name}.google.*")
    chat = {"model": "gemini-3-flash-preview", "stream_options": {"include_usage": True}, **CHATS[name]}
    answer = exchange(stream=stream, **chat).whole({"content-type": TYPES[google.suffix]}, google.read_bytes())
    body = re.sub(rb'"id":"chatcmpl-\w+"', b'"id":"chatcmpl-0"', answer.body)
    return re.sub(rb'"created":\d+', b'"created":0', body)


@pytest.mark.parametrize("name", CHATS)
def test_a_stream_is_what_the_sample_says(name: str) -> None:
    assert rendered(name, stream=True).decode() == (SAMPLES / f"{name}.openai.sse").read_text("utf-8")


@pytest.mark.parametrize("name", CHATS)
def test_a_whole_answer_is_what_the_sample_says(name: str) -> None:
    assert json.loads(rendered(name, stream=False)) == json.loads((SAMPLES / f"{name}.openai.json").read_text("utf-8"))


def test_each_sample_is_rendered() -> None:
    assert {path.name.partition(".")[0] for path in SAMPLES.iterdir() if path.is_file()} == set(CHATS)
