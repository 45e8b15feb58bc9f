"""Gemini's answer as events: chunks in, text, thoughts, calls and an end out, whatever dialect will say them.

Google's habits are dealt with here, once: cumulative usage (the last one wins), STOP after a function call and often
in a chunk of its own, reasons that Google adds over time, streams that stop without a reason.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.answer.events import Call, Code, End, Event, Link, Media, Reason, Signature, Text, Thought
from gemini_proxy.gemini.answer.partial_calls import PartialCall
from gemini_proxy.gemini.wire import AnswerPart, Candidate, FunctionCall, GenerateContentResponse, UsageMetadata

# An open set: what is not here counts as a stop, and the native word is told beside it.
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
LONGEST = 1000  # characters of Google's own words in an error


# Members of a part that say nothing by themselves: searches and the like, as Google's own tools tell them to its own
# clients, come again as grounding.
WORDS = {"text", "thought", "thoughtSignature", "partMetadata"}
SILENT = {*WORDS, "toolCall", "toolResponse"}
LOGPROBS, CITATIONS = "logprobsResult", "citationMetadata"
# What a candidate tells about its answer as a whole.
EXTRAS = {"groundingMetadata", CITATIONS, "urlContextMetadata", LOGPROBS}


@dataclass
class Turn:
    """What is remembered of one candidate: never its text, so that memory does not grow with the stream."""

    reason: str = ""
    message: str = ""
    spoke: bool = False
    thought: bool = False
    called: bool = False
    open: PartialCall | None = None
    part: int = -1  # the place of the last part among all parts, as they would be in an answer that is not streamed
    kind: str = ""  # of that part
    extras: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Reader:
    """Reads the chunks of one answer; `ends` says how it ended, once, after the last.

    `asked` is the number of candidates, `limit_param` what the client's protocol calls the limit of output tokens.
    """

    asked: int = 1
    limit_param: str = "the limit"
    usage: UsageMetadata | None = None
    model_version: str = ""
    trace_id: str = ""
    warnings: list[str] = field(default_factory=list)
    _turns: dict[int, Turn] = field(default_factory=dict)
    _block: str = ""
    _block_message: str = ""
    _lost: str = ""

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

    def ends(self, *, broken: bool = False) -> list[End]:
        """How each candidate ended; `broken`: what Google sent broke off. Raises ProxyError where the answer is not a
        whole one, or none at all."""
        if self._lost:
            raise incomplete(self._lost)
        if not self._turns:
            raise self._empty()
        ends = [self._end(index, turn) for index, turn in sorted(self._turns.items())]
        if not any(turn.spoke or turn.thought or turn.called for turn in self._turns.values()):
            self._refuse_if_blocked(ends)
        if len(ends) < self.asked:
            if broken:
                raise incomplete()
            self._warn(f"Google sent {len(ends)} of {self.asked} choices")
        return ends

    def _candidate(self, candidate: Candidate) -> Iterator[Event]:
        index = candidate.get("index") or 0
        turn = self._turns.setdefault(index, Turn())
        turn.reason = candidate.get("finishReason") or turn.reason
        turn.message = candidate.get("finishMessage") or turn.message
        for name, extra in candidate.items():
            if name in EXTRAS and isinstance(extra, dict):
                _keep(turn.extras, name, extra)
        goes_on = True
        for part in (candidate.get("content") or {}).get("parts") or ():
            # The first part of a chunk goes on with the last one of the chunk before, if both are words of one kind.
            kind = "" if "text" not in part else "thought" if part.get("thought") is True else "text"
            if not (goes_on and kind and kind == turn.kind):
                turn.part += 1
            turn.kind, goes_on = kind, False
            if len(part) == 1 and (words := part.get("text")):  # as nearly all are
                turn.spoke = True
                yield Text(index, words, turn.part)
            else:
                yield from self._part(index, turn, part)

    def _part(self, index: int, turn: Turn, part: AnswerPart) -> Iterator[Event]:
        signature = part.get("thoughtSignature") or ""
        if (call := part.get("functionCall")) is not None:
            yield from self._call(index, turn, call, signature)
        elif part.get("thought") is True:
            # A draft of an image is a thought as well, and not part of the answer. What signs a thought goes nowhere:
            # thoughts are not sent back to Google.
            turn.thought = True
            if text := part.get("text"):
                yield Thought(index, text)
        elif text := part.get("text"):
            turn.spoke = True
            yield Text(index, text, turn.part)
            if signature:
                yield Signature(index, signature)
        elif other := self._other(index, part, signature):
            turn.spoke = True
            yield other
        elif signature and part.keys() <= WORDS:
            yield Signature(index, signature, alone=True)

    def _call(self, index: int, turn: Turn, call: FunctionCall, signature: str) -> Iterator[Event]:
        if turn.open or call.get("willContinue") or call.get("partialArgs") is not None:
            turn.open = turn.open or PartialCall()
            self._lost = turn.open.add(call, signature) or self._lost
            if call.get("willContinue"):
                return
            whole, turn.open = turn.open, None
            call, signature = {"name": whole.name, "args": whole.args, "id": whole.id}, whole.signature
        if name := call.get("name"):
            turn.called = True
            yield Call(index, name, call.get("args") or {}, call.get("id") or "", signature)
        elif any(call.values()):
            self._lost = "Google sent a function call without a name."
        else:
            self._warn("an empty function call was skipped")

    def _other(self, index: int, part: AnswerPart, signature: str) -> Event | None:
        if blob := part.get("inlineData"):
            return Media(index, blob.get("mimeType") or "application/octet-stream", blob.get("data") or "", signature)
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

    def _empty(self) -> ProxyError:
        if self._block:
            return blocked("Google refused the prompt", self._block, self._block_message)
        return ProxyError(502, "upstream_empty_response", "Google sent an empty answer. Try again.", retry=True)

    def _refuse_if_blocked(self, ends: Iterable[End]) -> None:
        """Raises ProxyError where Google said nothing but why: most programs show the reason of an error, and an
        answer with a reason in place of words as a blank."""
        if all(end.reason == "blocked" for end in ends):
            first = next(iter(ends))
            raise blocked("Google refused to answer", first.native, first.message)

    def _end(self, index: int, turn: Turn) -> End:
        if self._block and not turn.reason:  # what it had begun to answer
            return End(index, "blocked", self._block, self._block_message, turn.extras)
        if not turn.reason or (turn.open and ENDS.get(turn.reason, "stop") == "stop"):
            raise incomplete()
        if turn.reason in BROKEN and not turn.called:
            text = " ".join(filter(None, (BROKEN[turn.reason], turn.message[:LONGEST], "Try again.")))
            raise ProxyError(502, turn.reason.lower(), text, retry=True)
        self._remark(turn)
        return End(index, self._reason(turn), turn.reason, turn.message, turn.extras)

    def _reason(self, turn: Turn) -> Reason:
        reason = ENDS.get(turn.reason, "stop")
        # A call ends with STOP, often in a later chunk; it is whole even at MAX_TOKENS. Where the answer was blocked,
        # the client decides what a call in it is worth.
        return "calls" if turn.called and reason != "blocked" else reason

    def _remark(self, turn: Turn) -> None:
        if turn.reason in BROKEN:
            self._warn(f"after its tool calls the model broke off ({turn.reason})")
        elif turn.reason not in ENDS:
            self._warn(f"unknown finish reason {turn.reason} was passed on as stop")
        if turn.spoke or turn.called:
            return
        if turn.reason == "MAX_TOKENS":
            self._warn(f"all output tokens were spent on thinking: raise {self.limit_param}")
        elif turn.thought:
            self._warn("the model only thought and said nothing")


def incomplete(why: str = "Google's answer ended before it was complete.") -> ProxyError:
    text = f"{why} What came so far is not the whole answer; try again."
    return ProxyError(502, "upstream_incomplete", text, retry=True)


def blocked(what: str, reason: str, message: str) -> ProxyError:
    advice = "Change what you ask: the same again would most likely be refused, too."
    text = " ".join(filter(None, (f"{what} ({reason[:LONGEST]}).", message[:LONGEST], advice)))
    return ProxyError(400, "content_filter", text, retry=False)


def _keep(extras: dict[str, dict[str, Any]], name: str, extra: dict[str, Any]) -> None:
    """The last one wins, but log probabilities come with each chunk, and citations where a citation is."""
    before = extras.setdefault(name, {})
    if name not in (LOGPROBS, CITATIONS):
        extras[name] = extra
        return
    for member, value in extra.items():
        if isinstance(value, list):
            known = before.setdefault(member, [])
            told_again = name == CITATIONS and value[: len(known)] == known
            known += value[len(known) :] if told_again else value
