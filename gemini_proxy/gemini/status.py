"""google.rpc.Status, the form of all of Google's errors, as ours where the reason is nobody's own.

An upstream asks `read` first, looks for its own reasons, and leaves the rest to `error_from`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.lenient_json import json_in
from gemini_proxy.sse import Decoder

# google.rpc.Code -> HTTP status and our code.
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
# Our code -> what happened and what to do, where Google's own words say neither.
ANOTHER = "Try again; if it keeps happening, another model may work."
ADVICE = {
    "internal": f"Google had an internal error. {ANOTHER}",
    "overloaded": f"Google's service is overloaded. {ANOTHER}",
    "model_capacity_exhausted": f"Google has no capacity left for this model at the moment. {ANOTHER}",
    "timeout": f"Google took too long. {ANOTHER}",
    "rate_limit_exceeded": "Google's rate limit is reached: wait, then try again.",
    "insufficient_quota": "The quota is used up: wait for its reset, or use another model.",
}
STATUS_WORDS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}  # fmt: skip

TOKEN_LIMIT = re.compile(r"input token count .* exceeds|exceeds the maximum number of tokens", re.IGNORECASE)
# Numbers begin and end here, so that no pattern reads the digits of a long one again and again.
AMOUNT = r"(?<![\d.])(\d{1,9}(?:\.\d{1,9})?)\s*(ms|h|m|s)"
DURATION = re.compile(AMOUNT, re.IGNORECASE)
RETRY_IN = re.compile(rf"(?:retry|again|resets?)\s+(?:in|after)\s+((?:{AMOUNT}\s*)+)", re.IGNORECASE)
SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DAILY = re.compile(r"PerDay|Daily")
NOTHING_LEFT = re.compile(r"limit:\s*0(?!\d|\.\d)")
TERMINAL_REASONS = {"QUOTA_EXHAUSTED", "INSUFFICIENT_G1_CREDITS_BALANCE"}
CAPACITY_REASONS = {"MODEL_CAPACITY_EXHAUSTED", "MODEL_CAPACITY_EXCEEDED"}
PER_MINUTE = re.compile(r"PerMinute")
MINUTE = 60.0  # seconds after which a quota by the minute is new
CAPACITY = 10.0  # seconds at least: capacity does not come back sooner
SIGNATURE = re.compile(r"thought[_ ]?signature", re.IGNORECASE)
LONG = 300.0  # seconds: the Gemini CLI calls a longer wait final
LONGEST = 4000  # characters of a message: Google quotes what clients send, and patterns look at all of it


@dataclass(frozen=True)
class Status:
    """An error as Google gave it; `http` is the status to answer with, `code` our word for Google's."""

    http: int
    code: str
    message: str
    details: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reason(self) -> str:
        return str(self.detail("ErrorInfo").get("reason") or "")

    def detail(self, name: str) -> dict[str, Any]:
        return next((d for d in self.details if str(d.get("@type", "")).endswith(f"google.rpc.{name}")), {})

    @property
    def delay(self) -> float | None:
        """Seconds until Google wants to be asked again."""
        return next(self.delays(), None)

    def delays(self) -> Iterator[float]:
        """All that Google says of it: RetryInfo, the metadata, the text."""
        metadata = self.detail("ErrorInfo").get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        told = RETRY_IN.search(self.message)
        for place in (
            self.detail("RetryInfo").get("retryDelay"),
            metadata.get("quotaResetDelay"),
            told.group(1) if told else None,
        ):
            if seconds := _seconds(place):
                yield seconds
        if seconds := _until(metadata.get("quotaResetTimeStamp")):
            yield seconds


def read(status: int, body: bytes) -> Status:
    """The error in a body that came with an HTTP status other than 200, in whatever form it came."""
    return status_in(next(filter(None, map(_document, (body, *_events(body)))), {}), status)


