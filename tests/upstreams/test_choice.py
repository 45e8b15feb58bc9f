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
    settings = resolve({"GEMINI_UPSTREAM": setting})
    choice = choose(settings, target)
    assert (choice.name, endpoint_of(choice, target, settings)) == (name, endpoint)


OTHERS = [
    "https://cloudcode-pa.googleapis.co",
    "https://gemini.google.com",
    "https://notgoogleapis.com",
    "https://10.0.0.1",
]


@pytest.mark.parametrize("target", OTHERS)
@pytest.mark.parametrize("setting", ["auto", "code-assist"])
def test_a_host_that_is_not_googles_gets_no_sign_in_by_mistake(setting: str, target: str) -> None:
    settings = resolve({"GEMINI_UPSTREAM": setting, "GEMINI_API_KEY": "k"})
    with pytest.raises(SettingsError, match="is not one of Google's hosts"):
        endpoint_of(choose(settings, f"{target}:443"), f"{target}:443", settings)


@pytest.mark.parametrize("target", OTHERS)
@pytest.mark.parametrize(
    ("named", "endpoint"),
    [({"CODE_ASSIST_ENDPOINT": "https://gateway.example"}, "https://gateway.example"), ({"GEMINI_UPSTREAM": "gemini-api"}, "")],
)  # fmt: skip
def test_a_setting_can_name_a_gateway(target: str, named: dict[str, str], endpoint: str) -> None:
    settings = resolve(named)
    assert endpoint_of(choose(settings, target), target, settings) == (endpoint or target)


def test_other_hosts_of_googles_are_taken() -> None:
    target = "https://cloudcode-pa.us-east1.rep.googleapis.com:443"
    settings = resolve({})
    assert endpoint_of(choose(settings, target), target, settings) == target


def test_the_settings() -> None:
    with pytest.raises(SettingsError, match="GEMINI_UPSTREAM must be"):
        resolve({"GEMINI_UPSTREAM": "openai"})
    assert resolve({"GOOGLE_API_KEY": "a"}).google_api_key == "a"
    settings = resolve({"GOOGLE_API_KEY": "s3cret-a", "GEMINI_API_KEY": "s3cret-b"})
    assert settings.google_api_key == "s3cret-b"
    assert "s3cret" not in repr(settings)
