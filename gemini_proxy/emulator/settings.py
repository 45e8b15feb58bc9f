"""The knobs of an emulator; all of them may be turned while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Settings:
    # Who is signed in, and what loadCodeAssist makes of it: a row of accounts.ACCOUNTS.
    account: str = "standard"
    email: str = "emulated.user@example.com"
    user_id: str = "100000000000000000001"
    project: str = "emulator-project-1a2b3"  # the one Google manages for the account
    own_projects: tuple[str, ...] = ("my-own-project",)  # what the user may use besides
    polls_until_done: int = 1  # GETs of the onboarding operation until it is done
    # OAuth
    token_lifetime: float = 3599
    rotate_refresh_token: bool = False
    any_token: bool = False  # take every bearer, as a client with a token from elsewhere needs
    public_error: str = ""  # of every call to the public API: "suspended", or a row of public_errors.NAMED
    # The wire
    pace: float = 0.0  # seconds between the events of a stream
    first_byte_delay: float = 0.0
    error_form: str = "object"  # or "array", the older form on the streaming method (docs/protocol.md, P-802)
    stream_error_type: str = "text/event-stream"  # what errors of the streaming method call themselves
    # Rules
    alternate: bool = False  # refuse two turns of one role in a row; today's service takes them
    record_limit: int = 10_000  # requests that are remembered
