"""Who may use the proxy: the key that clients must send, and this machine alone where there is no key. Pure."""

import hmac
from ipaddress import IPv6Address, ip_address

from gemini_proxy.errors import ProxyError
from gemini_proxy.http import ClientRequest


def check_peer(request: ClientRequest, api_key: str) -> None:
    """Raises ProxyError 403 for another machine while no key is set."""
    if not api_key and not _is_this_machine(request.peer):
        text = "This proxy has no key, so it serves its own machine alone. Set PROXY_API_KEY to serve others."
        raise ProxyError(403, "loopback_only", text, retry=False)


def check_key(request: ClientRequest, api_key: str) -> None:
    """Raises ProxyError 401 unless the request carries the key; comparing takes the same time wherever it differs."""
    if not api_key:
        return
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), api_key.encode()):
        return
    problem = "Incorrect API key provided" if sent else "No API key provided"
    text = f"{problem}. Send the proxy's key (PROXY_API_KEY) as 'Authorization: Bearer KEY'."
    headers = {"www-authenticate": "Bearer"}
    raise ProxyError(401, "invalid_api_key", text, kind="invalid_request_error", retry=False, headers=headers)


def _is_this_machine(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # a listener on :: sees IPv4 clients so
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
