"""What binds a code to the one who asked for it: Proof Key for Code Exchange (RFC 7636) and the state (RFC 6749)."""

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256


def new_verifier() -> str:
    """A secret of 128 characters, the most that RFC 7636 (4.1) allows and what the Gemini CLI sends."""
    return secrets.token_urlsafe(96)


def challenge(verifier: str) -> str:
    """The S256 challenge: BASE64URL(SHA256(ASCII(verifier))) without padding (RFC 7636, 4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def new_state() -> str:
    """32 random bytes in hex, as the Gemini CLI sends."""
    return secrets.token_hex(32)
