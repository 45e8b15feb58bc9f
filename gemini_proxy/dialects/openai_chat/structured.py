"""Structured output: Gemini's own response schema or, where a model refuses that beside functions, one more function."""

from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.dialects.openai_chat.tools import Tools
from gemini_proxy.dialects.openai_chat.wire import ResponseFormat, bad_request
from gemini_proxy.dialects.openai_errors import Unmet
from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.json_schema import as_object, readable
from gemini_proxy.gemini.schema import typed

ANSWER = "final_answer"
DESCRIPTION = (
    "Gives the user the final answer. Call this in place of writing an answer, once the other functions are no longer "
    "needed. The arguments are the answer."
)


@dataclass
class Structured:
    """`config` goes into generationConfig. `answer` names the function whose call is the answer, "" for none."""

    config: dict[str, Any] = field(default_factory=dict)
    answer: str = ""
    unsupported: list[Unmet] = field(default_factory=list)


def structured(form: ResponseFormat | None, tools: Tools, family: Family) -> Structured:
    """Models before Gemini 3 refuse functions together with a JSON answer, and frameworks ask for both wherever an
    agent has functions and a type of result. There the schema is offered as one more function, and the model has to
    call: one of the client's functions, or this one with the answer. Changes `tools` so."""
    if form is None or form.type == "text":
        return Structured()
    schema = form.wanted
    if schema is None and form.type == "json_schema":
        text = "A response_format of type 'json_schema' needs 'json_schema.schema'."
        raise bad_request(text, "response_format.json_schema.schema")
    if family.json_with_tools or not (tools.declarations or tools.of_google):
        return _by_config(form, schema)
    if tools.of_google:
        text = (
            f"This model cannot use {', '.join(tools.of_google)} and response_format together. "
            "Leave one of them out, or use a Gemini 3 model."
        )
        raise bad_request(text, "response_format", "unsupported_value")
    if tools.mode == "NONE":  # then the declarations only stand in the way
        tools.declarations, tools.config = [], {}
        return _by_config(form, schema)
    return Structured() if tools.must_call else _by_function(form, schema, tools)


def _by_config(form: ResponseFormat, schema: dict[str, Any] | None) -> Structured:
    """The typed form wherever it loses nothing: it is enforced where the other one was seen to be ignored."""
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    if schema is not None:
        form_of_google = typed(schema)
        config |= (
            {"responseJsonSchema": readable(schema)} if form_of_google is None else {"responseSchema": form_of_google}
        )
    return Structured(config, unsupported=_unknown(form))


def _by_function(form: ResponseFormat, schema: dict[str, Any] | None, tools: Tools) -> Structured:
    parameters = as_object(readable(schema)) if schema is not None else None
    if parameters is None:  # a call has an object of arguments, and an object without members is never filled
        fact = "this model cannot be held to JSON while functions are declared"
        return Structured(unsupported=[Unmet("response_format", fact, "the answer is only checked"), *_unknown(form)])
    name = tools.names.declare_new(ANSWER)
    description = f"{DESCRIPTION} {parameters.get('description') or ''}".strip()
    tools.declarations.append({"name": name, "description": description, "parametersJsonSchema": parameters})
    calling = tools.config.setdefault("functionCallingConfig", {})
    calling.pop("streamFunctionCallArguments", None)
    calling["mode"] = "ANY"
    return Structured(answer=name, unsupported=_unknown(form))


def _unknown(form: ResponseFormat) -> list[Unmet]:
    return [Unmet(f"response_format.{name}") for name, value in (form.model_extra or {}).items() if value is not None]
