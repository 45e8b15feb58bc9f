"""Answers as every dialect gets them, and a protocol of content blocks that is written over nothing but that."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.gemini.answer.citations import Citation
from gemini_proxy.gemini.answer.events import Call, Code, ContentEvent, Link, Media, Reason, Text, Thought
from gemini_proxy.gemini.answer.resolved import Ending, ResolvedAnswer
from gemini_proxy.gemini.answer.usage import usage_in
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.transcript import Transcript, image_id
from gemini_proxy.gemini.wire import RESPONSE

SIG = "c2ln"


def chunk(*parts: Any, usage: Any = None, **candidate: Any) -> Any:
    candidates = [{"content": {"parts": list(parts)}, **candidate}]
    return RESPONSE.validate_python({"candidates": candidates, "usageMetadata": usage})


def call(name: str = "f", call_id: str = "", signature: str = "", **args: Any) -> dict[str, Any]:
    signed = {"thoughtSignature": signature} if signature else {}
    return {"functionCall": {"name": name, "args": args, "id": call_id}, **signed}


def resolved(answer: ResolvedAnswer, *parts: Any) -> list[ContentEvent]:
    return list(answer.feed(chunk(*parts)))


def calls(*parts: Any, **options: Any) -> list[Call]:
    return [event for event in resolved(ResolvedAnswer(**options), *parts) if isinstance(event, Call)]


def the_end(answer: ResolvedAnswer, *parts: Any, **candidate: Any) -> Ending:
    list(answer.feed(chunk(*parts, **{"finishReason": "STOP", **candidate})))
    (end,) = answer.ends()
    return end


@pytest.mark.parametrize("odd", ["", "call:1", "x" * 41, "é", "a b", "a\n"])
def test_an_id_that_some_client_refuses_is_replaced(odd: str) -> None:
    (made,) = calls(call(call_id=odd))
    assert made.id != odd
    assert made.id.startswith("call_")
    assert len(made.id) <= 40


def test_a_usable_id_is_kept_and_one_that_comes_again_is_not() -> None:
    first, second = calls(call(call_id="a-1"), call(call_id="a-1"))
    assert first.id == "a-1"
    assert second.id not in ("", "a-1")


def test_tools_have_the_client_s_names() -> None:
    names = ToolNames(["a.b/c"])
    answer = ResolvedAnswer(names=names)
    assert [event.name for event in resolved(answer, call(names.to_wire("a.b/c"))) if isinstance(event, Call)] == [
        "a.b/c"
    ]
    assert answer.warnings == []
    resolved(answer, call("unknown"))
    assert answer.warnings == ["the model called 'unknown', which the request does not declare"]


def remembered(*parts: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    answer = ResolvedAnswer(remember=found.__setitem__)
    for part in parts:
        list(answer.feed(chunk(part)))
    list(answer.feed(chunk(finishReason="STOP")))
    answer.ends()
    return found


ALONE = {"text": "", "thoughtSignature": SIG}
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}, "thoughtSignature": SIG}


def text_id(*words: str) -> str:
    transcript = Transcript().answer()
    for word in words:
        transcript.add(word)
    return transcript.text_id


@pytest.mark.parametrize(
    ("parts", "owners"),
    [
        pytest.param([call(call_id="a", signature=SIG), call(call_id="b")], ["a"], id="with-its-call"),
        pytest.param([call(call_id="a"), ALONE], ["a"], id="after-its-call"),
        pytest.param([call(call_id="a"), call(call_id="b"), ALONE], [], id="of-one-of-two-calls"),
        pytest.param([{"text": "x"}, ALONE], [text_id("x")], id="of-the-text"),
        pytest.param([{"text": "x"}, {"text": "y", "thoughtSignature": SIG}], [text_id("xy")], id="with-the-text"),
        pytest.param([{"text": "x"}, call(call_id="a"), ALONE], [text_id("x")], id="the-text-before-a-call"),
        pytest.param([IMAGE], [image_id("data:image/png;base64,QUJD")], id="of-an-image"),
        pytest.param([{"text": "x", "thought": True, "thoughtSignature": SIG}], [], id="of-a-thought"),
    ],
)
def test_what_a_signature_is_remembered_for(parts: list[Any], owners: list[str]) -> None:
    assert remembered(*parts) == dict.fromkeys(owners, SIG)


def test_the_signature_of_the_text_comes_with_the_end() -> None:
    assert the_end(ResolvedAnswer(), {"text": "x", "thoughtSignature": SIG}).signature == SIG
    assert the_end(ResolvedAnswer(), call(signature=SIG)).signature == ""


def grounding(start: int, end: int, **segment: Any) -> dict[str, Any]:
    support = {"segment": {"startIndex": start, "endIndex": end, **segment}, "groundingChunkIndices": [0]}
    return {"groundingChunks": [{"web": {"uri": "u", "title": "t"}}], "groundingSupports": [support]}


def test_citations_count_characters_of_the_text() -> None:
    end = the_end(ResolvedAnswer(), {"text": "é sunny"}, groundingMetadata=grounding(3, 8))
    assert end.citations == [Citation(2, 7, "u", "t")]


@pytest.mark.parametrize(("block", "start"), [("", 0), ("[code]", 6)])
def test_citations_count_what_the_dialect_puts_into_the_text(block: str, start: int) -> None:
    answer = ResolvedAnswer(in_text=lambda event: block)
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    end = the_end(answer, code, {"text": "sunny"}, groundingMetadata=grounding(0, 5, partIndex=1))
    assert end.citations == [Citation(start, start + 5, "u", "t")]


def test_the_finished_text_is_checked() -> None:
    for words, warned in ((["{", "}"], False), (["no ", "JSON"], True)):
        answer = ResolvedAnswer(check=lambda text: "" if text == "{}" else f"got {text}", format_param="format")
        for word in words:
            resolved(answer, {"text": word})
        the_end(answer)
        assert answer.warnings == (["the answer is not what format asks for: got no JSON"] if warned else [])


def test_a_call_that_did_not_come() -> None:
    for part, warned in (({"text": "no"}, True), (call(), False)):
        answer = ResolvedAnswer(must_call=True, names=ToolNames(["f"]))
        the_end(answer, part)
        assert any("tool_choice" in warning for warning in answer.warnings) == warned


STOPS: dict[Reason, str] = {"stop": "end_turn", "length": "max_tokens", "blocked": "refusal", "calls": "tool_use"}


class BlockRenderer:
    """A protocol of content blocks, as Anthropic's: each has an index, begins, goes on and stops before the next."""

    def __init__(self, answer: ResolvedAnswer) -> None:
        self._answer = answer
        self._kind = ""  # of the open block
        self._index = -1

    def feed(self, piece: Any) -> list[Any]:
        return [frame for event in self._answer.feed(piece) for frame in self._frames(event)]

    def end(self) -> list[Any]:
        (end,) = self._answer.ends()
        usage = usage_in(self._answer.reader.usage or {})
        delta = {"stop_reason": STOPS[end.reason]}
        counts = {"input_tokens": usage.input - usage.cached, "output_tokens": usage.output}
        return [
            *self._stop(),
            {"type": "message_delta", "delta": delta, "usage": counts},
            {"type": "message_stop"},
        ]

    def _frames(self, event: ContentEvent) -> Iterator[Any]:
        match event:
            case Thought(text=text):
                yield from self._go_on("thinking", "thinking", text)
            case Text(text=text):
                yield from self._go_on("text", "text", text)
            case Call(id=call_id, name=name, args=args):
                yield from self._start({"type": "tool_use", "id": call_id, "name": name, "input": {}})
                yield self._delta({"type": "input_json_delta", "partial_json": json.dumps(args)})
            case Code(language=language, text=text):
                yield from self._go_on("text", "text", f"```{language}\n{text}\n```\n")
            case Link(uri=uri):
                yield from self._go_on("text", "text", uri)
            case Media(mime_type=mime, data=data):
                source = {"type": "base64", "media_type": mime, "data": data}
                yield from self._start({"type": "image", "source": source})

    def _go_on(self, kind: str, member: str, text: str) -> Iterator[Any]:
        if self._kind != kind:
            yield from self._start({"type": kind, member: ""})
        yield self._delta({"type": f"{kind}_delta", member: text})

    def _start(self, block: dict[str, Any]) -> Iterator[Any]:
        yield from self._stop()
        self._kind, self._index = block["type"], self._index + 1
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, delta: dict[str, Any]) -> Any:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _stop(self) -> Iterator[Any]:
        if self._kind:
            self._kind = ""
            yield {"type": "content_block_stop", "index": self._index}


