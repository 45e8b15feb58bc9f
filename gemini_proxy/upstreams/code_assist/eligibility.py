"""Why Google does not serve an account, in plain words: what happened, what to do, what still works.

The reasons come in `ineligibleTiers` of loadCodeAssist and in `ErrorInfo.reason` of errors (protocol 0.1, 2.1, 6.1).
They are final: nothing here is tried again, and nothing is worked around. The sign-in and the calls share this table,
so that login.py, the /auth pages, /auth/status and the API say the same.
"""

from gemini_proxy.errors import ProxyError

WHAT_STILL_WORKS = (
    "What still works: a Gemini Code Assist Standard or Enterprise licence, with GOOGLE_CLOUD_PROJECT set to the id of "
    "its project; or, for everybody, the public Gemini API without this sign-in: set GEMINI_API_KEY to a key from "
    "https://aistudio.google.com/apikey and start the proxy with --mode reverse:https://generativelanguage.googleapis.com."
)
# The way in that needs no licence, with what to type.
PUBLIC_API = (
    "use the public Gemini API for it, with an API key from https://aistudio.google.com/apikey: set GEMINI_API_KEY and "
    "start the proxy with --mode reverse:https://generativelanguage.googleapis.com."
)
NOT_ELIGIBLE = "account_not_eligible"
PERMISSION_DENIED = "permission_denied"
TERMS_OF_SERVICE = "Google has disabled Code Assist for this account because of its Terms of Service. Only an appeal to Google can change that."
UNLICENSED = "This account has no Gemini Code Assist licence. Since 18 June 2026 Google serves licensed accounts only; an administrator can assign a licence."

# reason -> our code, what happened and what to do about it. An open set: UNKNOWN stands for what Google adds (0.1).
REASONS: dict[str, tuple[str, str]] = {
    "UNSUPPORTED_CLIENT": (
        NOT_ELIGIBLE,
        "Since 18 June 2026 Google no longer serves Code Assist to personal accounts (free, Google AI Pro, Google AI "
        "Ultra) through clients like this one.",
    ),
    "SUBSCRIPTION_REQUIRED": (NOT_ELIGIBLE, UNLICENSED),
    "TOS_VIOLATION": (NOT_ELIGIBLE, TERMS_OF_SERVICE),
    "VALIDATION_REQUIRED": (
        "validation_required",
        "Google wants this account verified first. Open the link, follow it, then try again.",
    ),
    "DASHER_USER": (
        NOT_ELIGIBLE,
        "This account belongs to a Google Workspace organisation, and Google's tier for individuals is closed to it.",
    ),
    "RESTRICTED_AGE": (NOT_ELIGIBLE, "Google does not serve Code Assist to this account because of its owner's age."),
    "RESTRICTED_NETWORK": (NOT_ELIGIBLE, "Google does not serve Code Assist on the network that this machine uses."),
    "UNSUPPORTED_LOCATION": (NOT_ELIGIBLE, "Google does not offer this tier of Code Assist in your country."),
    "UNKNOWN_LOCATION": (
        NOT_ELIGIBLE,
        "Google could not tell in which country you are, and so does not open this tier of Code Assist.",
    ),
    "NON_USER_ACCOUNT": (
        NOT_ELIGIBLE,
        "Google opens this tier of Code Assist to people only; this is another kind of account.",
    ),
    "INELIGIBLE_ACCOUNT": (NOT_ELIGIBLE, "Google does not open this tier of Code Assist to this account."),
    "UNKNOWN": (NOT_ELIGIBLE, "Google does not serve Code Assist to this account."),
    "SERVICE_DISABLED": (
        "service_disabled",
        "The Gemini for Google Cloud API is off in the project. Open the link, enable it, then wait a few minutes.",
    ),
    "CONSUMER_INVALID": (
        PERMISSION_DENIED,
        "Google does not know the project, or does not let this account use it: check GOOGLE_CLOUD_PROJECT.",
    ),
    "IAM_PERMISSION_DENIED": (
        PERMISSION_DENIED,
        "This account may not use Code Assist in the project: check GOOGLE_CLOUD_PROJECT, and ask the project's "
        "administrator for the role Gemini for Google Cloud User.",
    ),
    "SECURITY_POLICY_VIOLATED": (
        "security_policy_violated",
        "A VPC Service Controls perimeter of the organisation refuses this machine or this account. Ask the "
        "organisation's administrator.",
    ),
}
# The codes of answers that stand until the user, an administrator or Google changes the account or its project.
STANDING = {code for code, _ in REASONS.values()} | {"project_required"}
PROJECT_REQUIRED = (
    "Google named no project for this account. Set GOOGLE_CLOUD_PROJECT, in the environment or in .env, to the id of "
    "the project that holds your Gemini Code Assist licence, start the proxy again, and sign in."
)


def refusal(reason: str, said: str = "", link: str = "") -> ProxyError:
    """The 403 for a reason; `said` is Google's own text, `link` where Google wants the user to go.

    The text has a line for each: what happened, Google's words, the link, what still works.
    """
    code, words = REASONS.get(reason, REASONS["UNKNOWN"])
    named = f"({reason})" if reason and reason not in REASONS else ""
    quoted = f'Google says: "{" ".join(said.split())}"' if said.strip() else ""
    shown = f"Link: {link}" if link and link not in quoted else ""
    advice = WHAT_STILL_WORKS if code == NOT_ELIGIBLE else ""
    text = "\n".join(filter(None, (f"{words} {named}".strip(), quoted, shown, advice)))
    return ProxyError(403, code, text, kind="permission_error", retry=False)


def project_required() -> ProxyError:
    """The 403 for an account whose tier wants a project of the user's own (protocol 5)."""
    return ProxyError(403, "project_required", PROJECT_REQUIRED, kind="permission_error", retry=False)


def not_here(name: str) -> ProxyError:
    """The 400 for a method, or a member of a request, that Code Assist does not know."""
    text = f"Code Assist has no {name}: {PUBLIC_API}"
    return ProxyError(400, "unsupported_upstream", text, retry=False)
