"""An event of Google's as an answer: what both upstreams read alike.

What is as it should be is read once, and strictly. Only what is not is looked at again, member by member: a count of
a wrong kind must not take the text beside it away. Where a piece of the answer does go with it, that is told, and the
answer must not end as a good one.
"""

from collections.abc import Iterable
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from gemini_proxy.errors import Unreadable
from gemini_proxy.gemini.lenient_json import damaged_json_in
from gemini_proxy.gemini.wire import RESPONSE, GenerateContentResponse

# Without these an answer still says all that it says.
NOT_THE_ANSWER = {"usageMetadata", "promptFeedback", "modelVersion", "responseId", "traceId"}
BESIDE_THE_ANSWER = {
    "role",
    "finishReason",  # an answer whose end cannot be read has none, so it cannot pass for a whole one
    "finishMessage",
    "thought",
    "thoughtSignature",
    "mimeType",
    "language",
    "outcome",
    "id",
}


class Damaged(dict[str, Any]):
    """A document or an answer that was not as it should be: what was put right or left out of it, and what is lost."""

    def __init__(self, members: Any, mended: list[str], lost: list[str] | None = None) -> None:
        super().__init__(members)
        self.mended = [*dict.fromkeys(mended)]
        self.lost = [*dict.fromkeys(lost or [])]


def document_in(event: bytes) -> dict[str, Any] | None:
    """The JSON object in an event, None where the event says nothing. Raises Unreadable."""
    if event in (b"", b"[DONE]"):  # the end of the body is the end, whoever announces it
        return None
    damaged = False
    try:
        document = from_json(event)
    except ValueError:
        document, damaged = _damaged(event), True
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        lost = isinstance(document, list) and any(isinstance(item, dict) for item in document)
        raise Unreadable("not a JSON object", lost=lost)
    return Damaged(document, ["characters"]) if damaged else document


def response_from(answer: object, document: dict[str, Any]) -> GenerateContentResponse:
    """The answer that was found in a document, Damaged where either had to be mended. Raises Unreadable for none."""
    mended = [*document.mended] if isinstance(document, Damaged) else []
    lost: list[str] = []
    try:
        chunk = RESPONSE.validate_python(answer)
    except ValidationError as error:
        chunk = _read_again(answer, error, mended, lost)
    return cast(GenerateContentResponse, Damaged(chunk, mended, lost)) if mended or lost else chunk


def _damaged(event: bytes) -> Any:
    try:
        return damaged_json_in(event)
    except ValueError as error:
        # A ping of something on the way has no braces. What has some may be half an answer.
        raise Unreadable("not JSON", lost=b"{" in event or b"}" in event) from error


def _read_again(answer: object, error: ValidationError, mended: list[str], lost: list[str]) -> GenerateContentResponse:
    if isinstance(answer, dict):
        for problem in error.errors(include_url=False, include_context=False):
            place = ".".join(step for step in problem["loc"] if isinstance(step, str))
            (mended if _mend(answer, problem) else lost).append(place)
        try:
            return RESPONSE.validate_python(answer)
        except ValidationError as again:
            error = again
    raise Unreadable("not an answer of generateContent", lost=True) from error


def _mend(answer: dict[str, Any], problem: ErrorDetails) -> bool:
    """Puts one member right, or takes it out. True where the answer says no less for it."""
    *way, last = place = problem["loc"]
    try:
        holder = _at(answer, way)
        value = holder[last]
    except (LookupError, TypeError):
        return False  # it went with the part or the candidate that it was in
    if last != "index" and (meant := _converted(problem["type"], value)) is not None:
        holder[last] = meant
        return True
    harmless = value is None or place[0] in NOT_THE_ANSWER or last in BESIDE_THE_ANSWER
    if not harmless and (whole := _part_or_candidate(place)):  # half a call or half an image would be another one
        *way, last = whole
        holder = _at(answer, way)
    holder[last] = {} if isinstance(last, int) else None
    return harmless


def _part_or_candidate(place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where the part is that a place is in, or the candidate whose index it is."""
    if place[2:4] == ("content", "parts"):
        return place[:5]
    return place[:2] if place[-1] == "index" else ()


def _at(answer: Any, way: Iterable[int | str]) -> Any:
    for step in way:
        answer = answer[step]
    return answer


def _converted(problem: str, value: object) -> str | int | None:
    """What a value of a wrong kind can only mean: a number that stands for a text, a fraction that is a count."""
    if problem == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if problem == "int_from_float" and isinstance(value, float) and 0 <= value < 2**53:
        return int(value)
    return None
