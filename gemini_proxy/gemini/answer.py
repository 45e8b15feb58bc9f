"""Gemini's answer as events: chunks in, text, thoughts, calls and an end out, whatever dialect will say them.

Google's habits are dealt with here, once: cumulative usage (the last one wins), STOP after a function call and often
in a chunk of its own, reasons that Google adds over time, streams that stop without a reason (protocol 4, 8).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.wire import AnswerPart, Candidate, GenerateContentResponse, UsageMetadata

Reason = Literal["stop", "length", "blocked", "calls"]

# Protocol 8.4, mapping A.4. An open set: what is not here counts as a stop, and the native word is told beside it.
ENDS: dict[str, Reason] = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "blocked",
    "RECITATION": "blocked",
    "LANGUAGE": "blocked",
    "BLOCKLIST": "blocked",
    "PROHIBITED_CONTENT": "blocked",
    "SPII": "blocked",
    "OTHER": "blocked",
    "MODEL_ARMOR": "blocked",
    "ESCALATION": "blocked",
    "IMAGE_SAFETY": "blocked",
    "IMAGE_PROHIBITED_CONTENT": "blocked",
    "IMAGE_RECITATION": "blocked",
    "IMAGE_OTHER": "blocked",
    "NO_IMAGE": "blocked",
}

# The model broke off: whoever takes such an answer for a finished turn stops working half way, so it is an error, and
# one that a second try can cure.
BROKEN = {
    "MALFORMED_FUNCTION_CALL": "The model wrote a function call that could not be read.",
    "UNEXPECTED_TOOL_CALL": "The model called a tool that the request does not allow.",
    "TOO_MANY_TOOL_CALLS": "The model called too many tools in one turn.",
    "MALFORMED_RESPONSE": "The model wrote an answer that could not be read.",
    "MISSING_THOUGHT_SIGNATURE": "A function call in the conversation lacks its thought signature.",
}


@dataclass(frozen=True, slots=True)
class Text:
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function call: Google sends it whole, its arguments as an object. `id` and `signature` may be empty."""

    index: int
    name: str
    args: dict[str, Any]
    id: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """The thought signature of what was said last; it often comes in a part of its own (C59, C96)."""

    index: int
    signature: str


@dataclass(frozen=True, slots=True)
class Media:
    """An image or sound, base64 as Google sends it."""

    index: int
    mime_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Link:
    index: int
    mime_type: str
    uri: str


@dataclass(frozen=True, slots=True)
class Code:
    """Code that Google ran, or what came out of it."""

    index: int
    language: str
    text: str


Event = Text | Thought | Call | Signature | Media | Link | Code

# What a candidate tells about its answer as a whole: the last one wins, but log probabilities come with each chunk.
LOGPROBS = "logprobsResult"
EXTRAS = ("groundingMetadata", "citationMetadata", "urlContextMetadata", LOGPROBS)


