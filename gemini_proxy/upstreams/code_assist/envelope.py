"""Code Assist's envelope around Gemini's own request and answer (protocol 2.3)."""

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from gemini_proxy.errors import Unreadable
from gemini_proxy.exchange import Ask
from gemini_proxy.gemini.wire import RESPONSE, GenerateContentResponse
from gemini_proxy.upstreams.code_assist import status


def wrap(ask: Ask, project: str, session: str) -> bytes:
    """The body of a call, its members in the order and the mixed casing that the Gemini CLI sends."""
    return to_json(
        {
            "model": ask.model,
            "project": project,
            "user_prompt_id": ask.request_id,
            "request": {**ask.request, "session_id": session},
        },
        inf_nan_mode="null",
    )


def unwrap(event: bytes) -> GenerateContentResponse | None:
    """The answer in an event; None where it holds none (C14). Bare answers pass too (C13).

    Raises ProxyError for an error that Google sends in mid-stream (C229), Unreadable for what is no answer at all.
    """
    if event in (b"", b"[DONE]"):  # C16: the end of the body is the end, whoever announces it
        return None
    document = _json(event)
    if isinstance(document, list) and len(document) == 1:  # C12
        document = document[0]
    if not isinstance(document, dict):
        raise Unreadable("not a JSON object")
    if document.get("error"):
        raise status.error_from(document, 0)
    answer = document.get("response", document if "candidates" in document or "promptFeedback" in document else None)
    if answer is None:
        return None
    try:
        return RESPONSE.validate_python(answer)
    except ValidationError as error:
        raise Unreadable("not an answer of generateContent") from error


def _json(event: bytes) -> object:
    try:
        return from_json(event)
    except ValueError as error:
        raise Unreadable("not JSON") from error
