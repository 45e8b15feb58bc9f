"""From a plan to Google's chunks: cutting, limits, usage, signatures, the envelope."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from gemini_proxy.emulator import signatures
from gemini_proxy.emulator.ask import Ask, Plan
from gemini_proxy.emulator.model import plan_for

Json = dict[str, Any]
TOKENS_PER_CHUNK = 3
BLOB_TOKENS = 258  # what Gemini counts for a picture
_TOKEN = re.compile(r"\s*[^\s]{1,6}|\s+")
MODALITIES = {"image": "IMAGE", "audio": "AUDIO", "video": "VIDEO", "application": "DOCUMENT"}


def tokens_of(text: str) -> list[str]:
    """A simple, reversible cut: joined again they are the text."""
    return _TOKEN.findall(text)


@dataclass(frozen=True)
class Piece:
    """What one chunk adds to a candidate."""

    part: Json | None = None
    tokens: int = 0
    thoughts: int = 0
    finish: str = ""


def trace_id(number: int) -> str:
    return hashlib.sha256(f"trace {number}".encode()).hexdigest()[:16]


def prompt_counts(request: Json) -> dict[str, int]:
    """Tokens of the prompt by modality."""
    counts = {"TEXT": 0}
    for content in [*request.get("contents", []), request.get("systemInstruction", {})]:
        for part in content.get("parts", []):
            blob = part.get("inlineData") or part.get("fileData")
            if blob:
                modality = MODALITIES.get(str(blob.get("mimeType", "")).partition("/")[0], "TEXT")
                counts[modality] = counts.get(modality, 0) + BLOB_TOKENS
            else:
                counts["TEXT"] += _weight(part)
    if "tools" in request:
        counts["TEXT"] += _weight(request["tools"])
    return counts


def _weight(value: Any) -> int:
    text = value["text"] if isinstance(value, dict) and "text" in value else json.dumps(value, ensure_ascii=False)
    return len(tokens_of(text))


class ModelAnswer:
    """One answer of the model: as a list of stream chunks, or as the one body of generateContent."""

    def __init__(self, envelope: Json, number: int, now: float) -> None:
        self.request: Json = envelope["request"]
        self.model = envelope["model"].removeprefix("models/")
        self.number = number
        self.trace_id = trace_id(number)
        self._created = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._prompt = prompt_counts(self.request)
        count = self.request.get("generationConfig", {}).get("candidateCount", 1)
        self._plans = [plan_for(Ask(self.model, self.request, i)) for i in range(count)]
        self._tool_tokens = max(plan.tool_tokens for plan in self._plans)

    def chunks(self) -> Iterator[Json]:
        """Candidates take turns; every chunk says the usage so far."""
        tokens = thoughts = 0
        streams = [list(self._pieces(i)) for i in range(len(self._plans))]
        for row in zip_longest(*streams):
            for index, piece in enumerate(row):
                if piece is None:
                    continue
                tokens, thoughts = tokens + piece.tokens, thoughts + piece.thoughts
                yield self._envelope([self._candidate(index, piece)], self._usage(tokens, thoughts, bool(piece.finish)))

    def whole(self) -> Json:
        tokens = thoughts = 0
        candidates = []
        for index in range(len(self._plans)):
            pieces = list(self._pieces(index))
            tokens += sum(piece.tokens for piece in pieces)
            thoughts += sum(piece.thoughts for piece in pieces)
            candidates.append(self._whole_candidate(index, pieces))
        return self._envelope(candidates, self._usage(tokens, thoughts, True))

    # Pieces --------------------------------------------------------------------------------------------------------

    def _pieces(self, index: int) -> Iterator[Piece]:
        ask, plan = Ask(self.model, self.request, index), self._plans[index]
        budget = ask.generation.get("maxOutputTokens", 1_000_000)
        # Thinking spends the same budget; it can use all of it before a word is said (docs/protocol.md, P-512).
        costs = [len(tokens_of(thought)) for thought in plan.thoughts]
        if sum(costs) >= budget:
            yield Piece(thoughts=budget, finish="MAX_TOKENS")
            return
        spoken = self._spoken(ask, plan, index, budget - sum(costs))
        if ask.shows_thoughts:
            for thought, cost in zip(plan.thoughts, costs, strict=True):
                yield Piece({"text": thought, "thought": True}, thoughts=cost)
        else:
            yield replace(next(spoken), thoughts=sum(costs))  # counted, but there is no chunk of them
        yield from spoken

    def _spoken(self, ask: Ask, plan: Plan, index: int, budget: int) -> Iterator[Piece]:
        stops = ask.generation.get("stopSequences", [])
        for position, part in enumerate(plan.parts):
            if "text" not in part:
                weight = BLOB_TOKENS if "inlineData" in part else _weight(part)
                yield Piece(self._finished_part(ask, part, index, position), tokens=weight)
                budget = max(budget - weight, 1)  # a call is always whole (docs/protocol.md, P-704)
                continue
            text, stopped = _stop(part["text"], stops)
            tokens = tokens_of(text)
            for start in range(0, min(len(tokens), budget), TOKENS_PER_CHUNK):
                group = tokens[start : min(start + TOKENS_PER_CHUNK, budget)]
                yield Piece({"text": "".join(group)}, tokens=len(group))
            if len(tokens) > budget:
                yield self._end(ask, index, "MAX_TOKENS")
                return
            budget -= len(tokens)
            if stopped:
                break
        yield self._end(ask, index, "STOP")

    def _end(self, ask: Ask, index: int, finish: str) -> Piece:
        """The closing chunk: on Gemini 3 an empty text with the signature of a text answer, else no part. A client
        may send back all parts that it got, and an empty one without a signature would be refused."""
        if not ask.family.gemini_3 or not any("text" in spoken for spoken in self._plans[index].parts):
            return Piece(finish=finish)
        signature = signatures.sign_text(f"{self.number} {index}")
        return Piece({"text": "", "thoughtSignature": signature}, finish=finish)

    def _finished_part(self, ask: Ask, part: Json, index: int, position: int) -> Json:
        """A call of Gemini 3 has an id, and the first of a step its signature; 2.5 has neither (8.1, 8.3)."""
        if "functionCall" not in part or not ask.family.gemini_3:
            return part
        nonce = f"{self.number} {index} {position}"
        call = part["functionCall"]
        signed: Json = {"functionCall": {**call, "id": _base36(nonce)}}
        if position == 0:
            signed["thoughtSignature"] = signatures.sign_call(call["name"], call["args"], nonce)
        return signed

    # Chunks --------------------------------------------------------------------------------------------------------

    def _candidate(self, index: int, piece: Piece) -> Json:
        candidate: Json = {}
        if piece.part is not None:
            candidate["content"] = {"parts": [piece.part], "role": "model"}
        if piece.finish:
            candidate |= {"finishReason": piece.finish, **self._plans[index].extras}
        return {**candidate, "index": index}

    def _whole_candidate(self, index: int, pieces: list[Piece]) -> Json:
        parts: list[Json] = []
        for part in (piece.part for piece in pieces if piece.part is not None):
            if parts and _joins(parts[-1], part):
                parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
            elif part != {"text": ""}:
                parts.append(part)
        candidate: Json = {"content": {"parts": parts, "role": "model"}} if parts else {}
        return {**candidate, "finishReason": pieces[-1].finish, **self._plans[index].extras, "index": index}

    def _usage(self, tokens: int, thoughts: int, last: bool) -> Json:
        prompt = sum(self._prompt.values())
        tool = self._tool_tokens if last else 0
        usage: Json = {"promptTokenCount": prompt}
        if tokens:
            usage["candidatesTokenCount"] = tokens
        usage["totalTokenCount"] = prompt + tokens + thoughts + tool
        usage["promptTokensDetails"] = [
            {"modality": modality, "tokenCount": count} for modality, count in self._prompt.items() if count
        ]
        if tool:
            usage["toolUsePromptTokenCount"] = tool
            usage["toolUsePromptTokensDetails"] = [{"modality": "TEXT", "tokenCount": tool}]
        if thoughts:
            usage["thoughtsTokenCount"] = thoughts
        return usage

    def _envelope(self, candidates: list[Json], usage: Json) -> Json:
        response = {
            "candidates": candidates,
            "usageMetadata": usage,
            "modelVersion": self.model,
            "createTime": self._created,
            "responseId": f"emulator-{self.number}",
        }
        return {"response": response, "traceId": self.trace_id, "metadata": {}}


def _stop(text: str, stops: list[str]) -> tuple[str, bool]:
    """The text up to the stop sequence that comes first, which is not part of the answer."""
    cuts = [at for stop in stops if (at := text.find(stop)) >= 0]
    return (text[: min(cuts)], True) if cuts else (text, False)


def _joins(before: Json, part: Json) -> bool:
    return "text" in before and "text" in part and before.get("thought") == part.get("thought")


def _base36(nonce: str) -> str:
    """Eight characters, as real ids of calls have."""
    number = int.from_bytes(hashlib.sha256(nonce.encode()).digest()[:8])
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(digits[number // 36**i % 36] for i in range(8))
