"""Which upstream answers, and where it is."""

import pytest

from gemini_proxy.setting_values import SettingsError
from gemini_proxy.settings import CODE_ASSIST, GEMINI_API, resolve
from gemini_proxy.upstreams import choose, endpoint_of

LOCAL = "http://127.0.0.1:8099"


@pytest.mark.parametrize(
    ("setting", "target", "name", "endpoint"),
    [
        ("auto", "", "code-assist", CODE_ASSIST),
        ("auto", f"{CODE_ASSIST}:443", "code-assist", f"{CODE_ASSIST}:443"),
        ("auto", f"{GEMINI_API}:443", "gemini-api", f"{GEMINI_API}:443"),
        ("auto", LOCAL, "code-assist", LOCAL),
        ("gemini-api", LOCAL, "gemini-api", LOCAL),
        ("gemini-api", f"{CODE_ASSIST}:443", "gemini-api", GEMINI_API),
        ("gemini-api", "", "gemini-api", GEMINI_API),
        ("code-assist", f"{GEMINI_API}:443", "code-assist", CODE_ASSIST),
    ],
)
def test_choice(setting: str, target: str, name: str, endpoint: str) -> None:
    choice = choose(resolve({"GEMINI_UPSTREAM": setting}), target)
    assert (choice.name, endpoint_of(choice, target)) == (name, endpoint)


def test_the_settings() -> None:
    with pytest.raises(SettingsError, match="GEMINI_UPSTREAM must be"):
        resolve({"GEMINI_UPSTREAM": "openai"})
    assert resolve({"GOOGLE_API_KEY": "a"}).google_api_key == "a"
    settings = resolve({"GOOGLE_API_KEY": "s3cret-a", "GEMINI_API_KEY": "s3cret-b"})
    assert settings.google_api_key == "s3cret-b"
    assert "s3cret" not in repr(settings)