@dataclass(frozen=True, slots=True)
class End:
    """How one candidate ended. `native` is Google's word, "" where only the prompt was judged."""

    index: int
    reason: Reason
    native: str
    message: str = ""
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Turn:
    """What is remembered of one candidate: never its text, so that memory does not grow with the stream."""

    reason: str = ""
    message: str = ""
    spoke: bool = False
    thought: bool = False
    called: bool = False
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Reader:
    """Reads the chunks of one answer; `ends` says how it ended, once, after the last."""

    usage: UsageMetadata | None = None
    model_version: str = ""
    warnings: list[str] = field(default_factory=list)
    _turns: dict[int, Turn] = field(default_factory=dict)
    _block: str = ""
    _block_message: str = ""

    def feed(self, chunk: GenerateContentResponse) -> Iterator[Event]:
        if usage := chunk.get("usageMetadata"):
            self.usage = usage
        if version := chunk.get("modelVersion"):
            self.model_version = version
        if feedback := chunk.get("promptFeedback"):
            self._block = feedback.get("blockReason") or self._block
            self._block_message = feedback.get("blockReasonMessage") or self._block_message
        for candidate in chunk.get("candidates") or ():
            yield from self._candidate(candidate)

    def ends(self) -> list[End]:
        """How each candidate ended. Raises ProxyError where the answer is not one: nothing came, or it broke off."""
        if not self._turns:
            return [self._blocked()]
        return [self._end(index, turn) for index, turn in sorted(self._turns.items())]

    def _candidate(self, candidate: Candidate) -> Iterator[Event]:
        index = candidate.get("index") or 0
        turn = self._turns.setdefault(index, Turn())
        turn.reason = candidate.get("finishReason") or turn.reason
        turn.message = candidate.get("finishMessage") or turn.message
        for name in EXTRAS:
            if isinstance(extra := candidate.get(name), dict):
                turn.extras[name] = _joined(turn.extras.get(name, {}), extra) if name == LOGPROBS else extra
        for part in (candidate.get("content") or {}).get("parts") or ():
            yield from self._part(index, turn, part)

    def _part(self, index: int, turn: Turn, part: AnswerPart) -> Iterator[Event]:
        signature = part.get("thoughtSignature") or ""
        if call := part.get("functionCall"):
            turn.called = True
            yield Call(index, call.get("name") or "", call.get("args") or {}, call.get("id") or "", signature)
            return
        if text := part.get("text"):
            yield self._words(index, turn, text, part.get("thought") is True)
        elif other := self._other(index, part):
            turn.spoke = True
            yield other
        if signature:
            yield Signature(index, signature)

    def _words(self, index: int, turn: Turn, text: str, thought: bool) -> Event:
        if thought:
            turn.thought = True
            return Thought(index, text)
        turn.spoke = True
        return Text(index, text)

    def _other(self, index: int, part: AnswerPart) -> Event | None:
        if blob := part.get("inlineData"):
            return Media(index, blob.get("mimeType") or "application/octet-stream", blob.get("data") or "")
        if file := part.get("fileData"):
            return Link(index, file.get("mimeType") or "", file.get("fileUri") or "")
        if code := part.get("executableCode"):
            return Code(index, (code.get("language") or "").lower(), code.get("code") or "")
        if result := part.get("codeExecutionResult"):
            return Code(index, "", result.get("output") or result.get("outcome") or "")
        if unknown := [name for name in part if name not in ("text", "thought", "thoughtSignature")]:
            self._warn(f"a part of unknown kind ({unknown[0]}) was skipped")
        return None

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _blocked(self) -> End:
        if not self._block:
            raise ProxyError(502, "upstream_empty_response", "Google sent an empty answer. Try again.", retry=True)
        return End(0, "blocked", "", self._block_message or f"Google refused the prompt ({self._block}).")

    def _end(self, index: int, turn: Turn) -> End:
        if not turn.reason:
            text = "Google's answer ended before it was complete. What came so far is not the whole answer; try again."
            raise ProxyError(502, "upstream_incomplete", text, retry=True)
        if turn.reason in BROKEN and not turn.called:
            text = " ".join(filter(None, (BROKEN[turn.reason], turn.message, "Try again.")))
            raise ProxyError(502, turn.reason.lower(), text, retry=True)
        self._remark(turn)
        return End(index, self._reason(turn), turn.reason, turn.message, turn.extras)

    def _reason(self, turn: Turn) -> Reason:
        reason = ENDS.get(turn.reason, "stop")
        # A call ends with STOP, often in a later chunk (C32, C33); it is whole even at MAX_TOKENS (C34). Where the
        # answer was blocked, the client decides what a call in it is worth (C35).
        return "calls" if turn.called and reason != "blocked" else reason

    def _remark(self, turn: Turn) -> None:
        if turn.reason in BROKEN:
            self._warn(f"after its tool calls the model broke off ({turn.reason})")
        elif turn.reason not in ENDS:
            self._warn(f"unknown finish reason {turn.reason} was passed on as stop")
        if turn.spoke or turn.called:
            return
        if turn.reason == "MAX_TOKENS":
            self._warn("all output tokens were spent on thinking: raise max_completion_tokens")
        elif turn.thought:
            self._warn("the model only thought and said nothing")


def _joined(before: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    lists = {name: before.get(name, []) + value for name, value in more.items() if isinstance(value, list)}
    return {**before, **lists}