def blocks_of(frames: list[Any]) -> list[list[Any]]:
    """The blocks as a strict client puts them together: the kind of each, then its pieces."""
    blocks: list[list[Any]] = []
    is_open = False
    for frame in frames:
        kind = frame["type"].removeprefix("content_block_")
        if kind == "start":
            assert not is_open
            assert frame["index"] == len(blocks)
            blocks.append([frame["content_block"]["type"]])
            is_open = True
            continue
        if kind in ("delta", "stop"):
            assert is_open
            assert frame["index"] == len(blocks) - 1
            is_open = kind == "delta"
        if kind == "delta":
            blocks[-1] += [value for name, value in frame["delta"].items() if name != "type"]
    assert not is_open
    return blocks


def block_frames(*chunks: Any) -> list[Any]:
    renderer = BlockRenderer(ResolvedAnswer(names=ToolNames(["f"])))
    frames = [frame for piece in chunks for frame in renderer.feed(piece)]
    return [*frames, *renderer.end()]


def test_a_protocol_of_blocks() -> None:
    usage = {"promptTokenCount": 9, "cachedContentTokenCount": 4, "candidatesTokenCount": 2, "thoughtsTokenCount": 3}
    frames = block_frames(
        chunk({"text": "hm", "thought": True}),
        chunk({"text": "I "}),
        chunk({"text": "look."}, call(x=1), call(x=2)),
        chunk({"text": "oh", "thought": True}, {"text": "", "thoughtSignature": SIG}),
        chunk({"text": "Done."}, finishReason="STOP", usage=usage),
    )
    assert blocks_of(frames) == [
        ["thinking", "hm"],
        ["text", "I ", "look."],
        ["tool_use", '{"x": 1}'],
        ["tool_use", '{"x": 2}'],
        ["thinking", "oh"],
        ["text", "Done."],
    ]
    assert frames[-2:] == [
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"input_tokens": 5, "output_tokens": 5},
        },
        {"type": "message_stop"},
    ]


PARTS = st.sampled_from(
    [
        {"text": "a"},
        {"text": "b", "thought": True},
        {"text": ""},
        ALONE,
        IMAGE,
        call(),
        {"executableCode": {"code": "1"}},
        {"fileData": {"fileUri": "u"}},
        {"hologram": {}},
    ]
)


@given(st.lists(st.lists(PARTS, max_size=4), max_size=6))
def test_blocks_never_overlap_whatever_comes(pieces: list[list[Any]]) -> None:
    frames = block_frames(*(chunk(*parts) for parts in pieces), chunk(finishReason="STOP"))
    found = blocks_of(frames)
    told = [part["text"] for parts in pieces for part in parts if part.get("text") and not part.get("thought")]
    assert "".join(told) == "".join(
        piece for kind, *rest in found if kind == "text" for piece in rest if piece in ("a", "b")
    )
    assert len(found) >= sum("functionCall" in part for parts in pieces for part in parts)
