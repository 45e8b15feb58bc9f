"""What the proxy answers itself, whatever dialect a client speaks: /health."""

from gemini_proxy.errors import ProxyError
from gemini_proxy.http import Answer, ClientRequest

HEALTH = Answer(200, b'{"status":"ok"}', {"content-type": "application/json"})


def health(request: ClientRequest) -> Answer | None:
    """Whether the process is there; nothing is asked of Google, and no key is needed."""
    if request.path != "/health":
        return None
    if request.method not in ("GET", "HEAD"):
        text = f"{request.method} is not allowed on /health; use GET."
        raise ProxyError(405, "method_not_allowed", text, headers={"allow": "GET, HEAD"})
    return HEALTH
