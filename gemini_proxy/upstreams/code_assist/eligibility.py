"""Why Google does not serve an account, in plain words: what happened, what to do, what still works.

The reasons come in `ineligibleTiers` of loadCodeAssist and in `ErrorInfo.reason` of errors. They are final: nothing
here is tried again, and nothing is worked around. The sign-in and the calls share this table, so that login.py, the
/auth pages, /auth/status and the API say the same.
"""

from gemini_proxy.errors import ProxyError
from gemini_proxy.settings import GEMINI_API

WITH_A_KEY = (
    "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey and start the proxy with "
    f"--mode reverse:{GEMINI_API}."
)
WHAT_STILL_WORKS = (
    "What still works: a Gemini Code Assist Standard or Enterprise licence, with GOOGLE_CLOUD_PROJECT set to its "
    f"project's ID; or the public Gemini API, which needs no sign-in: {WITH_A_KEY}"
)
ANOTHER_WAY = f"The public Gemini API needs no sign-in: {WITH_A_KEY}"
PUBLIC_API = f"use the public Gemini API for it: {WITH_A_KEY}"
NOT_ELIGIBLE = "account_not_eligible"
SUSPENDED = "account_suspended"
PERMISSION_DENIED = "permission_denied"
ADVICE = {NOT_ELIGIBLE: WHAT_STILL_WORKS, SUSPENDED: ANOTHER_WAY}  # by code
TERMS_OF_SERVICE = "Google has disabled Code Assist for this account for violating its Terms of Service. Only an appeal to Google can change that."
UNLICENSED = "This account has no Gemini Code Assist licence. Since 18 June 2026 Google serves only licensed accounts here; an administrator can assign a licence."

# reason -> our code, what happened and what to do about it. An open set: UNKNOWN stands for what Google adds.
REASONS: dict[str, tuple[str, str]] = {
    "UNSUPPORTED_CLIENT": (
        NOT_ELIGIBLE,
        "Since 18 June 2026 Google no longer serves Code Assist to personal accounts (free, Google AI Pro, Google AI "
        "Ultra) through clients like this one.",
    ),
    "SUBSCRIPTION_REQUIRED": (NOT_ELIGIBLE, UNLICENSED),
    "TOS_VIOLATION": (SUSPENDED, TERMS_OF_SERVICE),
    "VALIDATION_REQUIRED": (
        "validation_required",
        "Google asks you to verify this account. Open the link, follow the steps, then try again.",
    ),
    "DASHER_USER": (
        NOT_ELIGIBLE,
        "This account belongs to a Google Workspace organisation, and Google's tier for individuals is not open to it.",
    ),
    "RESTRICTED_AGE": (NOT_ELIGIBLE, "Google does not serve Code Assist to this account because of its owner's age."),
    "RESTRICTED_NETWORK": (NOT_ELIGIBLE, "Google does not serve Code Assist on this machine's network."),
    "UNSUPPORTED_LOCATION": (NOT_ELIGIBLE, "Google does not offer this tier of Code Assist in your country."),
    "UNKNOWN_LOCATION": (
        NOT_ELIGIBLE,
        "Google could not determine your country and therefore does not offer this tier of Code Assist.",
    ),
    "NON_USER_ACCOUNT": (
        NOT_ELIGIBLE,
        "Google offers this tier of Code Assist to people only; this is another kind of account.",
    ),
    "INELIGIBLE_ACCOUNT": (NOT_ELIGIBLE, "Google does not offer this tier of Code Assist to this account."),
    "UNKNOWN": (NOT_ELIGIBLE, "Google does not serve Code Assist to this account."),
    "SERVICE_DISABLED": (
        "service_disabled",
        "The Gemini for Google Cloud API is disabled in the project. Open the link, enable it, and wait a few minutes.",
    ),
    "CONSUMER_INVALID": (
        PERMISSION_DENIED,
        "The project does not exist, or this account may not use it: check GOOGLE_CLOUD_PROJECT.",
    ),
    "IAM_PERMISSION_DENIED": (
        PERMISSION_DENIED,
        "This account may not use Code Assist in the project: check GOOGLE_CLOUD_PROJECT, and ask the project's "
        "administrator for the role Gemini for Google Cloud User.",
    ),
    "SECURITY_POLICY_VIOLATED": (
        "security_policy_violated",
        "The organisation's VPC Service Controls perimeter blocks this machine or account. Ask the organisation's "
        "administrator.",
    ),
}
# The codes of answers that stand until the user, an administrator or Google changes the account or its project.
STANDING = {code for code, _ in REASONS.values()} | {"project_required"}
PROJECT_REQUIRED = (
    "Google assigned no project to this account. Set GOOGLE_CLOUD_PROJECT, in the environment or in .env, to the ID of "
    "the project that holds your Gemini Code Assist licence, restart the proxy, and sign in."
)


def refusal(reason: str, said: str = "", link: str = "") -> ProxyError:
    """The 403 for a reason; `said` is Google's own text, `link` where Google wants the user to go.

    The text has a line for each: what happened, Google's words, the link, what still works.
    """
    code, words = REASONS.get(reason, REASONS["UNKNOWN"])
    named = f"({reason})" if reason and reason not in REASONS else ""
    quoted = f'Google says: "{" ".join(said.split())}"' if said.strip() else ""
    shown = f"Link: {link}" if link and link not in quoted else ""
    text = "\n".join(filter(None, (f"{words} {named}".strip(), quoted, shown, ADVICE.get(code, ""))))
    return ProxyError(403, code, text, retry=False)


def project_required() -> ProxyError:
    """The 403 for an account whose tier wants a project of the user's own."""
    return ProxyError(403, "project_required", PROJECT_REQUIRED, retry=False)


def not_here(name: str) -> ProxyError:
    """The 400 for a method, or a member of a request, that Code Assist does not know."""
    text = f"Code Assist has no {name}: {PUBLIC_API}"
    return ProxyError(400, "unsupported_upstream", text, retry=False)
