"""What tools gave back: which result answers which call, and how Gemini wants to read it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.lenient_json import json_from, with_long_numbers_as_text
from gemini_proxy.gemini.wire import Part


@dataclass(slots=True)  # made for each message: a frozen one takes three times as long to make
class CallName:
    """A function call, as far as its result may name it: by its id, "" for none, or by the function."""

    id: str
    function: str


@dataclass(slots=True)
class ResultName:
    """A result, and the call that it names: by id, by function, by both or by none. `param` is the result's place in
    the client's request, `id_member` what the id is called in it."""

    call_id: str
    function: str
    param: str
    id_member: str


Key = tuple[int, int]  # which message, which of its calls
History = Sequence[Sequence[CallName] | ResultName]  # of each message, its calls, or the call that it is the result of


def answered(history: History, remarks: list[str]) -> dict[Key, int]:
    """The place of the message that answers a call. Raises ProxyError 400 for a result that answers none.

    It is the nearest call before it with its id, or else with its name. Of calls that share an id, or have none, each
    result answers the next one: adapters are about that give all calls of a function one id, or the empty one.
    """
    results: dict[Key, int] = {}
    by_id: dict[str, _Calls] = {}
    by_name: dict[str, _Calls] = {}
    step = _Calls()
    for place, entry in enumerate(history):
        if isinstance(entry, ResultName):
            # A result with an id that no call has can only belong to a call that has none.
            found = by_id.get(entry.call_id) or by_name.get(entry.function) or by_id.get("")
            found = found or (step if not entry.call_id and not entry.function else None)
            if not found:
                raise _unknown_result(entry)
            key = found.next(results)
            if key in results:
                remarks.append(f"{entry.param}: its tool call has several results; the last one counts")
            results[key] = place
        elif entry:  # a new step; an id that comes again stands for its latest calls
            here = [(call, (place, i)) for i, call in enumerate(entry)]
            by_name = _grouped((call.function, key) for call, key in here)
            by_id.pop("", None)
            by_id |= _grouped((call.id, key) for call, key in here)
            step = _Calls([key for _, key in here])
    return results


@dataclass
class _Calls:
    """Calls that go by one id or one name, in order; before `first`, all have their results."""

    keys: list[Key] = field(default_factory=list)
    first: int = 0

    def __bool__(self) -> bool:
        return bool(self.keys)

    def next(self, results: dict[Key, int]) -> Key:
        """The first that has no result, or the last."""
        while self.first < len(self.keys) - 1 and self.keys[self.first] in results:
            self.first += 1
        return self.keys[self.first]


def _grouped(named: Iterable[tuple[str, Key]]) -> dict[str, _Calls]:
    groups: dict[str, _Calls] = defaultdict(_Calls)
    for name, key in named:
        groups[name].keys.append(key)
    return dict(groups)


def unique_ids(history: History) -> dict[Key, str]:
    """The ids of calls as Google takes them: no two alike, though histories of other adapters have such."""
    ids: dict[Key, str] = {}
    times: Counter[str] = Counter()
    used: set[str] = set()
    for place, entry in enumerate(history):
        for i, call in enumerate(() if isinstance(entry, ResultName) else entry):
            name = call.id
            while name in used:
                times[call.id] += 1
                name = f"{call.id}-{times[call.id]}"
            if name:
                used.add(name)
                ids[place, i] = name
    return ids


def bare(part: Part) -> Part:
    """Media inside a function's response, where Gemini knows neither resolution nor video metadata. A part that is
    still to be fetched stays the object that will be filled."""
    part.pop("mediaResolution", None)
    part.pop("videoMetadata", None)
    return part


def as_object(text: str) -> dict[str, Any]:
    """A JSON object as it is; all else is text, as the tool wrote it, under `output`. So is an object with a `$ref`,
    which Gemini reads as a pointer to a part, and one with a number that Google would not keep."""
    try:
        value = json_from(text) if text[:1].isspace() or text[:1] == "{" else None
    except ValueError:
        value = None
    if not isinstance(value, dict) or _points(value) or with_long_numbers_as_text(text) != text:
        return {"output": text}
    return value


def _points(value: object) -> bool:
    if isinstance(value, dict):
        return isinstance(value.get("$ref"), str) or any(_points(inner) for inner in value.values())
    return isinstance(value, list) and any(_points(inner) for inner in value)


def _unknown_result(result: ResultName) -> Exception:
    return bad_request(
        f"No tool call before this message has the id {result.call_id or None!r}.", f"{result.param}.{result.id_member}"
    )
