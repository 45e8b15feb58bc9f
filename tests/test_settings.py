"""Where a setting comes from, and which values are refused."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.setting_values import SettingsError, is_loopback
from gemini_proxy.settings import OURS, SETTINGS, environment, nearest_option, resolve


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemini_proxy.files.WINDOWS", False)
    settings = resolve({})
    assert (settings.port, settings.api_key, settings.project) == (3000, "", "")
    assert settings.token_store == Path("tokens.json")
    assert settings.client_id.endswith(".apps.googleusercontent.com")
    assert (settings.demo, settings.unsupported, settings.aliases) == (False, "warn", {})


def test_an_option_goes_before_the_environment() -> None:
    env = {"PROXY_PORT": "1", "PROXY_API_KEY": "env"}
    settings = resolve(env, {"port": "2", "api_key": None})
    assert (settings.port, settings.api_key) == (2, "env")
    assert resolve(env, {"api_key": ""}).api_key == ""  # an empty option is the default
    assert resolve(env, {"port": " "}).port == 3000
    assert resolve({"GEMINI_DEMO": "true"}, {"demo": "false"}).demo is False
    with pytest.raises(SettingsError, match="gemini_port must be a number"):  # what the user wrote is named
        resolve(env, {"port": "x"})


def test_of_several_variables_the_first_that_is_set_counts() -> None:
    assert resolve({"GOOGLE_CLOUD_PROJECT": "a", "GOOGLE_CLOUD_PROJECT_ID": "b"}).project == "a"
    assert resolve({"GOOGLE_CLOUD_PROJECT": " ", "GOOGLE_CLOUD_PROJECT_ID": "b"}).project == "b"


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    return tmp_path / ".env"


def test_the_environment_goes_before_the_env_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("PROXY_PORT=1\nPROXY_API_KEY='from file'\n")
    monkeypatch.setenv("PROXY_PORT", "2")
    env = environment(env_file.parent)
    assert (env["PROXY_PORT"], env["PROXY_API_KEY"]) == ("2", "from file")
    assert environment(env_file.parent / "nowhere")["PROXY_PORT"] == "2"


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (b"PROXY_API_KEY=k", "k"),
        (b"\xef\xbb\xbfPROXY_API_KEY=k\r\n", "k"),
        ("PROXY_API_KEY=k\r\n".encode("utf-16"), "k"),  # what > writes in Windows PowerShell 5.1
        ("\ufeffPROXY_API_KEY=k\n".encode("utf-16-be"), "k"),
        (b"export PROXY_API_KEY = 'a b#c' # why", "a b#c"),
        ("PROXY_API_KEY=\u00fc".encode(), "\u00fc"),
        (b"PROXY_API_KEY=sec${FOO}y", "sec${FOO}y"),  # taken as it is written
        (b'PROXY_API_KEY="sec$FOO"', "sec$FOO"),
        (b"PROXY_API_KEY=", ""),
        (b"\n\n# nothing\n", None),
    ],
)
def test_env_files_that_are_read(env_file: Path, written: bytes, key: str | None) -> None:
    env_file.write_bytes(written)
    assert environment(env_file.parent).get("PROXY_API_KEY") == key


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b'# mine\nPROXY_API_KEY="s3cret\nPROXY_PORT=1\n', "line 2: this is not NAME=VALUE, or a quote is not closed"),
        (b"\n\nPROXY_PORT 30010\n", "line 3: this is not NAME=VALUE"),
        (b"GEMINI_DEMO=1\nPROXY_API_KEY\n", "line 2: PROXY_API_KEY has no value"),
        ("GOOGLE_CLOUD_PROJECT=caf\u00e9".encode("latin-1"), "is not UTF-8: save it as UTF-8"),
        ("PROXY_API_KEY=s3cret".encode("utf-16-le"), ""),  # without a mark it could be anything
        (b"GEMINI_API_KYE=s3cret", "there is no setting GEMINI_API_KYE. Did you mean GEMINI_API_KEY?"),
        (b"PROXY_APIKEY=s3cret", "Did you mean PROXY_API_KEY?"),
        (b"proxy_api_key=s3cret", "Did you mean PROXY_API_KEY?"),
        (b"GOOGLE_CLOUD_PROJET=s3cret", "Did you mean GOOGLE_CLOUD_PROJECT?"),
        (b"TOKEN_STORE=s3cret", "Did you mean TOKEN_STORE_PATH?"),
        (b"PROXY_COLOUR_OF_THE_SKY=s3cret", "there is no setting PROXY_COLOUR_OF_THE_SKY. README.md lists them."),
    ],
)
def test_env_files_that_are_refused(env_file: Path, written: bytes, words: str) -> None:
    """Never a start without the key that the file holds, and never a word of what it holds."""
    env_file.write_bytes(written)
    with pytest.raises(SettingsError) as caught:
        environment(env_file.parent)
    assert str(caught.value).startswith(str(env_file))
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_example_can_be_used(env_file: Path) -> None:
    example = Path(__file__).parents[1] / ".env.example"
    env_file.write_text(re.sub(r"^#(?=\w+=)", "", example.read_text(), flags=re.MULTILINE))
    settings = resolve(environment(env_file.parent))
    assert settings.aliases == {"fast": "gemini-2.5-flash", "smart": "gemini-3.1-pro-preview:high"}


def test_an_env_file_that_may_not_be_read(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    env_file.write_text("PROXY_API_KEY=k")
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(SettingsError, match=r"\.env cannot be read: Permission denied"):
        environment(env_file.parent)


def test_a_virtual_environment_may_be_called_env(env_file: Path) -> None:
    env_file.mkdir()
    assert "PROXY_API_KEY" not in environment(env_file.parent)


OF_OTHER_PROGRAMS = [
    "GEMINI_CLI_HOME",
    "GEMINI_MODEL",
    "GEMINI_SANDBOX",
    "GEMINI_SYSTEM_MD",
    "GEMINI_TELEMETRY_ENABLED",
]


@pytest.mark.parametrize(
    "name", [*OF_OTHER_PROGRAMS, "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_MAPS_API_KEY", "PATH_X"]
)
def test_names_that_other_programs_have(env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    env_file.write_text(f"{name}=x\n")
    assert environment(env_file.parent)[name] == "x"
    env_file.unlink()
    monkeypatch.setenv(name, "x")
    assert environment(env_file.parent)[name] == "x"


@pytest.mark.parametrize("name", ["PROXY_HOST", "PROXY_USER", "PROXY_URL", "GEMINI_BASE_URL", "GEMINI_API_VERSION"])
def test_the_environment_is_shared(env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert environment(env_file.parent)[name] == "x"


@pytest.mark.parametrize(
    ("name", "near"),
    [("GEMINI_API_KYE", "GEMINI_API_KEY"), ("PROXY_APIKEY", "PROXY_API_KEY"), ("PROXY_PROT", "PROXY_PORT")],
)
def test_a_slip_in_the_environment(env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, near: str) -> None:
    monkeypatch.setenv(name, "s3cret")
    with pytest.raises(SettingsError, match=f"{name}, which is not a setting. Did you mean {near}") as caught:
        environment(env_file.parent)
    assert "s3cret" not in str(caught.value)
    monkeypatch.setenv(near, "x")  # it is no slip then
    assert environment(env_file.parent)[name] == "s3cret"


@pytest.mark.parametrize(
    ("written", "option"),
    [("gemini_dmo", "gemini_demo"), ("gemini-demo", "gemini_demo"), ("PROXY_PORT", "gemini_port"), ("gemini_api_ky", "gemini_api_key"), ("web_password", "")],
)  # fmt: skip
def test_the_nearest_option(written: str, option: str) -> None:
    assert nearest_option(written) == option


URLS = ("GEMINI_PUBLIC_URL", "CODE_ASSIST_ENDPOINT", "GEMINI_GOOGLE_URL")
HALF_ADDRESSES = (
    "https://[::1",
    "https://host:99999",
    "https://host:x",
    "https://ho st",
    "https://",
    "https://h\u00f6st",
)
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
    *((name, url) for name in URLS for url in HALF_ADDRESSES),
    ("GEMINI_PUBLIC_URL", "https://host/path"),
    ("PROXY_PORT", "9" * 5000),
    ("GEMINI_ALLOWED_HOSTS", "https://host"),
    ("GEMINI_ALLOWED_HOSTS", "*.example.com"),
    ("GEMINI_ALLOWED_HOSTS", "host:port"),
    ("GEMINI_ALLOWED_ORIGINS", "host"),
    ("GEMINI_ALLOWED_ORIGINS", "*"),
    ("GEMINI_ALLOWED_ORIGINS", "null"),
    ("GEMINI_ALLOWED_ORIGINS", "https://*.example.com"),
    ("GEMINI_ALLOWED_ORIGINS", "https://host/path"),
    ("GEMINI_ALLOWED_ORIGINS", "https://host:99999"),
    ("GOOGLE_CLOUD_PROJECT_ID", "123456789"),
    ("TOKEN_STORE_PATH", "C:\new\tokens.json"),
    ("TOKEN_STORE_PATH", "a\0b"),
    ("TOKEN_STORE_PATH", "~nobody-has-this-name/t.json"),
    ("TOKEN_STORE_PATH", "${NOT_A_VARIABLE}/t.json"),
    ("GEMINI_STATE_DIRECTORY", "a\0b"),
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


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve({"GEMINI_GOOGLE_URL": "https://me:s3cret@host"})
    assert "s3cret" not in str(caught.value)


@given(st.dictionaries(st.sampled_from([name for row in SETTINGS for name in row.environment]), st.text()))
def test_any_value_is_taken_or_refused_in_a_sentence(env: dict[str, str]) -> None:
    try:
        settings = resolve(env)
    except SettingsError as error:
        assert str(error).startswith(tuple(env))  # noqa: PT017 - a value may be taken, too
        return
    for url in (settings.public_url, settings.google_url, settings.code_assist_endpoint):
        _ = urlsplit(url).port


def test_ports_that_people_copy_along() -> None:
    hosts = resolve(
        {"GEMINI_ALLOWED_HOSTS": "Box.local:3000, box.lan., [::1]:3000, fe80::1, 10.0.0.1:80"}
    ).allowed_hosts
    assert hosts == {"box.local", "box.lan", "::1", "fe80::1", "10.0.0.1"}
    written = "https://A.example:443, http://a.example:80/, http://a.example:3000, app://obsidian.md, http://[::1]:8080"
    assert resolve({"GEMINI_ALLOWED_ORIGINS": written}).allowed_origins == {
        "https://a.example", "http://a.example", "http://a.example:3000", "app://obsidian.md", "http://[::1]:8080",
    }  # fmt: skip


def test_without_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemini_proxy.files.WINDOWS", False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    settings = resolve({})
    assert (settings.state_directory, settings.token_store) == (None, Path("tokens.json"))
    with pytest.raises(SettingsError, match="TOKEN_STORE_PATH: the home directory"):
        resolve({"TOKEN_STORE_PATH": "~/t.json"})


def test_defaults_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemini_proxy.files.WINDOWS", True)
    settings, home = resolve({}), Path.home() / "AppData" / "Local" / "gemini-proxy"
    assert (settings.token_store, settings.state_directory) == (home / "tokens.json", home)
    assert resolve({"TOKEN_STORE_PATH": "t.json"}).token_store == Path("t.json")


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
