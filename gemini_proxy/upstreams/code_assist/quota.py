"""What is left of an account's quota, per model (docs/protocol.md, P-213)."""

import asyncio
import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.token import Token
from gemini_proxy.upstreams.code_assist import status
from gemini_proxy.upstreams.code_assist.account_wire import Wire
from gemini_proxy.user_agent import user_agent

PATIENCE = 10.0  # seconds
NEVER = "1970-01-01T00:00:00Z"  # comes with a fraction of 0: the account has no access to that model


class Bucket(Wire):
    model_id: str = ""
    remaining_fraction: float = 0  # proto3 leaves a zero out
    reset_time: str = ""

    @property
    def accessible(self) -> bool:
        return self.remaining_fraction > 0 or self.reset_time not in ("", NEVER)


def _buckets(value: Any) -> Any:
    return [bucket for bucket in value if isinstance(bucket, dict)] if isinstance(value, list) else value


class Buckets(Wire):
    buckets: Annotated[tuple[Bucket, ...], BeforeValidator(_buckets)] = ()


@dataclass(frozen=True)
class Remaining:
    """What `login.py --status` shows of a model: 0 to 1, and when it is full again."""

    model: str
    fraction: float
    resets_at: str

    def as_json(self) -> dict[str, object]:
        return {"model": self.model, "remaining": self.fraction, "resetsAt": self.resets_at or None}


async def retrieve(token: Token, project: str, *, http: HttpClient, endpoint: str, agent: str = "") -> list[Remaining]:
    """The models that the account can use. Raises ProxyError, in the words in which a request would fail."""
    headers = {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": f"Bearer {token.access_token}",
        "content-type": "application/json",
        "user-agent": user_agent("", agent),
    }
    body = json.dumps({"project": project}).encode()
    try:
        async with asyncio.timeout(PATIENCE):
            reply = await http.send("POST", f"{endpoint}/v1internal:retrieveUserQuota", headers, body)
    except TimeoutError as error:
        raise ProxyError(504, "timeout", "Google did not answer in time.", retry=True) from error
    if reply.status != 200:
        raise status.refuse(reply.status, reply.body)
    try:
        buckets = Buckets.model_validate(reply.document).buckets
    except ValidationError as error:
        raise ProxyError(502, "quota_unreadable", "Google's answer could not be understood.", retry=True) from error
    return [Remaining(b.model_id, b.remaining_fraction, b.reset_time) for b in buckets if b.accessible]
