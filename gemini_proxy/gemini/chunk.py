"""An event of Google's as an answer: what both upstreams read alike."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from gemini_proxy.errors import Unreadable
from gemini_proxy.gemini.wire import RESPONSE, GenerateContentResponse


def document_in(event: bytes) -> dict[str, Any] | None:
    """The JSON object in an event, None where the event says nothing. Raises Unreadable."""
    if event in (b"", b"[DONE]"):  # C16: the end of the body is the end, whoever announces it
        return None
    try:
        document = from_json(event)
    except ValueError as error:
        raise Unreadable("not JSON") from error
    if isinstance(document, list) and len(document) == 1:  # C12
        document = document[0]
    if not isinstance(document, dict):
        raise Unreadable("not a JSON object")
    return document


def response_from(answer: object) -> GenerateContentResponse:
    """Raises Unreadable for what is no answer."""
    try:
        return RESPONSE.validate_python(answer)
    except ValidationError as error:
        raise Unreadable("not an answer of generateContent") from error
