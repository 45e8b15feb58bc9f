"""What takes the place of the sign-in's pages where an API key is the credential, and the keys that clients bring."""

import json
import re
from dataclasses import replace

from gemini_proxy.app.local import JSON, READY
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.upstreams.gemini_api.status import key_status

GOOGLE_KEY = re.compile(r"AIza[\w-]{30,80}")
# Code of a refusal -> what to do. Anyone may ask, so Google's own words are left out.
REMEDIES = {
    "google_api_key_required": "There is no Google API key: set GEMINI_API_KEY (https://aistudio.google.com/apikey).",
    "unsupported_location": "Google does not offer the Gemini API in this machine's location.",
    "billing_required": "Google requires a project with billing enabled for this key.",
}
OTHER = "Google refuses the API key: check GEMINI_API_KEY (https://aistudio.google.com/apikey)."
NO_SIGN_IN = "No sign-in is needed: this proxy uses Google's public API with GEMINI_API_KEY."


def ready(obstacle: ProxyError | None) -> Answer:
    """/health/ready of an upstream that signs nobody in."""
    return READY if obstacle is None else _answer(503, {"status": "not_ready", **_said(obstacle)})


def status(obstacle: ProxyError | None) -> Answer:
    """/auth/status of an upstream that signs nobody in."""
    problem = _said(obstacle) if obstacle is not None else {}
    return _answer(200, {**key_status(obstacle), **problem})


def client_key(request: ClientRequest) -> str:
    """The Google key that a client brings as its bearer token, else empty."""
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return sent.strip() if scheme.lower() == "bearer" and GOOGLE_KEY.fullmatch(sent.strip()) else ""


def with_key(ask: Ask, key: str) -> Ask:
    if not key:
        return ask
    return replace(ask, client_key=key, earlier=[replace(earlier, client_key=key) for earlier in ask.earlier])


def _said(obstacle: ProxyError) -> dict[str, str]:
    return {"reason": obstacle.code, "message": REMEDIES.get(obstacle.code, OTHER)}


def _answer(status: int, body: dict[str, object]) -> Answer:
    return Answer(status, json.dumps(body, separators=(",", ":")).encode(), JSON)
