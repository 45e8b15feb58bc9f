"""Which functions the rehearsed model calls: those the user writes as calls, or the one it is made to call.

A word of a sentence is no call: a demo beside real work would write files and run commands that nobody asked for.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gemini_proxy.emulator.ask import Ask
from gemini_proxy.emulator.schema import sample
from gemini_proxy.emulator.strict_contents import calls_in
from gemini_proxy.emulator.strict_tools import declarations_in

Json = dict[str, Any]


def function_calls(ask: Ask) -> list[Json] | None:
    config = ask.request.get("toolConfig", {}).get("functionCallingConfig", {})
    mode = config.get("mode", "AUTO")
    names = [declared["name"] for declared in declarations_in(ask.request)]
    allowed = config.get("allowedFunctionNames") or names
    if not names or mode == "NONE":
        return None
    forced = mode == "ANY" or bool(config.get("allowedFunctionNames"))
    steps = mentioned(ask.text, allowed, bare=forced)
    wanted = steps[ask.steps_done] if ask.steps_done < len(steps) else []
    if not wanted and forced:  # one that this turn has not seen, so that it comes to an end
        done = {call["name"] for content in ask.turn for call in calls_in(content)}
        wanted = [(next((name for name in allowed if name not in done), allowed[-1]), None)]
    return [_call(ask, name, args) for name, args in wanted] or None


def _call(ask: Ask, name: str, args: Json | None) -> Json:
    if args is None:
        declared = next(d for d in declarations_in(ask.request) if d["name"] == name)
        made = sample(declared.get("parametersJsonSchema", declared.get("parameters", {"type": "object"})))
        args = made if isinstance(made, dict) else {}
    return {"functionCall": {"name": name, "args": args}}


def mentioned(text: str, names: list[str], bare: bool = False) -> list[list[tuple[str, Json | None]]]:
    """Functions that the text calls: a name with a JSON object behind it, its arguments, or with brackets, `name()`;
    with `bare` the name alone is enough.

    They are called together; the word "then" between two names starts another step. A name that is said again
    without arguments of its own is not another call.
    """
    steps: list[list[tuple[str, Json | None]]] = [[]]
    called: set[str] = set()
    end = 0
    choices = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    for match in re.finditer(rf"(?<!\w)(?:{choices})(?!\w)", text) if names else ():
        if match.start() < end:
            continue  # inside the arguments of the call before
        args, after = _arguments_at(text, match.end())
        if (args is None and match[0] in called) or (after == match.end() and not bare):
            continue
        between, end = text[end : match.start()], after
        if steps[-1] and re.search(r"\bthen\b", between):
            steps.append([])
        steps[-1].append((match[0], args))
        called.add(match[0])
    return [step for step in steps if step]


def _arguments_at(text: str, start: int) -> tuple[Json | None, int]:
    """The arguments behind a name, and where they end: at `start` where there are none."""
    bracket = re.compile(r"\(\s*").match(text, start)
    args, end = _object_at(text, bracket.end() if bracket else start)
    closing = re.compile(r"\s*\)").match(text, end) if bracket else None
    if bracket and not closing:
        return None, start
    return args, closing.end() if closing else end


def _object_at(text: str, start: int) -> tuple[Json | None, int]:
    brace = re.compile(r"\s*(?=\{)").match(text, start)
    if not brace:
        return None, start
    try:
        value, end = json.JSONDecoder().raw_decode(text, brace.end())
    except ValueError:
        return None, start
    return (value, end) if isinstance(value, dict) else (None, start)
