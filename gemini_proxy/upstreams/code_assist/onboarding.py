"""From a fresh access token to a tier and a project: loadCodeAssist, onboardUser, polling
(docs/protocol.md, P-204 to P-210).

A generator without IO: it yields calls and waits, and is sent the answers to the calls.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from gemini_proxy.errors import ProxyError
from gemini_proxy.upstreams.code_assist import eligibility, status
from gemini_proxy.upstreams.code_assist.account_wire import Loaded, Operation, Tier, Wire, read_error

STEP = 5.0  # seconds between polls, as the Gemini CLI waits
POLLS = 12  # a minute; the Gemini CLI polls without end
FREE = "free-tier"
LATER = "Google is still preparing a project for this account. Sign in again in a few minutes."
RETRYABLE = {4, 8, 10, 13, 14}  # google.rpc.Code: DEADLINE_EXCEEDED RESOURCE_EXHAUSTED ABORTED INTERNAL UNAVAILABLE


@dataclass(frozen=True)
class Call:
    """A request to Code Assist; `path` follows the endpoint, `purpose` tells the user what is going on."""

    method: str
    path: str
    purpose: str
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Answered:
    """An answer to a call: the HTTP status, the body where it was JSON, and Google's `Retry-After` in seconds."""

    status: int
    document: Any
    retry_after: float | None = None


@dataclass(frozen=True)
class Account:
    """What Google made of the account. `project_id` goes into every call."""

    project_id: str
    tier_id: str
    tier_name: str


M = TypeVar("M", bound=Wire)
Steps = Generator[Call | Wait, Answered | None, Account]


def provision(project: str) -> Steps:
    """The account that the token belongs to; `project` is the user's own, empty for none. Raises ProxyError."""
    loaded = yield from _load(project)
    if loaded.current_tier is not None:
        return _existing(loaded, loaded.current_tier, project)
    tier = _default_tier(loaded)
    _refuse_ineligible(loaded, tier, project)
    try:
        operation = yield from _onboard(tier, project)
    except ProxyError as error:
        raise _with_reasons(error, loaded) from error
    found = operation.response.cloudaicompanion_project or project
    if not found:
        raise _without_project(loaded)
    return Account(found, tier.id, tier.name)


def _load(project: str) -> Generator[Call | Wait, Answered | None, Loaded]:
    named = {"cloudaicompanionProject": project} if project else {}
    body = {**named, "metadata": _metadata(project)}
    call = Call("POST", "/v1internal:loadCodeAssist", "Asking Google what this account may use", body)
    answer = yield from _ask(call)
    if answer.status == 403 and read_error(answer.document).reason == "SECURITY_POLICY_VIOLATED":
        return Loaded(currentTier=Tier(id="standard-tier"))  # VPC-SC hides the tier (docs/protocol.md, P-206)
    return _read(Loaded, answer, "loadCodeAssist")


def _existing(loaded: Loaded, tier: Tier, project: str) -> Account:
    """Google's project goes before the user's own (docs/protocol.md, P-207)."""
    found = loaded.cloudaicompanion_project or project
    if not found:
        raise _without_project(loaded)
    shown = loaded.paid_tier or tier
    return Account(found, shown.id or tier.id, shown.name or tier.name)


def _default_tier(loaded: Loaded) -> Tier:
    """The first default one; where there is none, what the Gemini CLI makes up for it (docs/protocol.md, P-208)."""
    legacy = Tier(id="legacy-tier", userDefinedCloudaicompanionProject=True)
    return next((tier for tier in loaded.allowed_tiers if tier.is_default), legacy)


def _refuse_ineligible(loaded: Loaded, tier: Tier, project: str) -> None:
    """Raises for what onboarding cannot change; a licence with a project passes although other tiers are closed."""
    for closed in loaded.ineligible_tiers:
        wants_validation = closed.reason_code == "VALIDATION_REQUIRED" and closed.validation_url
        if wants_validation or (closed.tier_id and closed.tier_id == tier.id):
            raise eligibility.refusal(closed.reason_code, closed.reason_message, closed.validation_url)
    if tier.id == FREE or project:
        return
    if loaded.ineligible_tiers or tier.user_defined_cloudaicompanion_project:
        raise _without_project(loaded)


