"""Structured output: Gemini's own response schema or, where a model refuses that beside functions, one more function."""

from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.request.json_schema import as_object, readable
from gemini_proxy.gemini.request.schema import typed
from gemini_proxy.gemini.request.tools import Tools
from gemini_proxy.gemini.request.unmet import Unmet
from gemini_proxy.gemini.wire import GenerationConfig

ANSWER = "final_answer"
DESCRIPTION = (
    "Gives the user the final answer. Call this in place of writing an answer, once the other functions are no longer "
    "needed. The arguments are the answer."
)


@dataclass
class Structured:
    """`config` goes into generationConfig. `answer` names the function whose call is the answer, "" for none."""

    config: GenerationConfig = field(default_factory=GenerationConfig)
    answer: str = ""
    unsupported: list[Unmet] = field(default_factory=list)


def structured(schema: dict[str, Any] | None, tools: Tools, family: Family, param: str) -> Structured:
    """What makes the answer JSON that matches a schema, None for any JSON; `param` is where the client asks for it.

    Models before Gemini 3 refuse functions together with a JSON answer, and frameworks ask for both wherever an agent
    has functions and a type of result. There the schema is offered as one more function, and the model has to call: one
    of the client's functions, or this one with the answer. Changes `tools` so.
    """
    if family.json_with_tools or not (tools.declarations or tools.of_google):
        return _by_config(schema)
    if tools.of_google:
        text = (
            f"This model cannot use {', '.join(tools.of_google)} and {param} together. "
            "Leave one of them out, or use a Gemini 3 model."
        )
        raise bad_request(text, param, "unsupported_value")
    if tools.mode == "NONE":  # then the declarations only stand in the way
        tools.declarations, tools.config = [], {}
        return _by_config(schema)
    return Structured() if tools.must_call else _by_function(schema, tools, param)


def _by_config(schema: dict[str, Any] | None) -> Structured:
    """The typed form wherever it loses nothing: it is enforced where the other one was seen to be ignored."""
    config: GenerationConfig = {"responseMimeType": "application/json"}
    if schema is not None:
        form_of_google = typed(schema)
        if form_of_google is None:
            config["responseJsonSchema"] = readable(schema)
        else:
            config["responseSchema"] = form_of_google
    return Structured(config)


def _by_function(schema: dict[str, Any] | None, tools: Tools, param: str) -> Structured:
    parameters = as_object(readable(schema)) if schema is not None else None
    if parameters is None:  # a call has an object of arguments, and an object without members is never filled
        fact = "this model cannot be held to JSON while functions are declared"
        return Structured(unsupported=[Unmet(param, fact, "the answer is only checked")])
    description = f"{DESCRIPTION} {parameters.get('description') or ''}".strip()
    return Structured(answer=tools.declare_answer(ANSWER, description, parameters))
