"""What the emulated model "would say": a request in, a list of parts out. Deterministic, and plainly not a model."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from gemini_proxy.emulator.ask import Ask, Plan
from gemini_proxy.emulator.calls import function_calls
from gemini_proxy.emulator.fields import decoded
from gemini_proxy.emulator.schema import sample
from gemini_proxy.emulator.strict_tools import has_tool

Json = dict[str, Any]
QUOTED = 400  # characters of the user's text that are said back
COMMAND = "Reply exactly:"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FLOURISH = "It comes in small pieces, with letters from elsewhere: café, 漢字, 🚀."


def plan_for(ask: Ask) -> Plan:
    parts = next(said for behaviour in BEHAVIOURS if (said := behaviour(ask)) is not None)
    extras = _grounding(ask, parts) if has_tool(ask.request, "googleSearch") else {}
    if has_tool(ask.request, "urlContext"):
        extras |= _url_context(ask)
    return Plan(tuple(parts), tuple(_thoughts(ask)) if ask.thinks else (), extras, 25 if extras else 0)


def _thoughts(ask: Ask) -> list[str]:
    return [
        f"**Reading the request**\n\nThe user wrote {len(ask.text)} characters. ",
        "**Choosing an answer**\n\nAn emulator has only one: the rehearsed one. ",
    ]


def _text(text: str) -> list[Json]:
    return [{"text": text}]


def function_results(ask: Ask) -> list[Json] | None:
    if not ask.responses:
        return None
    said = [
        f"{answer['name']} answered {json.dumps(answer.get('response', {}), ensure_ascii=False)}{_blobs(answer)}."
        for answer in ask.responses
    ]
    return _text(" ".join([*said, "That is all the gemini-proxy emulator makes of it."]) + _blobs(ask.turn[-1]))


# Texts -------------------------------------------------------------------------------------------------------------


def exact_reply(ask: Ask) -> list[Json] | None:
    """`Reply exactly: X` in the user's last text or in the system instruction: X to the end of the line."""
    for text in (ask.text, ask.system):
        _, command, rest = text.partition(COMMAND)
        if command:
            return _text(rest.split("\n", 1)[0].strip())
    return None


def json_answer(ask: Ask) -> list[Json] | None:
    if ask.generation.get("responseMimeType") not in ("application/json", "text/x.enum"):
        return None
    schema = ask.generation.get("responseJsonSchema", ask.generation.get("responseSchema"))
    if schema is None:
        value: Any = {"from": "gemini-proxy emulator", "you_said": _quote(ask.text), "letters": "café 漢字 🚀"}
    else:
        value = sample(schema)
    if ask.generation["responseMimeType"] == "text/x.enum":
        return _text(str(value))
    return _text(json.dumps(value, ensure_ascii=False, indent=2))


def code_execution(ask: Ask) -> list[Json] | None:
    if not has_tool(ask.request, "codeExecution"):
        return None
    return [
        {"text": "The gemini-proxy emulator computes this:\n\n"},
        {"executableCode": {"language": "PYTHON", "code": f"print({len(ask.text)})"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": f"{len(ask.text)}\n"}},
        {"text": f"Your text has {len(ask.text)} characters."},
    ]


def searched(ask: Ask) -> list[Json] | None:
    if not has_tool(ask.request, "googleSearch"):
        return None
    return _text(
        "The gemini-proxy emulator searched nothing: café means coffee house. "
        "漢字 are characters of Chinese origin. "
        f"You asked: «{_quote(ask.text)}»."
    )


def plain_text(ask: Ask) -> list[Json] | None:
    said = f"This is the gemini-proxy emulator, not Google. You said: «{_quote(ask.text)}»."
    other = f" (Candidate {ask.candidate + 1}.)" if ask.candidate else ""
    return _text(f"{said}{_blobs(ask.turn[0])} {FLOURISH}{other}")


def spoken(ask: Ask) -> list[Json] | None:
    """Speech: 24,000 samples of 16 bits a second, here a tenth of a second of silence."""
    if "AUDIO" not in ask.family.modalities:
        return None
    return [{"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": b64encode(bytes(4800)).decode()}}]


def drawn(ask: Ask) -> list[Json] | None:
    if "IMAGE" not in ask.family.modalities:
        return None
    return [{"text": "Here is a picture of the emulator's: "}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}]


def _quote(text: str) -> str:
    return text if len(text) <= QUOTED else text[:QUOTED] + "…"


def _blobs(holder: Json) -> str:
    """A sentence for each attachment: that it arrived, and how large it is when decoded."""
    said = ""
    for part in holder.get("parts", []):
        if "inlineData" in part:
            size = len(decoded(part["inlineData"]["data"]) or b"")
            said += f" Received {part['inlineData']['mimeType']} ({size} bytes)."
        if "fileData" in part:
            said += f" Received a link to {part['fileData'].get('fileUri', '')}."
    return said


# Search and links --------------------------------------------------------------------------------------------------


def _grounding(ask: Ask, parts: list[Json]) -> Json:
    """Segments count UTF-8 bytes (docs/protocol.md, P-709), which shows only behind a letter that is not ASCII."""
    text = "".join(part.get("text", "") for part in parts)
    if not text:
        return {}
    ends = [match.end() for match in re.finditer(r"\. ", text)][:2] or [len(text)]
    supports, start = [], 0
    for i, end in enumerate(ends):
        segment = text[start:end].rstrip()
        first = len(text[:start].encode())
        place = {"startIndex": first} if first else {}  # zero is the default and is left out
        span = {**place, "endIndex": first + len(segment.encode()), "text": segment}
        supports.append({"segment": span, "groundingChunkIndices": [i], "confidenceScores": [0.9]})
        start = end
    chunks = [{"web": {"uri": f"https://example.com/{i + 1}", "title": f"example{i + 1}.com"}} for i in range(2)]
    return {
        "groundingMetadata": {
            "searchEntryPoint": {"renderedContent": '<div class="container">emulated search</div>'},
            "groundingChunks": chunks,
            "groundingSupports": supports,
            "webSearchQueries": [_quote(ask.text)],
        }
    }


def _url_context(ask: Ask) -> Json:
    urls = re.findall(r"https?://[^\s<>\"')]+", ask.text)
    status = "URL_RETRIEVAL_STATUS_SUCCESS"
    found = [{"retrievedUrl": url, "urlRetrievalStatus": status} for url in urls]
    return {"urlContextMetadata": {"urlMetadata": found}}


# The first that has something to say, says it.
BEHAVIOURS: tuple[Callable[[Ask], list[Json] | None], ...] = (
    spoken,
    drawn,
    function_calls,
    exact_reply,
    json_answer,
    function_results,
    code_execution,
    searched,
    plain_text,
)
