"""Rules of the conversation: roles, turns, empty parts, thought signatures."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from gemini_proxy.emulator import signatures
from gemini_proxy.emulator.errors import GoogleError, invalid
from gemini_proxy.emulator.fields import parts_of
from gemini_proxy.emulator.models import Family
from gemini_proxy.emulator.protos import PART_DATA

Json = dict[str, Any]
LEARN = "Learn more: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini"


def check_contents(request: Json, family: Family) -> None:
    contents = request.get("contents", [])
    if not contents:
        raise invalid(f"Unable to submit request because at least one contents field is required. {LEARN}")
    _roles(contents, family)
    for content in [*contents, *filter(None, [request.get("systemInstruction")])]:
        _parts(content)
    if "systemInstruction" in request and not family.system_instruction:
        raise invalid("Developer instruction is not enabled for this model.")
    _turns(contents)
    if family.gemini_3:
        _signatures(contents)


def check_alternation(contents: list[Json]) -> None:
    for before, content in pairwise(contents):
        if before["role"] == content["role"]:
            raise invalid("Please ensure that multiturn requests alternate between user and model.")


def calls_in(content: Json) -> list[Json]:
    return [part["functionCall"] for part in content.get("parts", []) if "functionCall" in part]


def responses_in(content: Json) -> list[Json]:
    return [part["functionResponse"] for part in content.get("parts", []) if "functionResponse" in part]


def _roles(contents: list[Json], family: Family) -> None:
    for content in contents:
        if content.get("role") not in ("user", "model"):
            raise invalid("Please use a valid role: user, model.")
    if contents[0]["role"] != "user":
        raise invalid("Please ensure that multiturn requests start with a user turn.")  # own words
    if not family.closing_turn and contents[-1]["role"] == "model":
        raise invalid("Please ensure that the request ends with a user turn.")  # own words


def _parts(content: Json) -> None:
    parts = content.get("parts", [])
    if not parts:
        raise invalid(
            "Unable to submit request because it must include at least one parts field, "
            f"which describes the prompt input. {LEARN}"
        )
    for place, part in parts_of([content]):
        _part(part, place.partition(".")[2], content.get("role", "user"))


def _part(part: Json, place: str, role: str) -> None:
    if not any(name in part for name in PART_DATA):
        raise invalid(
            f"* GenerateContentRequest.contents.{place}.data: required oneof field 'data' must have one initialized field"
        )
    # An empty text is allowed only where the service itself sends one: with the signature of a text answer.
    if part.get("text") == "" and "thoughtSignature" not in part:
        raise invalid(
            "Unable to submit request because it has an empty text parameter. "
            f"Add a value to the parameter and try again. {LEARN}"
        )
    if "functionCall" in part and role != "model":
        raise invalid("Function call parts are only allowed in a model turn.")  # own words
    if "functionResponse" in part and role != "user":
        raise invalid("Function response parts are only allowed in a user turn.")  # own words
    for kind in ("functionCall", "functionResponse"):
        if kind in part and not part[kind].get("name"):
            field = "function_call" if kind == "functionCall" else "function_response"
            raise invalid(f"* GenerateContentRequest.contents.{place}.{field}.name: Name cannot be empty.")
    blobs = [part, *part.get("functionResponse", {}).get("parts", [])]
    for blob in (holder["inlineData"] for holder in blobs if "inlineData" in holder):
        if not blob.get("mimeType") or not blob.get("data"):
            raise invalid("Unable to submit request because it must have a mimeType and data in inlineData.")


def _turns(contents: list[Json]) -> None:
    """A call turn follows a user turn, its response turn follows at once and answers every call."""
    for before, content in zip([{}, *contents], contents, strict=False):
        calls, responses = calls_in(before), responses_in(content)
        if calls_in(content) and before.get("role") != "user":
            raise invalid(
                "Please ensure that function call turn comes immediately after a user turn "
                "or after a function response turn."
            )
        if responses and not calls:
            raise invalid("Please ensure that function response turn comes immediately after a function call turn.")
        if len(calls) != len(responses):
            raise invalid(
                "Please ensure that the number of function response parts is equal to the number of "
                "function call parts of the function call turn."
            )
        _same_calls(calls, responses)


def _same_calls(calls: list[Json], responses: list[Json]) -> None:
    """Stricter than what is known of Google: names, and ids where both sides have them, must pair up."""
    if sorted(call["name"] for call in calls) != sorted(answer["name"] for answer in responses):
        raise invalid("Please ensure that function responses have the names of the function calls.")
    ids = [call["id"] for call in calls if "id" in call]
    if len(set(ids)) < len(ids):
        raise invalid("Please ensure that the ids of function calls are unique.")
    answered = [answer["id"] for answer in responses if "id" in answer]
    if ids and answered and sorted(ids) != sorted(answered):
        raise invalid("Please ensure that function responses have the ids of the function calls.")


def _signatures(contents: list[Json]) -> None:
    for _, part in parts_of(contents):
        _known(part)
    start = current_turn(contents)
    for i, content in enumerate(contents):
        first = next((part for part in content.get("parts", []) if "functionCall" in part), None)
        if i > start and first is not None and not first.get("thoughtSignature"):
            raise missing_signature(first["functionCall"]["name"], i + 1)


def _known(part: Json) -> None:
    signature = part.get("thoughtSignature")
    if not signature or signature in signatures.DUMMIES:
        return
    call = part.get("functionCall")
    fits = signatures.fits_call(signature, call["name"], call.get("args", {})) if call else signatures.issued(signature)
    if not fits:
        raise invalid("Thought signature is not valid.")


def current_turn(contents: list[Json]) -> int:
    """Where the current turn starts: the last user content that is not made of function responses."""
    starts = [i for i, content in enumerate(contents) if content["role"] == "user" and not responses_in(content)]
    return starts[-1] if starts else 0


def missing_signature(name: str, position: int) -> GoogleError:
    return invalid(
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
        "correctly, and missing thought_signature may lead to degraded model performance. Additional data, "
        f"function call `default_api:{name}` , position {position}. Please refer to "
        "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )
