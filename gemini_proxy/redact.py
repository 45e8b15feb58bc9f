"""Takes out of Google's words what a client of the proxy need not know: tokens, addresses, account numbers. Pure.

Google's words quote what clients send, so they can be long. No pattern may look at a letter again and again: each
begins where a word does, and what it has read it does not give back (`++`).
"""

import re

SECRETS = (
    (re.compile(r"\bya29\.[\w.~+/-]+=*"), "***"),  # access tokens
    (re.compile(r"\b1//[\w-]{10,}"), "***"),  # refresh tokens
    (re.compile(r"\b4/0[\w-]{10,}"), "***"),  # codes of a sign-in
    (re.compile(r"\bAIza[\w-]{20,}"), "***"),  # API keys
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/-]{8,}=*"), r"\1 ***"),
    (re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+"), "***@***"),
    (re.compile(r"\b(project_number:|projects/)\d{6,}"), r"\1***"),
)


def redacted(text: str) -> str:
    for pattern, mark in SECRETS:
        text = pattern.sub(mark, text)
    return text
