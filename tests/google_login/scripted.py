"""Google's sign-in as a script, and a clock that a test turns."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx

from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google
from gemini_proxy.google_login.token import Token

NOW = 1_800_000_000.0
GOOGLE = Google("a-client", "a-secret", "http://127.0.0.1:9")
REVOKED = (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})

Script = tuple[int, Any] | Exception | Callable[[httpx.Request], Any]


def granted(name: str = "new", **more: Any) -> tuple[int, dict[str, Any]]:
    """A good answer of the token endpoint, as it comes for a refresh."""
    return 200, {"access_token": f"ya29.{name}", "expires_in": 3599, "token_type": "Bearer", **more}


def token(left: float, name: str = "old", **more: Any) -> Token:
    """A token with `left` seconds to go at NOW."""
    values = {"refresh_token": f"1//{name}", "expiry_date": int((NOW + left) * 1000), **more}
    return Token(f"ya29.{name}", **values)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class ScriptedGoogle:
    """Answers each path with its script, the last answer again and again; keeps what was asked."""

    def __init__(self, **scripts: Script | list[Script]) -> None:
        self.scripts = {
            path: list(script) if isinstance(script, list) else [script] for path, script in scripts.items()
        }
        self.requests: list[httpx.Request] = []

    def client(self) -> HttpClient:
        return HttpClient(httpx.MockTransport(self.handle))

    def forms(self) -> list[dict[str, str]]:
        return [{k: v[0] for k, v in parse_qs(request.content.decode()).items()} for request in self.requests]

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) if request.content else None for request in self.requests]

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        scripts = self.scripts[request.url.path.split("/")[-1].rpartition(":")[2]]
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        answer = await script(request) if callable(script) else script
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return httpx.Response(status, content=body) if isinstance(body, bytes) else httpx.Response(status, json=body)


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())
