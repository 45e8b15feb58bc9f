"""Thought signatures: issued for one function call or text, and recognised when they come back.

They carry their own proof, so that nothing has to be remembered and a restarted emulator knows its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from gemini_proxy.emulator.fields import decoded

KEY = b"gemini-proxy emulator"
MARK = b"\x0aemulator\xfb\xff"  # the last two bytes put `+` and `/` into every signature
# Documented words that are accepted in place of a signature.
DUMMIES = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")


def sign_call(name: str, args: dict[str, Any], nonce: str) -> str:
    return _sign(b"call", _canonical(name, args), nonce)


def sign_text(nonce: str) -> str:
    return _sign(b"text", b"", nonce)


def issued(signature: str) -> bool:
    return _parsed(signature) is not None


def fits_call(signature: str, name: str, args: dict[str, Any]) -> bool:
    parsed = _parsed(signature)
    return parsed == (b"call", hashlib.sha256(_canonical(name, args)).digest())


def _canonical(name: str, args: dict[str, Any]) -> bytes:
    return json.dumps([name, args], sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _sign(kind: bytes, content: bytes, nonce: str) -> str:
    salt = hashlib.sha256(nonce.encode()).digest()
    payload = MARK + kind + salt + hashlib.sha256(content).digest()
    return base64.b64encode(payload + hmac.digest(KEY, payload, "sha256")).decode()


def _parsed(signature: str) -> tuple[bytes, bytes] | None:
    """Kind and content hash of a signature of ours; None for any other text."""
    raw = decoded(signature) or b""
    payload, proof = raw[:-32], raw[-32:]
    if not payload.startswith(MARK) or not hmac.compare_digest(proof, hmac.digest(KEY, payload, "sha256")):
        return None
    return payload[len(MARK) : len(MARK) + 4], payload[-32:]
