"""/health and /health/ready, which need no key, and what may be said to whom."""

import json
from dataclasses import replace

from gemini_proxy.app.guard import check_peer
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.http import Answer, ClientRequest

JSON = {"content-type": "application/json", "cache-control": "no-store"}
HEALTH = Answer(200, b'{"status":"ok"}', {"content-type": "application/json"})
READY = Answer(200, b'{"status":"ready"}', JSON)

# Code of a refusal -> what to do. Anyone may ask, so Google's own words, links and paths of this machine are left out.
REMEDIES = {
    "google_login_required": "Nobody is signed in to Google, or the sign-in has expired: open /auth/login.",
    "token_store_error": "The token file cannot be read: see /auth/status or the log for the reason.",
    "account_not_eligible": "Google does not serve this account: it needs a Gemini Code Assist Standard or Enterprise "
    "licence, with GOOGLE_CLOUD_PROJECT set. An API key works without one.",
    "account_suspended": "Google has suspended this account's access to Code Assist: /auth/status says how to appeal. "
    "An API key is another way.",
    "validation_required": "Google asks you to verify this account: /auth/status has the link.",
    "project_required": "Google assigned no project to this account: set GOOGLE_CLOUD_PROJECT and restart the proxy.",
    "service_disabled": "The Gemini for Google Cloud API is disabled in the project: enable it.",
    "permission_denied": "Google denies this account access to the project: check GOOGLE_CLOUD_PROJECT and the account's "
    "roles.",
    "security_policy_violated": "A VPC Service Controls perimeter blocks this machine or account: ask the administrator.",
    "google_unreachable": "Google cannot be reached: check this machine's network.",
    "google_unavailable": "Google's sign-in service has a problem: the proxy will try again.",
}
SETTLED = 300.0  # seconds after which a refused account counts as ready again: only a request can tell
OTHER = "A request would fail now: see /auth/status or the log for the reason."


def is_here(request: ClientRequest) -> bool:
    """Whether a client is on this machine, and nobody passed its request on."""
    try:
        check_peer(request, "")
    except ProxyError:
        return False
    return True


def worded(error: ProxyError, request: ClientRequest) -> ProxyError:
    """The error as this client may hear it: what only helps on this machine is for clients there."""
    return error.told_here() if is_here(request) else error


async def health(request: ClientRequest) -> Answer:
    """That the process is there; nothing is asked of Google."""
    return HEALTH


async def ready(source: TokenSource, project: str) -> Answer:
    """Whether a request would work, as far as the proxy can tell without asking Google; `project` is the configured one."""
    reason = await _obstacle(source, project)
    if not reason:
        return READY
    body = {"status": "not_ready", **said(reason)}
    return Answer(503, json.dumps(body, separators=(",", ":")).encode(), JSON)


def said(reason: str) -> dict[str, str]:
    """A reason and what to do about it, in words that anyone may hear."""
    return {"reason": reason, "message": REMEDIES.get(reason, OTHER)}


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
