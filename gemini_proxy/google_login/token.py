"""The sign-in as a value, in the layout of the Gemini CLI's `oauth_creds.json` (protocol 1.6) with an account added."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

BEARER = "Bearer"
# As the Gemini CLI writes them, then ours.
TEXTS = ("access_token", "scope", "token_type", "id_token", "refresh_token", "email", "project_id", "tier")


@dataclass(frozen=True)
class Token:
    """Tokens and the account they belong to; `extra` holds the file's fields that we do not know.

    `expiry_date` is in milliseconds since the epoch, None where nobody said when the access token ends.
    """

    access_token: str
    refresh_token: str = ""
    token_type: str = BEARER
    scope: str = ""
    id_token: str = ""
    expiry_date: int | None = None
    email: str = ""
    project_id: str = ""
    tier: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: bytes) -> "Token":
        """Raises ValueError for what is no sign-in."""
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
        known = {name: _text(name, data[name]) for name in TEXTS if data.get(name) is not None}
        if not known.get("access_token") and not known.get("refresh_token"):
            raise ValueError("neither an access token nor a refresh token")
        extra = {name: value for name, value in data.items() if name not in TEXTS and name != "expiry_date"}
        expiry_date = _milliseconds(data.get("expiry_date"))
        return cls(**{"access_token": "", **known}, expiry_date=expiry_date, extra=extra)

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any], now: float) -> "Token":
        """The token in an answer to the code exchange, at `now` in seconds since the epoch."""
        return cls("").refreshed(answer, now)

    def refreshed(self, answer: Mapping[str, Any], now: float) -> "Token":
        """This sign-in with what a refresh brought; it keeps the refresh token unless Google sent a new one (C214)."""
        named = ("access_token", "refresh_token", "token_type", "scope", "id_token")
        fresh: dict[str, Any] = {name: value for name in named if isinstance(value := answer.get(name), str) and value}
        return replace(self, **fresh, expiry_date=_end(answer.get("expires_in"), now))

    def to_json(self) -> bytes:
        """The file's text: indented by two as the Gemini CLI writes it, without the fields that are empty."""
        texts = {name: value for name in TEXTS if (value := getattr(self, name))}
        dates = {} if self.expiry_date is None else {"expiry_date": self.expiry_date}
        return json.dumps({**texts, **dates, **self.extra}, indent=2).encode()

    def expires_before(self, moment: float) -> bool:
        """Whether the access token is over at `moment`, in seconds since the epoch.

        Without a date it counts as valid until Google refuses it (protocol 1.5).
        """
        if not self.access_token:
            return True
        return self.expiry_date is not None and self.expiry_date <= moment * 1000

    def __repr__(self) -> str:
        return f"Token(expiry_date={self.expiry_date})"  # no secret, and not whose it is


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")
    return value


def _milliseconds(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e17:
        raise ValueError("expiry_date is not a time in milliseconds")
    return int(value)


def _end(expires_in: object, now: float) -> int | None:
    """Seconds from now as a date; some servers write the number as a text."""
    try:
        return int((now + float(str(expires_in))) * 1000)
    except (ValueError, OverflowError):
        return None
