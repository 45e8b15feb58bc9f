"""Where a setting comes from, and which values are refused."""

from pathlib import Path

import pytest

from gemini_proxy.setting_values import SettingsError, is_loopback
from gemini_proxy.settings import SETTINGS, environment, resolve


def test_defaults() -> None:
    settings = resolve({})
    assert (settings.port, settings.api_key, settings.project) == (3000, "", "")
    assert settings.token_store == Path("tokens.json")
    assert settings.client_id.endswith(".apps.googleusercontent.com")
    assert (settings.demo, settings.unsupported, settings.aliases) == (False, "warn", {})


def test_an_option_goes_before_the_environment() -> None:
    env = {"PROXY_PORT": "1", "PROXY_API_KEY": "env"}
    settings = resolve(env, {"port": "2", "api_key": None})
    assert (settings.port, settings.api_key) == (2, "env")
    assert resolve(env, {"api_key": ""}).api_key == ""  # set to nothing is set


def test_of_several_variables_the_first_that_is_set_counts() -> None:
    assert resolve({"GOOGLE_CLOUD_PROJECT": "a", "GOOGLE_CLOUD_PROJECT_ID": "b"}).project == "a"
    assert resolve({"GOOGLE_CLOUD_PROJECT": " ", "GOOGLE_CLOUD_PROJECT_ID": "b"}).project == "b"


def test_the_environment_goes_before_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PROXY_PORT=1\nPROXY_API_KEY='from file'\nEMPTY\n")
    monkeypatch.setenv("PROXY_PORT", "2")
    monkeypatch.delenv("PROXY_API_KEY", raising=False)
    env = environment(tmp_path)
    assert (env["PROXY_PORT"], env["PROXY_API_KEY"]) == ("2", "from file")
    assert environment(tmp_path / "nowhere")["PROXY_PORT"] == "2"


REFUSED = [
    ("PROXY_PORT", "abc"),
    ("PROXY_PORT", "-1"),
    ("PROXY_PORT", "65536"),
    ("PROXY_PORT", "٣"),
    ("GOOGLE_CLOUD_PROJECT", "123456789"),
    ("CODE_ASSIST_ENDPOINT", "cloudcode-pa.googleapis.com"),
    ("CODE_ASSIST_ENDPOINT", "http://cloudcode-pa.googleapis.com"),
    ("CODE_ASSIST_ENDPOINT", "http://127.evil.test"),
    ("CODE_ASSIST_ENDPOINT", "https://user@host"),
    ("GEMINI_GOOGLE_URL", "ftp://localhost"),
    ("GEMINI_USER_AGENT", "a\nb"),
    ("GEMINI_USER_AGENT", "ü"),
    ("GEMINI_DEMO", "maybe"),
    ("GEMINI_ALIASES", "no-equals-sign"),
    ("GEMINI_ALIASES", "a="),
    ("GEMINI_UNSUPPORTED", "shout"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_that_cannot_work_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        resolve({name: value})


def test_accepted_values() -> None:
    env = {
        "CODE_ASSIST_ENDPOINT": "http://localhost:8099/",
        "GEMINI_ALIASES": " fast = gemini-2.5-flash , smart=gemini-3.1-pro-preview:high ,",
        "GEMINI_DEMO": "YES",
        "TOKEN_STORE_PATH": "~/t.json",
    }
    settings = resolve(env)
    assert settings.code_assist_endpoint == "http://localhost:8099"
    assert settings.aliases == {"fast": "gemini-2.5-flash", "smart": "gemini-3.1-pro-preview:high"}
    assert settings.demo is True
    assert settings.token_store == Path.home() / "t.json"


def test_repr_shows_no_secret() -> None:
    assert "s3cret" not in repr(resolve({"PROXY_API_KEY": "s3cret", "GEMINI_OAUTH_CLIENT_SECRET": "s3cret"}))


def test_option_names_are_unique_and_named_after_fields() -> None:
    assert len({row.option for row in SETTINGS}) == len(SETTINGS)
    assert {row.field for row in SETTINGS} == set(resolve({}).__dataclass_fields__)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("127.evil.test", False), ("", False)],
)  # fmt: skip
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
