"""Gemini's answer as events: chunks in, text, thoughts, calls and an end out, whatever dialect will say them.

Google's habits are dealt with here, once: cumulative usage (the last one wins), STOP after a function call and often
in a chunk of its own, reasons that Google adds over time, streams that stop without a reason (protocol 4, 8).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.events import Call, Code, End, Event, Link, Media, Reason, Signature, Text, Thought
from gemini_proxy.gemini.partial_calls import PartialCall
from gemini_proxy.gemini.wire import AnswerPart, Candidate, FunctionCall, GenerateContentResponse, UsageMetadata

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


# What a candidate tells about its answer as a whole: the last one wins, but log probabilities come with each chunk.
# Members of a part that say nothing by themselves: searches and the like, as Google's own tools tell them to its own
# clients, come again as grounding (C155).
SILENT = ("text", "thought", "thoughtSignature", "partMetadata", "toolCall", "toolResponse")
LOGPROBS = "logprobsResult"
EXTRAS = ("groundingMetadata", "citationMetadata", "urlContextMetadata", LOGPROBS)


@dataclass
class Turn:
    """What is remembered of one candidate: never its text, so that memory does not grow with the stream."""

    reason: str = ""
    message: str = ""
    spoke: bool = False
    thought: bool = False
    called: bool = False
    open: PartialCall | None = None
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Reader:
    """Reads the chunks of one answer; `ends` says how it ended, once, after the last."""

    usage: UsageMetadata | None = None
    model_version: str = ""
    trace_id: str = ""
    warnings: list[str] = field(default_factory=list)
    _turns: dict[int, Turn] = field(default_factory=dict)
    _block: str = ""
    _block_message: str = ""

    def feed(self, chunk: GenerateContentResponse) -> Iterator[Event]:
        if usage := chunk.get("usageMetadata"):
            self.usage = usage
        if version := chunk.get("modelVersion"):
            self.model_version = version
        if trace := chunk.get("traceId") or chunk.get("responseId"):
            self.trace_id = trace
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
        if (call := part.get("functionCall")) is not None:
            yield from self._call(index, turn, call, signature)
            return
        thought = part.get("thought") is True
        if text := part.get("text"):
            yield self._words(index, turn, text, thought)
        elif other := self._other(index, part):
            turn.spoke = True
            yield other
        if signature and not thought:  # thoughts never go back to Google (C111), so neither does what signs them
            yield Signature(index, signature)

    def _call(self, index: int, turn: Turn, call: FunctionCall, signature: str) -> Iterator[Event]:
        if turn.open or call.get("willContinue"):
            turn.open = turn.open or PartialCall()
            turn.open.add(call, signature)
            if call.get("willContinue"):
                return
            whole, turn.open = turn.open, None
            call, signature = {"name": whole.name, "args": whole.args, "id": whole.id}, whole.signature
        if name := call.get("name"):
            turn.called = True
            yield Call(index, name, call.get("args") or {}, call.get("id") or "", signature)
        else:
            self._warn("a function call without a name was skipped")

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
            told = {"executableCode": {**code}}
            return Code(index, (code.get("language") or "").lower(), code.get("code") or "", told)
        if result := part.get("codeExecutionResult"):
            output = result.get("output") or result.get("outcome") or ""
            return Code(index, "", output, {"codeExecutionResult": {**result}})
        if unknown := [name for name in part if name not in SILENT]:
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
        if not turn.reason or (turn.open and ENDS.get(turn.reason, "stop") == "stop"):
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
