"""What Google refuses in a generateContent request whose JSON was readable.

Texts between these quotes are the service's where one is known; the others say so in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gemini_proxy.emulator.errors import invalid, not_found
from gemini_proxy.emulator.models import CODE_ASSIST, OUTPUT_LIMIT, SERVED, Family, Service
from gemini_proxy.emulator.strict_contents import check_alternation, check_contents
from gemini_proxy.emulator.strict_media import check_media
from gemini_proxy.emulator.strict_tools import check_json_schema, check_schema, check_tools

Json = dict[str, Any]

RANGES: dict[str, tuple[float, float]] = {  # low inclusive, high exclusive, as the service words it
    "temperature": (0, 2.0001),
    "topP": (0, 1.0001),
    "topK": (1, 2**31),  # an upper end is not documented
    "candidateCount": (1, 9),
    "maxOutputTokens": (1, OUTPUT_LIMIT + 1),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
    "logprobs": (0, 21),
}
MIME_TYPES = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")


def family_of(model: str) -> Family:
    """A `models/` in front is right on countTokens and harmless elsewhere."""
    family = SERVED.get(model.removeprefix("models/"))
    if family is None:
        raise not_found()
    return family


def check(envelope: Json, alternate: bool = False) -> None:
    """Raise GoogleError for the first rule that is broken."""
    family = family_of(envelope.get("model", ""))
    request = envelope.get("request", {})
    if "cachedContent" in request:
        raise not_found()  # there is no way to make a cache on this service
    check_request(request, family, alternate)


def check_request(request: Json, family: Family, alternate: bool = False, service: Service = CODE_ASSIST) -> None:
    """The rules that Code Assist and the public API share."""
    check_contents(request, family)
    check_media(request, service)
    if alternate:
        check_alternation(request["contents"])
    check_tools(request, family)
    generation = request.get("generationConfig", {})
    for rule in GENERATION_RULES:
        rule(generation, request, family)


def _ranges(generation: Json, request: Json, family: Family) -> None:
    for name, (low, high) in RANGES.items():
        value = generation.get(name)
        if value is not None and not low <= value < high:
            raise invalid(
                f"Unable to submit request because it has a {name} value of {value} but the supported range is "
                f"from {low:g} (inclusive) to {high:g} (exclusive). Update the value and try again."
            )


def _stop_sequences(generation: Json, request: Json, family: Family) -> None:
    stops = generation.get("stopSequences", [])
    if len(stops) > 5:
        raise invalid(
            f"Unable to submit request because it has {len(stops)} stopSequences but the maximum is 5. "
            "Reduce the number and try again."  # own words
        )
    if "" in stops:
        raise invalid("Unable to submit request because stopSequences has an empty value.")  # own words


def _logprobs(generation: Json, request: Json, family: Family) -> None:
    if "logprobs" in generation and not generation.get("responseLogprobs"):
        raise invalid("logprobs can only be set when response_logprobs is true.")  # own words


def _penalties(generation: Json, request: Json, family: Family) -> None:
    if not family.penalties and (generation.get("presencePenalty") or generation.get("frequencyPenalty")):
        raise invalid("Penalty is not enabled for this model.")


def _modalities(generation: Json, request: Json, family: Family) -> None:
    words = [word for word in generation.get("responseModalities", []) if word != "MODALITY_UNSPECIFIED"]
    asked = [word for word in words or ["TEXT"] if word not in family.modalities]
    if asked:
        raise invalid(f"Model does not support the requested response modalities: {', '.join(asked).lower()}")


def _response_format(generation: Json, request: Json, family: Family) -> None:
    mime = generation.get("responseMimeType", "text/plain")
    if mime not in MIME_TYPES:
        allowed = ", ".join(f"`{name}`" for name in MIME_TYPES[:-1])
        raise invalid(
            "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are "
            f"{allowed} and `text/x.enum`."
        )
    given = [name for name in ("responseSchema", "responseJsonSchema") if name in generation]
    if len(given) == 2:
        raise invalid("response_schema and response_json_schema cannot both be set.")  # own words
    if given and mime not in ("application/json", "text/x.enum"):
        raise invalid(
            f"{re.sub('[A-Z]', lambda c: '_' + c[0].lower(), given[0])} is only supported when "
            "response_mime_type is set to `application/json`"
        )
    if "responseSchema" in generation:
        check_schema(generation["responseSchema"], "generation_config.response_schema")
    if "responseJsonSchema" in generation:
        check_json_schema(generation["responseJsonSchema"])
    if mime == "application/json" and _declares_functions(request) and not family.gemini_3:
        raise invalid("Function calling with a response mime type: 'application/json' is unsupported")


def _declares_functions(request: Json) -> bool:
    return any(tool.get("functionDeclarations") for tool in request.get("tools", []))


def _thinking(generation: Json, request: Json, family: Family) -> None:
    config = generation.get("thinkingConfig", {})
    level, budget = config.get("thinkingLevel"), config.get("thinkingBudget")
    if level == "THINKING_LEVEL_UNSPECIFIED":
        level = None
    if not family.thinking and (config.get("includeThoughts") or budget is not None):
        raise invalid("Thinking is not enabled for this model.")  # own words
    if level is not None and budget is not None:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if level is not None:
        _thinking_level(level, family)
    if budget is not None:
        _thinking_budget(budget, family)
    if budget == 0 and config.get("includeThoughts"):
        raise invalid(
            "Unable to submit request because thinking_config.include_thoughts is only enabled when thinking is enabled."
        )


def _thinking_level(level: str, family: Family) -> None:
    if not family.levels:
        raise invalid("Thinking level is not supported for this model.")
    if level not in family.levels:
        raise invalid(
            f"Thinking level {level} is not supported for this model. Please retry with other thinking level."
        )


def _thinking_budget(budget: int, family: Family) -> None:
    low, high = family.budgets
    if budget == 0 and not family.can_be_off:
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
    if budget not in (0, -1) and not low <= budget <= high:
        raise invalid(f"The thinking budget {budget} is invalid. Please choose a value between {low} and {high}.")


GENERATION_RULES: tuple[Callable[[Json, Json, Family], None], ...] = (
    _ranges,
    _stop_sequences,
    _logprobs,
    _penalties,
    _modalities,
    _response_format,
    _thinking,
)
