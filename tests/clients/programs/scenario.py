"""What every client is put through, and how its program talks to the driver (tests/clients/__main__.py).

A line `@["VERB", "TEXT"]` on standard output is for the driver, which answers each with an empty line when it is done.
Verbs: `version`, `passed` and `failed` (a step), and what the driver is to do: `restart`, `crash` or `forget` (the proxy
starts again: in order, after a kill -9, without what it remembered), `busy` (Google refuses the next call).
"""

import asyncio
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ConfigDict

BASE_URL = os.environ["BASE_URL"]
API_KEY = os.environ["API_KEY"]
FLASH = "gemini-2.5-flash"
PRO = "gemini-3-pro-preview"  # wants thought signatures back

SAID = "This is the gemini-proxy emulator, not Google. You said: «{}»."
HI = [{"role": "user", "content": "hi"}]


# Driver --------------------------------------------------------------------------------------------------------------


def tell(verb: str, text: str = "") -> None:
    sys.stdout.write(f"@{json.dumps([verb, text])}\n")
    sys.stdout.flush()
    if not sys.stdin.readline():
        sys.exit("the driver has gone")


def run(package: str, *steps: Callable[[], Any]) -> None:
    """Every step gets its turn, whatever became of the ones before."""
    tell("version", f"{package} {version(package)}")
    for step in steps:
        try:
            outcome = step()
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)
        except Exception:
            tell("failed", f"{step.__name__}\n{traceback.format_exc()}")
        else:
            tell("passed", step.__name__)


# Tools: the emulator calls those that the user names, "then" begins another step -------------------------------------

ASKED = (
    'get_weather {"city": "Oslo"} and get_time {"city": "Oslo"} then convert {"celsius": 7} '
    'then book {"place": "Frognerparken", "party": {"adults": 2, "children": 0}}'
)
ANSWERED = "book answered"  # how the last answer begins

_calls: list[tuple[str, Any]] = []
_midway = ""


class Party(BaseModel):
    model_config = ConfigDict(extra="forbid")
    adults: int
    children: int


def get_weather(city: str) -> str:
    """Says the weather of a city."""
    _calls.append(("get_weather", city))
    return f"7 degrees in {city}"


def get_time(city: str) -> str:
    """Says the time of day in a city."""
    _calls.append(("get_time", city))
    return json.dumps({"city": city, "time": "12:30"})


def convert(celsius: int) -> str:
    """Turns degrees Celsius into degrees Fahrenheit."""
    _calls.append(("convert", celsius))
    if _midway:
        tell(_midway)
    return f"{celsius * 9 / 5 + 32} F"


def book(place: str, party: Party) -> str:
    """Books a picnic."""
    party = Party.model_validate(party)
    _calls.append(("book", (place, party.adults, party.children)))
    return "booked"


FUNCTIONS = (get_weather, get_time, convert, book)


@contextmanager
def loop(midway: str = "") -> Iterator[None]:
    """Sees to it that all calls are made in here, two at once and then one by one; `midway` goes to the driver
    between two steps."""
    global _midway
    _calls.clear()
    _midway = midway
    yield
    first, rest = sorted(_calls[:2]), _calls[2:]
    assert first == [("get_time", "Oslo"), ("get_weather", "Oslo")], _calls
    assert rest == [("convert", 7), ("book", ("Frognerparken", 2, 0))], _calls


def call(name: str, arguments: str) -> str:
    """What a hand-written loop does with a call."""
    function = next(function for function in FUNCTIONS if function.__name__ == name)
    return function(**json.loads(arguments))


def _declared(name: str, description: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }
    function = {"name": name, "description": description, "parameters": schema, "strict": True}
    return {"type": "function", "function": function}


CITY = {"city": {"type": "string", "minLength": 1}}
PARTY = {"party": {"$ref": "#/$defs/Party"}}
TOOLS = [
    _declared("get_weather", "Says the weather of a city.", CITY),
    _declared("get_time", "Says the time of day in a city.", CITY),
    _declared("convert", "Degrees Celsius to degrees Fahrenheit.", {"celsius": {"type": "integer"}}),
    _declared(
        "book",
        "Books a picnic.",
        {"place": {"type": ["string", "null"]}, **PARTY},
        **{"$defs": {"Party": Party.model_json_schema()}},
    ),
]


# Structured output ---------------------------------------------------------------------------------------------------


class Step(BaseModel):
    explanation: str
    output: str


class Tree(BaseModel):
    """Contains itself."""

    name: str
    branches: list["Tree"]


class Solution(BaseModel):
    """Nested, with a union and an enum-like literal among its fields."""

    steps: list[Step]
    final: str
    note: str | None
    confidence: float