def _with_reasons(error: ProxyError, loaded: Loaded) -> ProxyError:
    """A tier that could not be opened, with what Google said before of the tiers that are closed to this account."""
    said = _said(loaded)
    if said and not error.retry and said not in error.message:
        error.message += f'\nGoogle says of this account: "{said}"'
    return error


def _said(loaded: Loaded) -> str:
    return " ".join(" ".join(closed.reason_message for closed in loaded.ineligible_tiers).split())


def _without_project(loaded: Loaded) -> ProxyError:
    if not loaded.ineligible_tiers:
        return eligibility.project_required()
    said = _said(loaded)
    first = loaded.ineligible_tiers[0]
    return eligibility.refusal(first.reason_code, said, first.validation_url)


def _onboard(tier: Tier, project: str) -> Generator[Call | Wait, Answered | None, Operation]:
    start = _onboard_call(tier, "" if tier.id == FREE else project)
    operation = _operation((yield from _ask(start)))
    name = operation.name
    for _ in range(POLLS):
        if operation.done:
            break
        yield Wait(STEP)
        answer = yield from _ask(_poll(name) if name else start)  # without a name, older clients ask anew
        if answer.status not in (429, 500, 502, 503, 504):
            operation = _operation(answer)
            name = operation.name or name
    if not operation.done:
        raise ProxyError(504, "onboarding_timeout", LATER, retry=True)
    return operation


def _onboard_call(tier: Tier, project: str) -> Call:
    """The free tier must not be given a project: that is a failed precondition to Google (docs/protocol.md, P-209)."""
    named = {"cloudaicompanionProject": project} if project else {}
    body = {"tierId": tier.id, **named, "metadata": _metadata(project)}
    return Call("POST", "/v1internal:onboardUser", "Setting up Code Assist for this account", body)


def _poll(name: str) -> Call:
    return Call("GET", f"/v1internal/{quote(name)}", "Waiting until Google has prepared a project (up to a minute)")


def _operation(answer: Answered) -> Operation:
    operation = _read(Operation, answer, "onboardUser")
    if operation.error is None:
        return operation
    document = {"error": {**operation.error.model_dump(), "status": ""}}
    raise _refusal(document, 503 if operation.error.code in RETRYABLE else 400, "onboardUser")


def _metadata(project: str) -> dict[str, str]:
    named = {"duetProject": project} if project else {}
    return {"ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI", **named}


def _ask(call: Call) -> Generator[Call | Wait, Answered | None, Answered]:
    answer = yield call
    if answer is None:
        raise TypeError("a call wants an answer")
    return answer


def _read(model: type[M], answer: Answered, method: str) -> M:
    if answer.status != 200:
        error = _refusal(answer.document, answer.status, method)
        error.retry_after = answer.retry_after if error.retry_after is None else error.retry_after
        raise error
    try:
        return model.model_validate(answer.document)
    except ValidationError as error:
        text = f"Google's answer to {method} could not be understood. Try again; if it keeps happening, this proxy needs an update."
        raise ProxyError(502, "onboarding_failed", text, retry=True) from error


def _refusal(document: Any, http_status: int, method: str) -> ProxyError:
    """Google's error in our words: a reason we have words for, then what status.py knows, then Google's text."""
    error = read_error(document)
    if error.reason in eligibility.REASONS:
        return eligibility.refusal(error.reason, error.message, error.link)
    said = error.message or f"status {http_status}"
    if http_status >= 500:
        text = (
            f"Google has a problem and could not look at this account ({method}: {said}). Try again in a few minutes."
        )
        return ProxyError(503, "google_unavailable", text, retry=True)
    if http_status in (401, 403, 429):
        return status.error_from({"error": error.fields}, http_status)
    text = f"Google did not set up this account ({method}: {said})."
    return ProxyError(502, "onboarding_failed", text, retry=False)
