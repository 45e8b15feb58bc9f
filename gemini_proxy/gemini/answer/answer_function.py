"""The answer that comes as the arguments of a function, read as the text that the client waits for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from pydantic_core import to_json

from gemini_proxy.gemini.answer.events import Call, End, Event, Text, Thought
from gemini_proxy.gemini.answer.reader import Reader
from gemini_proxy.gemini.wire import GenerateContentResponse


@dataclass
class AnswerFunctionReader(Reader):
    """Reads an answer in which calls of one function are the text. `is_answer` knows that function's name.

    Text is held back until it is clear what it is: beside such a call it would spoil the JSON, so it is told as a
    thought; beside calls of the client's functions, or alone, it is the text.
    """

    is_answer: Callable[[str], bool] = lambda name: False
    _held: dict[int, list[str]] = field(default_factory=dict)
    _answered: set[int] = field(default_factory=set)
    _called: set[int] = field(default_factory=set)

    def feed(self, chunk: GenerateContentResponse) -> Iterator[Event]:
        for event in super().feed(chunk):
            yield from self._told(event)
        for candidate in chunk.get("candidates") or ():
            if candidate and candidate.get("finishReason"):
                yield from self._let_go(candidate.get("index") or 0, Text)

    def ends(self, *, broken: bool = False) -> list[End]:
        only_answered = self._answered - self._called
        return [
            replace(end, reason="stop") if end.reason == "calls" and end.index in only_answered else end
            for end in super().ends(broken=broken)
        ]

    def _told(self, event: Event) -> Iterator[Event]:
        if isinstance(event, Text):
            self._held.setdefault(event.index, []).append(event.text)
        elif isinstance(event, Call) and self.is_answer(event.name):
            yield from self._let_go(event.index, Thought)
            if event.index in self._answered:
                self.warnings.append("the model answered more than once; the first answer counts")
                return
            self._answered.add(event.index)
            yield Text(event.index, to_json(event.args, inf_nan_mode="null").decode())
        else:
            if isinstance(event, Call):
                self._called.add(event.index)
                yield from self._let_go(event.index, Text)
            yield event

    def _let_go(self, index: int, kind: type[Text | Thought]) -> Iterator[Event]:
        if text := "".join(self._held.pop(index, ())):
            yield (Thought if index in self._answered else kind)(index, text)
