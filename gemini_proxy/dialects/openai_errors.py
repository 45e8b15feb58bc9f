"""Errors in OpenAI's form, for all of its APIs: https://platform.openai.com/docs/guides/error-codes."""

import math
from typing import Any

from pydantic_core import to_json

from gemini_proxy.errors import ProxyError
from gemini_proxy.http import Answer

# By code, and for all other codes by status.
TYPES_OF_CODES = {"invalid_api_key": "invalid_request_error", "insufficient_quota": "insufficient_quota"}
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_object(error: ProxyError) -> dict[str, Any]:
    implied = "server_error" if error.status >= 499 or error.status == 409 else "invalid_request_error"
    kind = TYPES_OF_CODES.get(error.code) or TYPES.get(error.status, implied)
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def refusal(error: ProxyError) -> Answer:
    """The answer with the headers that OpenAI's SDKs obey when they decide whether and when to try again."""
    headers = {"content-type": "application/json", **error.headers}
    if error.retry is not None:
        headers["x-should-retry"] = "true" if error.retry else "false"
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
        headers["retry-after-ms"] = str(math.ceil(error.retry_after * 1000))
    return Answer(error.status, to_json(error_object(error)), headers)
