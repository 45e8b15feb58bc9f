import base64
import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token
from gemini_proxy.upstreams.code_assist.account import sign_in
from gemini_proxy.user_agent import user_agent
from tests.google_login.scripted import GOOGLE, NOW, REVOKED, Script, ScriptedGoogle, granted, read, token

SCOPE = "https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/cloud-platform openid"
EXCHANGED = granted("first", refresh_token="1//first", scope=SCOPE)
FREE = {"id": "free-tier", "name": "Individuals", "isDefault": True}
LOADED = (200, {"currentTier": FREE, "cloudaicompanionProject": "managed"})
SHUTDOWN = (200, {"ineligibleTiers": [{"reasonCode": "UNSUPPORTED_CLIENT", "reasonMessage": "No."}]})
DOWN = httpx.ConnectError("no network")


class Scene:
    def __init__(self, path: Path) -> None:
        self.store = TokenStore(path)
        self.google = ScriptedGoogle(
            token=EXCHANGED, userinfo=(200, {"email": "user@example.com"}), loadCodeAssist=LOADED
        )
        self.http = self.google.client()
        self.told: list[str] = []
        self.slept: list[float] = []

    def says(self, **scripts: Script | list[Script]) -> None:
        self.google.scripts |= ScriptedGoogle(**scripts).scripts

    async def sign_in(self, project: str = "", agent: str = "") -> Token:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        return await sign_in(
            "4/0a", "verifier", "http://localhost/cb", google=GOOGLE, http=self.http, endpoint="http://127.0.0.1:8", project=project,
            store=self.store, agent=agent, progress=self.told.append, now=lambda: NOW, sleep=sleep,
        )  # fmt: skip


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "tokens.json")
    yield scene
    await scene.http.aclose()


async def test_a_sign_in_stores_tokens_and_account(scene: Scene) -> None:
    token = await scene.sign_in()
    assert read(scene.store.path) == {
        "access_token": "ya29.first",
        "scope": SCOPE,
        "token_type": "Bearer",
        "refresh_token": "1//first",
        "email": "user@example.com",
        "project_id": "managed",
        "tier": "Individuals",
        "expiry_date": int((NOW + 3599) * 1000),
        "issued_at": int(NOW * 1000),
    }
    assert token == scene.store.load()
    assert scene.told == ["Fetching the tokens", "Asking Google what this account may use"]


async def test_what_goes_over_the_wire(scene: Scene) -> None:
    await scene.sign_in()
    _, userinfo, load = scene.google.requests
    assert scene.google.forms()[0] == GOOGLE.exchange_form("4/0a", "verifier", "http://localhost/cb")
    assert (userinfo.method, userinfo.url.path) == ("GET", "/oauth2/v2/userinfo")
    assert userinfo.headers["authorization"] == "Bearer ya29.first"
    assert str(load.url) == "http://127.0.0.1:8/v1internal:loadCodeAssist"
    ours = {name: value for name, value in load.headers.items() if name not in ("host", "connection", "content-length")}
    assert ours == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer ya29.first",
        "content-type": "application/json",
        "user-agent": user_agent(""),
    }


async def test_the_users_user_agent(scene: Scene) -> None:
    await scene.sign_in(agent="mine/1")
    assert scene.google.requests[-1].headers["user-agent"] == "mine/1"


async def test_onboarding_waits_and_tells(scene: Scene) -> None:
    pending, done = {"name": "operations/1"}, {"done": True, "response": {"cloudaicompanionProject": {"id": "fresh"}}}
    scene.says(loadCodeAssist=(200, {"allowedTiers": [FREE]}), onboardUser=(200, pending))
    scene.google.scripts["1"] = [(200, pending), (200, done)]
    assert (await scene.sign_in()).project_id == "fresh"
    assert scene.slept == [5.0, 5.0]
    assert len(scene.told) == len(set(scene.told)) == 4
    poll = scene.google.requests[-1]
    assert (poll.method, poll.url.path, poll.content) == ("GET", "/v1internal/operations/1", b"")


@pytest.mark.parametrize(
    ("scripts", "status", "code"),
    [
        pytest.param({"token": REVOKED}, 400, "login_code_rejected", id="reused-code"),
        ({"token": DOWN}, 503, "google_unreachable"),
        pytest.param({"loadCodeAssist": SHUTDOWN}, 403, "account_not_eligible"),
        ({"loadCodeAssist": DOWN}, 503, "google_unreachable"),
        ({"loadCodeAssist": (200, b"<html>")}, 502, "onboarding_failed"),
        ({"token": granted("x", scope="openid")}, 403, "scope_missing"),
    ],
)
async def test_what_fails_stores_nothing_and_keeps_an_older_sign_in(
    scene: Scene, scripts: dict[str, Any], status: int, code: str
) -> None:
    scene.says(**scripts)
    for before in (None, token(3000)):
        if before:
            scene.store.save(before)
        with pytest.raises(ProxyError) as caught:
            await scene.sign_in()
        assert (caught.value.status, caught.value.code) == (status, code)
        assert scene.store.load() == before
    assert not any("revoke" in request.url.path for request in scene.google.requests)


async def test_the_disk_never_holds_up_the_loop(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, real = [], os.fsync

    def watching(descriptor: int) -> None:
        threads.append(threading.current_thread())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watching)
    await scene.sign_in()
    assert threads
    assert threading.current_thread() not in threads


async def test_a_file_that_cannot_be_written(scene: Scene) -> None:
    scene.store.path.mkdir()
    with pytest.raises(ProxyError, match="cannot be written"):
        await scene.sign_in()


def id_token(claims: Any) -> str:
    return f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.s"


@pytest.mark.parametrize("userinfo", [DOWN, (401, {"error": {}}), (200, {}), (200, []), (200, {"email": 7})])
@pytest.mark.parametrize(
    ("token", "email"),
    [(id_token({"email": "claimed@example.com"}), "claimed@example.com"), (id_token([]), ""), ("x.ä.y", ""), ("h.!!!.s", ""), ("", "")],
)  # fmt: skip
async def test_the_email_is_best_effort(scene: Scene, userinfo: Any, token: str, email: str) -> None:
    scene.says(userinfo=userinfo, token=granted("first", scope=SCOPE, id_token=token))
    assert (await scene.sign_in()).email == email


async def test_without_a_named_tier_its_id_is_shown(scene: Scene) -> None:
    scene.says(loadCodeAssist=(200, {"currentTier": {"id": "x-tier"}}))
    assert (await scene.sign_in(project="mine")).tier == "x-tier"


async def test_an_answer_without_scopes_is_taken_at_its_word(scene: Scene) -> None:
    scene.says(token=granted("first"))
    assert (await scene.sign_in()).project_id == "managed"
