"""The sign-in as a value, in the layout of the Gemini CLI's `oauth_creds.json` with an account added
(docs/protocol.md, P-112)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

BEARER = "Bearer"
# As the Gemini CLI writes them, then ours.
TEXTS = ("access_token", "scope", "token_type", "id_token", "refresh_token", "email", "project_id", "tier")
DATES = ("expiry_date", "issued_at")


@dataclass(frozen=True)
class Token:
    """Tokens and the account they belong to; `extra` holds the file's fields that we do not know.

    `expiry_date` and `issued_at` are in milliseconds since the epoch, None where nobody said when the access token
    ends, or when it was given to us.
    """

    access_token: str
    refresh_token: str = ""
    token_type: str = BEARER
    scope: str = ""
    id_token: str = ""
    expiry_date: int | None = None
    issued_at: int | None = None
    email: str = ""
    project_id: str = ""
    tier: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: bytes) -> "Token":
        """Raises ValueError for what is no sign-in."""
        try:
            data = json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
        return cls.from_fields(data)

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> "Token":
        """Raises ValueError for what is no sign-in."""
        known = {name: _text(name, data[name]) for name in TEXTS if data.get(name) is not None}
        if not known.get("access_token") and not known.get("refresh_token"):
            raise ValueError("neither an access token nor a refresh token")
        dates: dict[str, Any] = {name: _milliseconds(name, data.get(name)) for name in DATES}
        extra = {name: value for name, value in data.items() if name not in (*TEXTS, *DATES)}
        return cls(**{"access_token": "", **known, **dates}, extra=extra)

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any], now: float) -> "Token":
        """The token in an answer to the code exchange, at `now` in seconds since the epoch."""
        return cls("").refreshed(answer, now)

    def refreshed(self, answer: Mapping[str, Any], now: float) -> "Token":
        """This sign-in with what a refresh brought; it keeps the refresh token unless Google sent a new one."""
        named = ("access_token", "refresh_token", "token_type", "scope", "id_token")
        fresh: dict[str, Any] = {name: value for name in named if is_text(value := answer.get(name), name) and value}
        return replace(self, **fresh, expiry_date=_end(answer.get("expires_in"), now), issued_at=int(now * 1000))

    def to_json(self) -> bytes:
        """The file's text: indented by two as the Gemini CLI writes it, without the fields that are empty."""
        texts = {name: value for name in TEXTS if (value := getattr(self, name))}
        dates = {name: value for name in DATES if (value := getattr(self, name)) is not None}
        return json.dumps({**texts, **dates, **self.extra}, indent=2).encode()

    def expires_before(self, moment: float) -> bool:
        """Whether the access token is over at `moment`, in seconds since the epoch.

        Without a date it counts as valid until Google refuses it (docs/protocol.md, P-111).
        """
        if not self.access_token:
            return True
        return self.expiry_date is not None and self.expiry_date <= moment * 1000

    def issued_after(self, moment: float) -> bool:
        """Whether it was given to us after `moment`: a clock was set back, and its end means nothing."""
        return self.issued_at is not None and self.issued_at > moment * 1000

    @property
    def lifetime(self) -> float | None:
        """Seconds from its issue to its end, None where one of them is unknown."""
        if self.issued_at is None or self.expiry_date is None:
            return None
        return (self.expiry_date - self.issued_at) / 1000

    def __repr__(self) -> str:
        return f"Token(expiry_date={self.expiry_date})"  # no secret, and not whose it is


def is_text(value: object, name: str) -> TypeGuard[str]:
    """Whether a value can be what the field is for: one line, and of a token what fits into a header."""
    if not isinstance(value, str) or not value.isprintable():
        return False
    return not name.endswith("_token") or (value.isascii() and " " not in value)


def _text(name: str, value: object) -> str:
    if not is_text(value, name):
        raise ValueError(f"{name} is not a usable text")
    return value


def _milliseconds(name: str, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e17:
        raise ValueError(f"{name} is not a time in milliseconds")
    return int(value)


def _end(expires_in: object, now: float) -> int | None:
    """Seconds from now as a date; some servers write the number as a text."""
    try:
        return int((now + float(str(expires_in))) * 1000)
    except (ValueError, OverflowError):
        return None
