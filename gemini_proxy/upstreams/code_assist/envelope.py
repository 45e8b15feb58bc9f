"""Code Assist's envelope around Gemini's own request and answer (docs/protocol.md, P-302, P-701)."""

from pydantic_core import to_json

from gemini_proxy.exchange import Ask
from gemini_proxy.gemini.answer import chunk
from gemini_proxy.gemini.wire import GenerateContentResponse
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
    """The answer in an event; None where it holds none. Bare answers pass too.

    Raises ProxyError for an error that Google sends in mid-stream, Unreadable for what is no answer at all.
    """
    document = chunk.document_in(event)
    if document is None:
        return None
    if document.get("error"):
        raise status.error_from(document, 0)
    answer = document.get("response", document if "candidates" in document or "promptFeedback" in document else None)
    if answer is None:
        return None
    if isinstance(answer, dict) and isinstance(trace := document.get("traceId"), str):
        answer["traceId"] = trace  # Google's name for this answer in its own logs: of use in a report to Google
    return chunk.response_from(answer, document)
