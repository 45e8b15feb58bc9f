"""A conversation in Gemini's words: turns of user and model, merged, with the results of calls where Google wants them.

    user "hi" | model calls f, g | result of g | result of f | user "and?"

becomes four turns:

    user: text | model: functionCall f, functionCall g | user: functionResponse f, functionResponse g | user: text
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.request.remote import RequestMedia
from gemini_proxy.gemini.request.results import History, Key, answered, bare, unique_ids
from gemini_proxy.gemini.request.signing import Signatures
from gemini_proxy.gemini.request.unmet import Unmet
from gemini_proxy.gemini.wire import Content, Part


@dataclass(slots=True)
class Call:
    """A function call of the conversation, as the client names it; "" where it has no id or no signature is known."""

    id: str
    name: str
    args: Mapping[str, Any]
    signature: str = ""


@dataclass(slots=True)
class ToolResponse:
    """What a tool gave back: an object, and the media that it showed."""

    response: dict[str, Any]
    media: list[Part]


class Contents:
    """Builds the contents of one request, message by message.

    A dialect says with `history` which messages are calls and which are results, walks them once, and calls `add` for
    each that says something, `answer_calls` for each result. `response` reads a result, when its turn comes: a result
    that a later one replaces is never read.
    """

    def __init__(
        self,
        history: History,
        family: Family,
        names: ToolNames,
        signatures: Signatures,
        media: RequestMedia,
        response: Callable[[int], ToolResponse],
    ) -> None:
        self.remarks: list[str] = []
        self.unsupported: list[Unmet] = []
        self.system_instruction: Content | None = None
        self._turns: list[Content] = []
        self._family = family
        self._names = names
        self._signatures = signatures
        self._media = media
        self._response = response
        self._results = answered(history, self.remarks)
        self._ids = unique_ids(history) if family.call_ids else {}
        self._open: list[tuple[Key, Call]] = []  # calls whose results have not been put in yet

    def instruct(self, parts: list[Part]) -> None:
        """What the system says before the conversation. A model that has no place for it hears it from the user."""
        if not self._family.system_instruction:
            self._add("user", parts)
        elif parts:
            self.system_instruction = {"role": "user", "parts": parts}

    def add(
        self, role: Literal["user", "model"], parts: list[Part], calls: Sequence[Call] = (), place: int = 0
    ) -> None:
        """What a message says, and the calls of the model in it; `place` is that of the message in the history."""
        if role == "user":
            self.answer_calls()
        named = [((place, i), call) for i, call in enumerate(calls)]
        self._add(role, [*parts, *(self._call(key, call) for key, call in named)])
        self._open += named

    def answer_calls(self) -> None:
        """One turn with a response for each open call, in the order of the calls: Google counts them."""
        if not self._open:
            return
        parts: list[Part] = []
        beside: list[Part] = []
        for key, call in self._open:
            function: dict[str, Any] = {"name": self._names.to_wire(call.name), **self._id(key)}
            answer = self._answer(key, call)
            function["response"] = answer.response
            if answer.media and self._family.media_in_responses:
                function["parts"] = [bare(part) for part in answer.media]
            else:
                beside += answer.media
            parts.append({"functionResponse": function})
        self._turns.append({"role": "user", "parts": [*parts, *beside]})
        self._open = []

    def end(self, last: str) -> list[Content]:
        """The contents; `last` is the place of the last message in the client's request."""
        self.answer_calls()
        turns = self._turns
        if not turns or turns[0]["role"] == "model":
            turns.insert(0, _empty_turn())  # a conversation starts with the user
        if turns[-1]["role"] == "model" and not self._family.prefill:
            # Google refuses what ends with the model's turn.
            fact = "this model does not go on with an assistant message"
            self.unsupported.append(Unmet(last, fact, "a user turn was added"))
            turns.append(_empty_turn())
        if self._family.signed_calls:
            self._signatures.complete(turns)
        return turns

    def _add(self, role: str, parts: list[Part]) -> None:
        if not parts:
            return
        last = self._turns[-1] if self._turns else None
        # A turn of results begins with one: looking at all parts would take quadratic time for messages of one role.
        if last is not None and last["role"] == role and "functionResponse" not in last["parts"][0]:
            last["parts"] += parts  # what a user says after tool results stays a turn of its own
        else:
            self._turns.append({"role": role, "parts": parts})

    def _call(self, key: Key, call: Call) -> Part:
        function = {"name": self._names.to_wire(call.name), "args": call.args, **self._id(key)}
        part: Part = {"functionCall": function}
        if call.signature:
            part["thoughtSignature"] = call.signature
        return part

    def _id(self, key: Key) -> dict[str, str]:
        return {"id": self._ids[key]} if key in self._ids else {}

    def _answer(self, key: Key, call: Call) -> ToolResponse:
        place = self._results.get(key)
        if place is None:
            self.remarks.append(f"the tool call {call.id or call.name!r} has no result; an error stands for it")
            return ToolResponse({"error": "no result provided"}, [])
        fetched = len(self._media.remote)
        answer = self._response(place)
        if self._family.media_in_responses:
            self._media.never_link(fetched)
        return answer


def _empty_turn() -> Content:
    return {"role": "user", "parts": [{"text": " "}]}
