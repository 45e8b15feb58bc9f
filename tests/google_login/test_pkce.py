import re

from gemini_proxy.google_login import pkce


def test_challenge_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert pkce.challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_verifiers_are_legal_and_differ() -> None:
    verifiers = {pkce.new_verifier() for _ in range(100)}
    assert len(verifiers) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier) for verifier in verifiers)


def test_states_differ() -> None:
    states = {pkce.new_state() for _ in range(100)}
    assert len(states) == 100
    assert all(re.fullmatch(r"[0-9a-f]{64}", state) for state in states)