def status_in(document: Mapping[str, Any], status: int) -> Status:
    """The error in `{"error": {...}}`; `status` is the HTTP status, 0 inside a stream that began well."""
    error = document.get("error")
    error = error if isinstance(error, dict) else {"message": error} if isinstance(error, str) else {}
    code = error.get("code")
    status = status if status >= 400 else code if isinstance(code, int) and 400 <= code <= 599 else 502
    word = error.get("status")
    word = word if isinstance(word, str) and word in CODES else STATUS_WORDS.get(status, "INTERNAL")
    http_status, our_code = CODES[word]
    details = error.get("details")
    listed = [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    message = error.get("message")
    said = message.strip() if isinstance(message, str) else ""
    said = f"{said[:LONGEST]} ..." if len(said) > LONGEST else said or f"Google answered with status {status}."
    return Status(status if word == "INTERNAL" else http_status, our_code, said, listed)


def error_from(status: Status) -> ProxyError:
    """What any upstream would say."""
    if status.http in (429, 503):
        return _try_later(status)
    if status.http == 400 and TOKEN_LIMIT.search(status.message):
        return ProxyError(400, "context_length_exceeded", status.message, param="messages", retry=False)
    if status.http == 400 and SIGNATURE.search(status.message):
        return ProxyError(400, "invalid_thought_signature", status.message, param="messages", retry=False)
    again = status.http in (409, 499) or (status.http >= 500 and status.http != 501)
    return ProxyError(status.http, status.code, _explained(status.code, status.message), retry=again)


def _try_later(status: Status) -> ProxyError:
    delay = status.delay
    if status.reason in CAPACITY_REASONS:
        code, after = "model_capacity_exhausted", max(delay or 0, CAPACITY)
        return ProxyError(status.http, code, _explained(code, status.message), retry=True, retry_after=after)
    metadata, violations = status.detail("ErrorInfo").get("metadata"), status.detail("QuotaFailure").get("violations")
    quota = f"{status.message} {metadata} {violations}"
    daily, nothing_left = DAILY.search(quota), NOTHING_LEFT.search(quota)
    if status.reason in TERMINAL_REASONS or daily or nothing_left or (delay or 0) > LONG:
        return _used_up(status, "" if nothing_left else "day" if daily else "other")
    if delay is None and PER_MINUTE.search(quota):
        delay = MINUTE
    text = _explained(status.code, status.message)
    return ProxyError(status.http, status.code, text, retry=True, retry_after=delay)


def _explained(code: str, said: str) -> str:
    """What happened and what to do, before what Google says of it."""
    return f"{ADVICE[code]} Google says: {said}" if code in ADVICE else said


def _used_up(status: Status, period: str) -> ProxyError:
    """A quota that a wait of minutes does not bring back. Programs with a retry loop of their own hear `Retry-After` alone:
    without it they ask again and again."""
    reset = max(status.delays(), default=None) if period else None
    if period == "day" and reset is not None and reset <= LONG:
        reset = None  # the pause between two requests, which Google tells as well
    text = _explained("insufficient_quota", status.message)
    text = text if reset is None else f"{text} {_in_words(reset)}"
    return ProxyError(429, "insufficient_quota", text, retry=False, retry_after=reset)


def _in_words(reset: float) -> str:
    minutes = math.ceil(reset / 60)
    return f"(The quota resets in about {minutes // 60} h {minutes % 60} min.)"


def _until(timestamp: object) -> float | None:
    """Seconds until a time of Google's, RFC 3339; None for none, and for one that has passed."""
    try:
        then = datetime.fromisoformat(timestamp) if isinstance(timestamp, str) else None
    except ValueError:
        return None
    if then is None or then.tzinfo is None:
        return None
    seconds = (then - datetime.now(UTC)).total_seconds()
    return seconds if seconds > 0 else None


def _seconds(text: object) -> float | None:
    found = DURATION.findall(text) if isinstance(text, str) and len(text) <= 100 else []
    return sum(float(number) * SECONDS[unit.lower()] for number, unit in found) if found else None


def _events(body: bytes) -> list[bytes]:
    decoder = Decoder()
    return decoder.feed(body) + decoder.flush()


def _document(text: bytes) -> dict[str, Any] | None:
    try:
        document = json_in(text)
    except ValueError:
        return None
    if isinstance(document, list):
        document = document[0] if document else None
    return document if isinstance(document, dict) else None
