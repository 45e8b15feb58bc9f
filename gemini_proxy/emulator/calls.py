"""Which functions the rehearsed model calls: those the user names, or the one it is made to call."""

from __future__ import annotations

import json
import re
from typing import Any

from gemini_proxy.emulator.ask import Ask
from gemini_proxy.emulator.schema import sample
from gemini_proxy.emulator.strict_tools import declarations_in

Json = dict[str, Any]


def function_calls(ask: Ask) -> list[Json] | None:
    config = ask.request.get("toolConfig", {}).get("functionCallingConfig", {})
    mode = config.get("mode", "AUTO")
    names = [declared["name"] for declared in declarations_in(ask.request)]
    allowed = config.get("allowedFunctionNames") or names
    if not names or mode == "NONE":
        return None
    steps = mentioned(ask.text, allowed)
    wanted = steps[ask.steps_done] if ask.steps_done < len(steps) else []
    if not wanted and (mode == "ANY" or config.get("allowedFunctionNames")):
        wanted = [(allowed[0], None)]
    return [_call(ask, name, args) for name, args in wanted] or None


def _call(ask: Ask, name: str, args: Json | None) -> Json:
    if args is None:
        declared = next(d for d in declarations_in(ask.request) if d["name"] == name)
        made = sample(declared.get("parametersJsonSchema", declared.get("parameters", {"type": "object"})))
        args = made if isinstance(made, dict) else {}
    return {"functionCall": {"name": name, "args": args}}


def mentioned(text: str, names: list[str]) -> list[list[tuple[str, Json | None]]]:
    """Functions named in the text, with the JSON object behind a name as its arguments.

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
        between, end = text[end : match.start()], match.end()
        args, end = _object_at(text, end)
        if args is None and match[0] in called:
            continue
        if steps[-1] and re.search(r"\bthen\b", between):
            steps.append([])
        steps[-1].append((match[0], args))
        called.add(match[0])
    return [step for step in steps if step]


def _object_at(text: str, start: int) -> tuple[Json | None, int]:
    brace = re.compile(r"\s*(?=\{)").match(text, start)
    if not brace:
        return None, start
    try:
        value, end = json.JSONDecoder().raw_decode(text, brace.end())
    except ValueError:
        return None, start
    return (value, end) if isinstance(value, dict) else (None, start)
