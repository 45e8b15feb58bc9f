"""What the proxy answers itself, whatever dialect a client speaks: /health and /health/ready. Neither needs a key."""

import json
from dataclasses import replace

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.http import Answer, ClientRequest

JSON = {"content-type": "application/json", "cache-control": "no-store"}
HEALTH = Answer(200, b'{"status":"ok"}', {"content-type": "application/json"})
READY = Answer(200, b'{"status":"ready"}', JSON)

# Code of a refusal -> what to do. Everybody may ask, so nothing of Google's words, links and paths is in it.
REMEDIES = {
    "google_login_required": "Nobody is signed in to Google, or the sign-in is over: open /auth/login, or run python login.py.",
    "token_store_error": "The token file cannot be read: /auth/status and the log say why.",
    "account_not_eligible": "Google does not serve this account: it takes a Gemini Code Assist Standard or Enterprise "
    "licence, with GOOGLE_CLOUD_PROJECT set.",
    "validation_required": "Google wants the account verified: /auth/status has the link.",
    "project_required": "Google named no project for the account: set GOOGLE_CLOUD_PROJECT and start the proxy again.",
    "service_disabled": "The Gemini for Google Cloud API is off in the project: enable it.",
    "permission_denied": "Google refuses the account in its project: check GOOGLE_CLOUD_PROJECT and the account's role.",
    "google_unreachable": "Google cannot be reached: check this machine's network.",
    "google_unavailable": "Google's sign-in has trouble: it will be asked again.",
}
SETTLED = 300.0  # seconds after which a refused account counts as ready again: only a request can tell
OTHER = "A request would fail now: /auth/status and the log say why."


def health(request: ClientRequest) -> Answer | None:
    """Whether the process is there; nothing is asked of Google, and no key is needed."""
    if request.path != "/health":
        return None
    _check_method(request)
    return HEALTH


async def ready(request: ClientRequest, source: TokenSource, project: str) -> Answer | None:
    """Whether a request would work, as far as is known without asking Google; `project` is the configured one."""
    if request.path != "/health/ready":
        return None
    _check_method(request)
    reason = await _obstacle(source, project)
    if not reason:
        return READY
    body = {"status": "not_ready", "reason": reason, "message": REMEDIES.get(reason, OTHER)}
    return Answer(503, json.dumps(body, separators=(",", ":")).encode(), JSON)


def naming(answer: Answer, upstream: str) -> Answer:
    """A status in JSON with the name of the upstream that is in use; any other answer as it is."""
    if not answer.body or answer.headers.get("content-type") != "application/json":
        return answer
    body = {**json.loads(answer.body), "upstream": upstream}
    return replace(answer, body=json.dumps(body, separators=(",", ":")).encode())


async def _obstacle(source: TokenSource, project: str) -> str:
    if (problem := await source.problem(SETTLED)) is not None:
        return problem.code
    token = await source.current()
    if token is None:
        return "google_login_required"
    return "" if project or token.project_id else "project_required"


def _check_method(request: ClientRequest) -> None:
    if request.method not in ("GET", "HEAD"):
        text = f"{request.method} is not allowed on {request.path}; use GET."
        raise ProxyError(405, "method_not_allowed", text, headers={"allow": "GET, HEAD"})
