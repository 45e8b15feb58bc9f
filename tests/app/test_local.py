import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gemini_proxy.app.app import unknown_path
from gemini_proxy.app.local import REMEDIES, SETTLED, ready, worded
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.http import ClientRequest
from gemini_proxy.upstreams.code_assist import eligibility
from tests.google_login.scripted import GOOGLE, REVOKED, Clock, ScriptedGoogle, granted, token

DOWN = httpx.ConnectError("no network")
ME = {"email": "me@example.com", "project_id": "my-project"}


class Scene:
    def __init__(self, path: Path) -> None:
        self.store, self.clock, self.google = TokenStore(path), Clock(), ScriptedGoogle(token=granted())
        self.http = self.google.client()
        self.source = TokenSource(self.store, GOOGLE, self.http, "http://127.0.0.1:3000/auth/login", self.clock)

    async def ready(self, project: str = "") -> tuple[int, str]:
        """Status and reason; whatever the answer is, it has nothing of the user's, and Google was not asked for it."""
        before = len(self.google.requests)
        answer = await ready(self.source, project)
        assert len(self.google.requests) == before
        for private in ("example.com", "my-project", str(self.store.path.parent), "ya29", "https://"):
            assert private not in answer.body.decode()
        body = json.loads(answer.body)
        assert (answer.status, body["status"]) in ((200, "ready"), (503, "not_ready"))
        assert set(body) == ({"status"} if answer.status == 200 else {"status", "reason", "message"})
        return answer.status, body.get("reason", "")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "tokens.json")
    yield scene
    await scene.http.aclose()


async def test_ready(scene: Scene) -> None:
    scene.store.save(token(3000, **ME))
    assert await scene.ready() == (200, "")


async def test_a_token_that_is_over_can_be_renewed(scene: Scene) -> None:
    scene.store.save(token(-5000, **ME))
    assert await scene.ready() == (200, "")


async def test_nobody_is_signed_in(scene: Scene) -> None:
    assert await scene.ready() == (503, "google_login_required")


async def test_a_sign_in_that_is_over(scene: Scene) -> None:
    scene.store.save(token(-1, **ME, refresh_token=""))
    assert await scene.ready() == (503, "google_login_required")


async def test_a_sign_in_that_google_ended(scene: Scene) -> None:
    scene.google.scripts["token"] = [REVOKED]
    scene.store.save(token(-1, **ME))
    with pytest.raises(ProxyError):
        await scene.source.token()
    assert await scene.ready() == (503, "google_login_required")


async def test_no_network(scene: Scene) -> None:
    scene.google.scripts["token"] = [DOWN]
    scene.store.save(token(-1, **ME))
    assert await scene.ready() == (200, "")  # nobody knows yet
    with pytest.raises(ProxyError):
        await scene.source.token()
    assert await scene.ready() == (503, "google_unreachable")
    scene.clock.now += 61
    assert await scene.ready() == (200, "")


async def test_no_project(scene: Scene) -> None:
    scene.store.save(token(3000))
    assert await scene.ready() == (503, "project_required")
    assert await scene.ready("configured") == (200, "")


async def test_a_file_that_cannot_be_read(scene: Scene) -> None:
    scene.store.path.mkdir()
    assert await scene.ready() == (503, "token_store_error")


@pytest.mark.parametrize("reason", eligibility.REASONS)
async def test_a_refused_account(scene: Scene, reason: str) -> None:
    scene.store.save(token(3000, **ME))
    await scene.source.token()
    error = eligibility.refusal(reason, "me@example.com may not", "https://accounts.example/x")
    scene.source.note(error)
    assert await scene.ready() == (503, error.code)
    scene.clock.now += SETTLED
    assert await scene.ready() == (200, "")  # or no balancer would ever send the request that finds out


@pytest.mark.parametrize("code", sorted(eligibility.STANDING))
def test_every_standing_refusal_has_a_remedy(code: str) -> None:
    assert code in REMEDIES


def test_what_only_helps_here_is_said_here() -> None:
    error = ProxyError(401, "google_login_required", "Sign in.", here="Or run /home/me/login.py", headers={"a": "b"})
    here, forwarded, elsewhere = (
        worded(error, request)
        for request in (
            ClientRequest("GET", "/v1/models", {}),
            ClientRequest("GET", "/v1/models", {"x-forwarded-for": "10.0.0.1"}),
            ClientRequest("GET", "/v1/models", {}, peer="10.0.0.1"),
        )
    )
    assert here.message == "Sign in. Or run /home/me/login.py"
    assert (here.status, here.code, here.headers) == (error.status, error.code, error.headers)
    assert forwarded.message == elsewhere.message == error.message == "Sign in."


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/chat/completions?a=b", "Not found: POST /chat/completions. The base URL has no /v1 at its end"),
        ("/v1/v1/models", "Not found: POST /v1/v1/models. The base URL has /v1 at its end already"),
        ("/v1/audio/speech", "Not found: POST /v1/audio/speech. This server has no /v1/audio."),
        ("/v1/nothing", "Not found: POST /v1/nothing."),
        ("/", "Not found: POST /. The base URL of OpenAI clients ends in /v1."),
        ("http://host/v1/x", "Not found: POST http://host/v1/x. The base URL of OpenAI clients ends in /v1."),
    ],
)
def test_an_unknown_path(target: str, words: str) -> None:
    error = unknown_path(ClientRequest("POST", target, {}))
    assert (error.status, error.code) == (404, "not_found")
    assert error.message.startswith(words)
