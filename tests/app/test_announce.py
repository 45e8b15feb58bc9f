"""What the terminal says at the start, for each state in which a proxy can start."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from gemini_proxy.app.announce import DEMO, LEGAL, NO_KEY, NO_ORIGINS, NO_STATE, UNUSED_KEY, Start, lines
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.token import Token
from gemini_proxy.settings import CODE_ASSIST, GEMINI_API, resolve

ME = Token("ya29.s3cret", refresh_token="1//s3cret", email="me@example.com", project_id="p", tier="Standard")
NOBODY = ProxyError(401, "google_login_required", "Nobody is signed in to Google.", here="Or run login.py")


def start(signs_in: bool = True, token: Token | None = ME, problem: ProxyError | None = None, **env: str) -> Start:
    settings = resolve({"PROXY_API_KEY": "s3cret-key", **env})
    return Start(settings, 3000, CODE_ASSIST if signs_in else GEMINI_API, signs_in, False, "", token, problem)


def said(start: Start) -> list[str]:
    shown = [text for _, text in lines(start)]
    assert not any("s3cret" in text or "\n" in text for text in shown)
    return shown


@pytest.mark.parametrize(
    ("env", "signs_in", "base", "key"),
    [
        ({}, True, "http://127.0.0.1:3000/v1", "the value of PROXY_API_KEY"),
        ({"PROXY_API_KEY": ""}, True, "http://127.0.0.1:3000/v1", "any text"),
        ({"GEMINI_PUBLIC_URL": "https://gemini.example"}, True, "https://gemini.example/v1", "the value of PROXY_API_KEY"),
        ({"GEMINI_ALLOW_CLIENT_KEY": "1"}, False, "http://127.0.0.1:3000/v1", "the value of PROXY_API_KEY, or a Google API key"),
        ({"GEMINI_ALLOW_CLIENT_KEY": "1", "PROXY_API_KEY": ""}, False, "http://127.0.0.1:3000/v1", "a Google API key"),
    ],
)  # fmt: skip
def test_what_a_client_wants_to_know(env: dict[str, str], signs_in: bool, base: str, key: str) -> None:
    assert said(start(signs_in, None, None, **env))[0] == f"OpenAI base URL: {base}    API key: {key}"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (start(), "Code Assist at cloudcode-pa.googleapis.com, signed in as me@example.com, project p, Standard."),
        (start(GOOGLE_CLOUD_PROJECT="mine"), "signed in as me@example.com, project mine, Standard."),
        (start(GOOGLE_CLOUD_PROJECT="mine", GOOGLE_CLOUD_ACCESS_TOKEN="ya29.s3cret"), "with the token from GOOGLE_CLOUD_ACCESS_TOKEN, project mine."),
        (start(False, GEMINI_API_KEY="AIza-s3cret"), "the public Gemini API at generativelanguage.googleapis.com, with the key from GEMINI_API_KEY."),
        (start(False, GEMINI_ALLOW_CLIENT_KEY="true"), "with the keys that clients send."),
    ],
)  # fmt: skip
def test_who_answers(given: Start, words: str) -> None:
    assert any(text.startswith("Answers come from ") and text.endswith(words) for text in said(given))


def test_what_is_missing() -> None:
    shown = list(lines(start(token=None, problem=NOBODY)))
    assert (logging.WARNING, "No chat can work yet. Nobody is signed in to Google. Or run login.py") in shown
    assert not any(text.startswith("Answers come") for _, text in shown)


def test_the_demo() -> None:
    shown = said(replace(start(GEMINI_API_KEY="AIza-s3cret"), demo=True))
    assert DEMO in shown
    assert LEGAL not in shown
    assert UNUSED_KEY not in shown


@pytest.mark.parametrize(
    ("given", "text", "expected"),
    [
        (start(), LEGAL, True),
        (start(False, GEMINI_API_KEY="AIza-s3cret"), LEGAL, False),
        (start(GEMINI_API_KEY="AIza-s3cret"), UNUSED_KEY, True),
        (start(False, GEMINI_API_KEY="AIza-s3cret"), UNUSED_KEY, False),
        (start(PROXY_API_KEY=""), NO_KEY, True),
        (start(), NO_KEY, False),
        (start(PROXY_API_KEY="", GEMINI_ALLOWED_ORIGINS="https://a.example"), NO_ORIGINS, True),
        (start(GEMINI_ALLOWED_ORIGINS="https://a.example"), NO_ORIGINS, False),
        (replace(start(), settings=replace(start().settings, state_directory=None)), NO_STATE, True),
        (start(), NO_STATE, False),
    ],
)
def test_warnings(given: Start, text: str, expected: bool) -> None:
    assert ((logging.WARNING, text) in lines(given)) is expected


def test_a_mode_that_is_not_reverse() -> None:
    assert any(f"--mode reverse:{CODE_ASSIST}" in text for text in said(replace(start(), mode=CODE_ASSIST)))


def test_on_windows_a_file_outside_of_the_profile_may_be_read_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemini_proxy.files.WINDOWS", True)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    for file, warned in (("/srv/tokens.json", True), ("/home/me/tokens.json", False)):
        assert any("may be able to read" in text for text in said(start(TOKEN_STORE_PATH=file))) is warned
