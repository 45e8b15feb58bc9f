"""Google's errors (google.rpc.Status, protocol 6) as ours: what went wrong, what to do, when to come back."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from gemini_proxy.errors import ProxyError
from gemini_proxy.sse import Decoder
from gemini_proxy.upstreams.code_assist import eligibility
from gemini_proxy.upstreams.code_assist.account_wire import link_in

# Mapping A.6: google.rpc.Code -> HTTP status and our code.
CODES: dict[str, tuple[int, str]] = {
    "INVALID_ARGUMENT": (400, "invalid_argument"),
    "FAILED_PRECONDITION": (400, "failed_precondition"),
    "OUT_OF_RANGE": (400, "out_of_range"),
    "UNAUTHENTICATED": (401, "google_login_required"),
    "PERMISSION_DENIED": (403, "permission_denied"),
    "NOT_FOUND": (404, "model_not_found"),
    "ABORTED": (409, "conflict"),
    "ALREADY_EXISTS": (409, "conflict"),
    "RESOURCE_EXHAUSTED": (429, "rate_limit_exceeded"),
    "CANCELLED": (499, "cancelled"),
    "INTERNAL": (500, "internal"),
    "UNKNOWN": (500, "internal"),
    "DATA_LOSS": (500, "internal"),
    "UNIMPLEMENTED": (501, "unimplemented"),
    "UNAVAILABLE": (503, "overloaded"),
    "DEADLINE_EXCEEDED": (504, "timeout"),
}
STATUS_WORDS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}  # fmt: skip

TOKEN_LIMIT = re.compile(r"input token count .* exceeds|exceeds the maximum number of tokens", re.IGNORECASE)
RETRY_IN = re.compile(r"(?:retry in|reset after|resets in)\s+((?:[\d.]+\s*(?:ms|h|m|s)\s*)+)", re.IGNORECASE)
DURATION = re.compile(r"([\d.]+)\s*(ms|h|m|s)")
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
TERMINAL = re.compile(r"PerDay|Daily|limit:\s*0(?!\d|\.\d)")
TERMINAL_REASONS = {"QUOTA_EXHAUSTED", "INSUFFICIENT_G1_CREDITS_BALANCE"}
CAPACITY_REASONS = {"MODEL_CAPACITY_EXHAUSTED", "MODEL_CAPACITY_EXCEEDED"}
LONG = 300.0  # seconds: the Gemini CLI calls a longer wait final (protocol 6.2)


def refuse(status: int, body: bytes) -> ProxyError:
    """The error in a body that came with an HTTP status other than 200, in whatever form it came (C221)."""
    document = next(filter(None, map(_document, (body, *_events(body)))), {})
    return error_from(document, status)


def error_from(document: Mapping[str, Any], status: int) -> ProxyError:
    """The error in `{"error": {...}}`; `status` is the HTTP status, 0 inside a stream that began well."""
    error = document.get("error")
    error = error if isinstance(error, dict) else {"message": error} if isinstance(error, str) else {}
    code = error.get("code")
    status = status if status >= 400 else code if isinstance(code, int) and 400 <= code <= 599 else 502
    word = error.get("status")
    word = word if isinstance(word, str) and word in CODES else STATUS_WORDS.get(status, "INTERNAL")
    message = error.get("message")
    message = (
        message.strip() if isinstance(message, str) and message.strip() else f"Google answered with status {status}."
    )
    http_status, our_code = CODES[word]
    if word == "INTERNAL":
        http_status = status
    details = (
        [d for d in error.get("details") or [] if isinstance(d, dict)] if isinstance(error.get("details"), list) else []
    )
    return _classified(http_status, our_code, message, details)


def _classified(status: int, code: str, message: str, details: list[dict[str, Any]]) -> ProxyError:
    info = _detail(details, "ErrorInfo")
    reason = str(info.get("reason") or "")
    if status in (429, 503):
        return _try_later(status, code, message, reason, details)
    if status == 403 and reason in eligibility.REASONS:
        return eligibility.refusal(reason, message, link_in(details))
    if status == 400 and TOKEN_LIMIT.search(message):
        return ProxyError(400, "context_length_exceeded", message, param="messages", retry=False)
    if status == 401:
        text = f"Google no longer accepts the sign-in: {message} Sign in again."
        return ProxyError(401, code, text, retry=False)
    if status == 404:
        text = f"Google does not serve this model to this account, or it does not exist: {message}"
        return ProxyError(404, code, text, param="model", retry=False)
    return ProxyError(status, code, message, retry=status in (409, 499) or (status >= 500 and status != 501))


def _try_later(status: int, code: str, message: str, reason: str, details: list[dict[str, Any]]) -> ProxyError:
    if reason in CAPACITY_REASONS:
        return ProxyError(
            status, "model_capacity_exhausted", message, retry=True, retry_after=_delay(message, details) or 10
        )
    delay = _delay(message, details)
    quota = f"{message} {_detail(details, 'ErrorInfo').get('metadata')} {_detail(details, 'QuotaFailure').get('violations')}"
    if reason in TERMINAL_REASONS or TERMINAL.search(quota) or (delay or 0) > LONG:
        return ProxyError(429, "insufficient_quota", message, kind="insufficient_quota", retry=False)
    return ProxyError(status, code, message, retry=True, retry_after=delay)


def _delay(message: str, details: list[dict[str, Any]]) -> float | None:
    """Seconds until Google wants to be asked again: RetryInfo, the metadata, or the text (C223, C224)."""
    metadata = _detail(details, "ErrorInfo").get("metadata")
    told = RETRY_IN.search(message)
    places = (
        _detail(details, "RetryInfo").get("retryDelay"),
        metadata.get("quotaResetDelay") if isinstance(metadata, dict) else None,
        told.group(1) if told else None,
    )
    return next((s for place in places if isinstance(place, str) and (s := _seconds(place)) is not None), None)


def _seconds(text: str) -> float | None:
    try:
        return sum(float(n) * SECONDS[unit] for n, unit in DURATION.findall(text)) if DURATION.search(text) else None
    except ValueError:
        return None


def _detail(details: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next((d for d in details if str(d.get("@type", "")).endswith(f"google.rpc.{name}")), {})


def _events(body: bytes) -> list[bytes]:
    decoder = Decoder()
    return decoder.feed(body) + decoder.flush()


def _document(text: bytes) -> dict[str, Any] | None:
    try:
        document = from_json(text)
    except ValueError:
        return None
    if isinstance(document, list):
        document = document[0] if document else None
    return document if isinstance(document, dict) else None
