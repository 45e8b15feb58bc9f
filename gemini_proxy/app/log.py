"""One line for each request: what was asked for and what came of it, never what was said."""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.errors import ProxyError

logger = logging.getLogger("gemini_proxy.requests")
QUIET = ("/health", "/health/ready")  # asked every few seconds where something watches
LONGEST = 300  # characters of a reason


@dataclass(frozen=True)
class Finished:
    """A request that has its answer, or never will."""

    request_id: str
    method: str
    path: str
    status: int
    """What the client got, 499 where it was gone."""

    client: str = ""
    """The address that it came from, as far as it is known."""

    seconds: float | None = None
    call: UpstreamCall | None = None
    upstream: str = ""
    error: ProxyError | None = None
    """Why it was refused, where there was no call to Google."""


def write(request: Finished, *, as_json: bool) -> None:
    """As JSON the lines go to stderr, where nothing else does, so that programs can read them from a file of their own."""
    record = _record(request)
    level = _level(record)
    if as_json and level > logging.DEBUG:
        print(json.dumps(record), file=sys.stderr, flush=True)  # noqa: T201
    else:
        logger.log(level, "%s", _line(record))
    if request.call is not None and (remarks := request.call.remarks):
        # Worth a line of its own: a stream's headers may have left before it was known.
        logger.warning("%s: %s", request.path, _printable(remarks)[:1000])


def _record(request: Finished) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    record: dict[str, Any] = {"time": now, "request_id": request.request_id, "method": request.method}
    record |= {"path": request.path, "status": request.status}
    if request.seconds is not None:
        record |= {"client": request.client, "total_ms": _ms(request.seconds)}
    if request.call is not None:
        record |= {"upstream": request.upstream, **_call(request.call)}
    return {**record, **_reason(request)}


def _call(call: UpstreamCall) -> dict[str, Any]:
    """The tokens are those that the client is told."""
    exchange, usage = call.exchange, call.exchange.usage
    record: dict[str, Any] = {"model": exchange.ask.model, "stream": exchange.ask.stream}
    if call.first_byte is not None:
        record["first_byte_ms"] = _ms(call.first_byte - call.began)
    if usage is not None:
        record |= {"input_tokens": usage.input, "output_tokens": usage.output}
        beside = {"reasoning_tokens": usage.thinking, "cached_tokens": usage.cached}
        record |= {name: count for name, count in beside.items() if count}
    if exchange.finish_reasons:
        record["finish_reason"] = ",".join(exchange.finish_reasons)
    return record


def _reason(request: Finished) -> dict[str, str]:
    """Why it failed, in the words that the client's protocol may have put otherwise."""
    error = request.call.exchange.failure if request.call is not None else request.error
    return {"code": error.code, "reason": error.message} if error is not None else {}


def _level(record: Mapping[str, Any]) -> int:
    if record["path"] in QUIET:
        return logging.DEBUG
    if record["status"] >= 400 or "code" in record:
        return logging.ERROR if record["status"] >= 500 else logging.WARNING
    return logging.INFO


def _line(record: Mapping[str, Any]) -> str:
    """`POST /v1/chat/completions 404 model_not_found gemini-2.5-falsh total_ms=2 request_id=ID: There is no model ...`"""
    words = [record["method"], record["path"], record["status"], record.get("code"), record.get("model")]
    words.append(record.get("finish_reason"))
    shown = [_word(word) for word in words if word is not None]
    shown += [f"{name}={record[name]}" for name in FIGURES if name in record]
    if "code" in record:
        shown.append(f"request_id={record['request_id']}: {_printable(record['reason'])[:LONGEST]}")
    return " ".join(shown)


FIGURES = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens", "first_byte_ms", "total_ms")


def _word(value: object) -> str:
    """A client writes methods, paths and models: no line breaks, no blanks, and not without end."""
    return "".join(c if c.isprintable() and c != " " else "?" for c in str(value))[:200]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
