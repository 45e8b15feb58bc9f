"""Errors of Code Assist that have a reason of its own: the account, its project, the sign-in."""

from collections.abc import Mapping
from typing import Any

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini import status as google_status
from gemini_proxy.gemini.models import MODELS, not_found
from gemini_proxy.gemini.status import Status
from gemini_proxy.upstreams.code_assist import eligibility
from gemini_proxy.upstreams.code_assist.account_wire import link_in


def refuse(status: int, body: bytes, model: str = "") -> ProxyError:
    """The error in a body that came with an HTTP status other than 200; `model` is the one that was asked."""
    return _classified(google_status.read(status, body), model)


def error_from(document: Mapping[str, Any], status: int) -> ProxyError:
    """The error in `{"error": {...}}`; `status` is the HTTP status, 0 inside a stream that began well."""
    return _classified(google_status.status_in(document, status))


def _classified(said: Status, model: str = "") -> ProxyError:
    if said.http == 403 and said.reason in eligibility.REASONS:
        return eligibility.refusal(said.reason, said.message, link_in(said.details))
    if said.http == 401:
        text = f"Google no longer accepts the sign-in: {said.message} Sign in again."
        return ProxyError(401, said.code, text, retry=False)
    if said.http == 404:
        what = not_found(model, MODELS, "this account") if model else "Google does not know this model."
        text = f"{what} Google says: {said.message}"
        return ProxyError(404, said.code, text, param="model", retry=False)
    return google_status.error_from(said)
