"""Who is let in, by the head of a request alone: everything that is not named as public needs the key."""

from pathlib import Path

import pytest

from gemini_proxy.app.app import App
from gemini_proxy.errors import ProxyError
from gemini_proxy.http import ClientRequest
from gemini_proxy.settings import resolve

KEY = "s3cret"


@pytest.fixture
def app(tmp_path: Path) -> App:
    env = {"PROXY_API_KEY": KEY, "GEMINI_STATE_DIRECTORY": str(tmp_path), "TOKEN_STORE_PATH": str(tmp_path / "t.json")}
    return App(resolve({**env, "GEMINI_ALLOWED_ORIGINS": "https://chat.example"}), "", 3000)


def request(path: str, method: str = "GET", **headers: str) -> ClientRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ClientRequest(method, path, {"host": "localhost", **named}, peer="127.0.0.1")


CLOSED = [
    "/",
    "/v1/models",
    "/v1/chat/completions",
    "/v2/x",
    "/health/",
    "/healthy",
    "/auth",
    "/v1beta/models",
    "/metrics",
]


@pytest.mark.parametrize("path", CLOSED)
def test_everything_needs_the_key_wherever_it_stands(app: App, path: str) -> None:
    with pytest.raises(ProxyError) as caught:
        app.admit(request(path))
    assert caught.value.status == 401
    app.admit(request(path, authorization=f"Bearer {KEY}"))


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/auth/login", "/auth/status", "/auth/nothing"])
def test_public_pages_and_the_sign_in_do_not(app: App, path: str) -> None:
    app.admit(request(path))


def test_a_browser_asks_before_it_has_the_key(app: App) -> None:
    asked = {"origin": "https://chat.example", "access_control_request_method": "POST"}
    app.admit(request("/v1/models", "OPTIONS", **asked))
    with pytest.raises(ProxyError):
        app.admit(request("/v1/models", "OPTIONS", origin="https://chat.example"))


@pytest.mark.parametrize("path", ["http://localhost/v1/models", "*", "//v1/models"])
def test_a_target_that_is_no_path(app: App, path: str) -> None:
    with pytest.raises(ProxyError) as caught:
        app.admit(request(path, authorization=f"Bearer {KEY}"))
    assert caught.value.status == 404
