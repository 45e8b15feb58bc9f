"""Who is let in, by the head of a request alone: everything that is not named as public needs the key."""

from dataclasses import replace
from pathlib import Path

import pytest

from gemini_proxy.app.app import App
from gemini_proxy.errors import ProxyError
from gemini_proxy.http import ClientRequest
from gemini_proxy.settings import resolve
from tests.app.apps import app_in

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


def test_the_sign_in_asks_by_itself_who_is_there(app: App) -> None:
    """In words that a person reads, so not here."""
    app.admit(request("/auth/login", host="evil.test"))
    with pytest.raises(ProxyError):
        app.admit(request("/auth/status", host="evil.test"))


def test_without_a_key_another_machine_may_know_whether_it_works_and_no_more(tmp_path: Path) -> None:
    keyless = app_in(tmp_path)
    for path, open_to_all in (
        ("/health", True),
        ("/health/ready", True),
        ("/auth/status", False),
        ("/v1/models", False),
    ):
        asked = replace(request(path), peer="192.168.1.2")
        if open_to_all:
            keyless.admit(asked)
            continue
        with pytest.raises(ProxyError) as caught:
            keyless.admit(asked)
        assert caught.value.code == "loopback_only"


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
