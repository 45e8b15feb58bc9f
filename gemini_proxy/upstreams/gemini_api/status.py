"""Errors of the public Gemini API that have a reason of its own: the key, the place, the bill."""

import re

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini import status
from gemini_proxy.gemini.models import MODELS, not_found
from gemini_proxy.gemini.status import Status

KEYS = "https://aistudio.google.com/apikey"
REQUIRED = (
    f"There is no Google API key. Create one at {KEYS}, set GEMINI_API_KEY in the environment or in .env, and restart "
    "the proxy."
)
CHECK = f"Check GEMINI_API_KEY; {KEYS} lists your keys."
RESTRICTED = f"The key's restrictions do not allow this: change them in the Google Cloud console, or create another key at {KEYS}."
BILLING = "Google requires a project with billing enabled for this: set it up at https://aistudio.google.com."
PLACE = (
    "Google does not offer this API in this machine's location. Vertex AI, or a Code Assist licence, may work there."
)

# ErrorInfo.reason -> HTTP status, our code, what to do. Final answers: none gets better by asking again.
REASONS: dict[str, tuple[int, str, str]] = {
    "API_KEY_INVALID": (401, "invalid_google_api_key", CHECK),
    "API_KEY_SERVICE_BLOCKED": (403, "google_api_key_restricted", RESTRICTED),
    "API_KEY_HTTP_REFERRER_BLOCKED": (403, "google_api_key_restricted", RESTRICTED),
    "API_KEY_IP_ADDRESS_BLOCKED": (403, "google_api_key_restricted", RESTRICTED),
    "API_KEY_ANDROID_APP_BLOCKED": (403, "google_api_key_restricted", RESTRICTED),
    "API_KEY_IOS_APP_BLOCKED": (403, "google_api_key_restricted", RESTRICTED),
    "CONSUMER_SUSPENDED": (403, "google_api_key_suspended", f"Google has suspended the key's project. {CHECK}"),
    "SERVICE_DISABLED": (403, "service_disabled", "Enable the Generative Language API in the key's project and wait a few minutes."),
    "BILLING_DISABLED": (403, "billing_required", BILLING),
}  # fmt: skip
# What comes without a reason, or says more than it: words of Google's text -> the same. The first match counts.
WORDS: tuple[tuple[str, tuple[int, str, str]], ...] = (
    ("API key expired", (401, "expired_google_api_key", f"Renew it, or create another at {KEYS}, and set GEMINI_API_KEY.")),
    ("reported as leaked", (401, "leaked_google_api_key", f"Create another at {KEYS} and set GEMINI_API_KEY.")),
    ("unregistered callers", (401, "google_api_key_required", REQUIRED)),
    ("location is not supported", (403, "unsupported_location", PLACE)),
    ("enable billing", (403, "billing_required", BILLING)),
    ("billed users", (403, "billing_required", BILLING)),
)  # fmt: skip
# The codes of answers that stand until somebody changes the key or its project.
STANDING = {code for _, code, _ in [*REASONS.values(), *(row for _, row in WORDS)]}
# Those of them that say that there is no key that Google takes.
UNUSABLE = {
    "google_api_key_required",
    "invalid_google_api_key",
    "expired_google_api_key",
    "leaked_google_api_key",
    "google_api_key_suspended",
}
KEY = re.compile(r"AIza[\w-]{30,}|\bAQ\.[\w-]{20,}")  # Google quotes the key in some of its texts


def hidden(text: str) -> str:
    return KEY.sub("***", text)


def key_status(obstacle: ProxyError | None) -> dict[str, object]:
    """What /auth/status says of a sign-in, said of a key; `obstacle` is what is known to stand in its way."""
    usable = obstacle is None or obstacle.code not in UNUSABLE
    return {"authenticated": usable, "email": None, "projectId": None, "expiresAt": None}


def key_required() -> ProxyError:
    return ProxyError(401, "google_api_key_required", REQUIRED, retry=False)


def error_from(said: Status, model: str = "") -> ProxyError:
    said = Status(said.http, said.code, hidden(said.message), said.details)
    row = next((row for words, row in WORDS if words in said.message), None) or REASONS.get(said.reason)
    if row is not None and said.http in (400, 401, 403):
        http, code, advice = row
        return ProxyError(http, code, f"{said.message} {advice}", retry=False)
    if said.http == 401:  # such as a token in place of a key
        return ProxyError(401, "invalid_google_api_key", f"{said.message} {CHECK}", retry=False)
    if said.http == 404:
        what = not_found(model, MODELS, "this key") if model else "Google does not know this model."
        text = f"{what} Google says: {said.message}"
        return ProxyError(404, said.code, text, param="model", retry=False)
    return status.error_from(said)
