"""What may be said about a sign-in: the same fields on /auth/status and from `login.py --status --json`."""

from datetime import UTC, datetime

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.token import Token


def status_of(token: Token | None, project: str = "", problem: ProxyError | None = None) -> dict[str, object]:
    """Always the same fields; `project` is the configured one, which takes precedence over the one in the sign-in.

    `reason` and `message` are there only if something is known to stand in the way, as in /health/ready.
    """
    known = {"reason": problem.code, "message": problem.message} if problem else {}
    if token is None:
        return {"authenticated": False, "email": None, "projectId": None, "expiresAt": None, **known}
    return {
        "authenticated": True,
        "email": token.email or None,
        "projectId": project or token.project_id or None,
        "expiresAt": iso(token.expiry_date),
        **known,
    }


def account_in_words(token: Token, project: str = "") -> str:
    """`me@example.com, project my-project, Gemini Code Assist`, as far as it is known."""
    project = project or token.project_id
    known = (token.email or "an account whose address is unknown", project and f"project {project}", token.tier)
    return ", ".join(filter(None, known))


def iso(milliseconds: int | None) -> str | None:
    """A date as JavaScript's toISOString writes it; None where there is none that a calendar knows."""
    if milliseconds is None:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
