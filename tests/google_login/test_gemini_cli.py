import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login import gemini_cli
from gemini_proxy.google_login.token import Token

# As the Gemini CLI writes the files.
PLAIN = {
    "access_token": "ya29.cli",
    "scope": "https://www.googleapis.com/auth/cloud-platform openid",
    "token_type": "Bearer",
    "id_token": "h.p.s",
    "refresh_token": "1//cli",
    "expiry_date": 1795352576857,
}
AUTHORIZED_USER = {
    "type": "authorized_user",
    "client_id": "another.apps.example",
    "client_secret": "s3cret",
    "refresh_token": "1//adc",
    "quota_project_id": "p",
}
ENTRY = {
    "serverName": "main-account",
    "token": {
        "accessToken": "ya29.cli",
        "refreshToken": "1//cli",
        "tokenType": "Bearer",
        "scope": PLAIN["scope"],
        "expiresAt": PLAIN["expiry_date"],
    },
    "updatedAt": 1795348977000,
}


def encrypted(document: Any, host: str = "a-host", user: str = "a-user") -> str:
    """As the Gemini CLI's fileKeychain writes it."""
    kdf = Scrypt(salt=f"{host}-{user}-gemini-cli".encode(), length=32, n=16384, r=8, p=1)
    nonce = os.urandom(12)
    sealed = AESGCM(kdf.derive(b"gemini-cli-oauth")).encrypt(nonce, json.dumps(document).encode(), None)
    return f"{nonce.hex()}:{sealed[-16:].hex()}:{sealed[:-16].hex()}"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("socket.gethostname", lambda: "a-host")
    monkeypatch.setattr("gemini_proxy.google_login.gemini_cli._user", lambda: "a-user")
    return tmp_path / "file.json"


def refused(path: Path) -> str:
    with pytest.raises(ProxyError) as caught:
        gemini_cli.read(path)
    assert str(path) in caught.value.message
    assert "ya29" not in caught.value.message
    return caught.value.message


def test_the_plain_file(path: Path) -> None:
    path.write_text(json.dumps({**PLAIN, "unknown": [1]}))
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert gemini_cli.read(path) == Token(**PLAIN)  # type: ignore[arg-type]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_the_encrypted_file(path: Path) -> None:
    path.write_text(encrypted({"gemini-cli-oauth": {"main-account": json.dumps(ENTRY)}}))
    read = gemini_cli.read(path)
    assert (read.access_token, read.refresh_token) == ("ya29.cli", "1//cli")
    assert (read.scope, read.expiry_date) == (PLAIN["scope"], PLAIN["expiry_date"])


def test_authorized_user_keeps_the_client_it_was_made_for(path: Path) -> None:
    path.write_text(json.dumps(AUTHORIZED_USER))
    read = gemini_cli.read(path)
    assert read.refresh_token == "1//adc"
    assert read.extra == {"client_id": "another.apps.example", "client_secret": "s3cret"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps({"type": "service_account", "private_key": "k"}), "type service_account"),
        (json.dumps({"type": "external_account"}), "only authorized_user works"),
        ("{}", "no usable sign-in"),
        (json.dumps({"access_token": 7}), "no usable sign-in"),
        ("[]", "not a sign-in"),
        ("half a fi", "not a sign-in"),
        ("", "not a sign-in"),
        ("zz:zz:zz", "no sign-in with Google"),
        ("é::", "no sign-in with Google"),
        ("[" * 100_000, "not a sign-in"),
        ('{"access_token": ' + "[" * 100_000, "not a sign-in"),
        ('{"type": ' + "[" * 900 + "]" * 900 + "}", "type unknown"),
        ('{"access_token": ' + "[" * 900 + "]" * 900 + "}", "no usable sign-in"),
        (json.dumps({"access_token": "ya29.x\r\nx-evil: 1"}), "no usable sign-in"),
    ],
)
def test_what_is_no_sign_in(path: Path, text: str, words: str) -> None:
    path.write_text(text)
    assert words in refused(path)


@pytest.mark.parametrize(
    ("document", "host", "words"),
    [
        ({}, "other-host", "on another machine"),
        ({}, "a-host", "no sign-in with Google"),
        ({"gemini-cli-oauth": {"main-account": "{"}}, "a-host", "no sign-in with Google"),
        ({"gemini-cli-oauth": {"main-account": '{"token": 7}'}}, "a-host", "no sign-in with Google"),
        ([1], "a-host", "no sign-in with Google"),
    ],
)
def test_encrypted_files_that_do_not_help(path: Path, document: Any, host: str, words: str) -> None:
    path.write_text(encrypted(document, host))
    assert words in refused(path)


def test_a_file_that_cannot_be_read(path: Path) -> None:
    path.mkdir()
    assert "Is a directory" in refused(path)


def test_where_the_cli_keeps_its_files(tmp_path: Path) -> None:
    env = {"GEMINI_CLI_HOME": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": "/adc.json"}
    folder = tmp_path / ".gemini"
    paths = gemini_cli.default_paths(env)
    assert paths == [folder / "oauth_creds.json", folder / "gemini-credentials.json", Path("/adc.json")]
    with pytest.raises(ProxyError, match=r"none of .*oauth_creds\.json.* exists"):
        gemini_cli.read_first(paths)
    folder.mkdir()
    paths[0].write_text(json.dumps(PLAIN))
    assert gemini_cli.read_first(paths)[1] == paths[0]
    assert gemini_cli.default_paths({})[0] == Path.home() / ".gemini" / "oauth_creds.json"


def test_the_system_says_who_the_user_is_whatever_the_environment_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for Node: the CLI asks the system, so a name in LOGNAME or USER would be another key."""
    pwd = pytest.importorskip("pwd")
    name = pwd.getpwuid(os.geteuid()).pw_name
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    path = tmp_path / "file.json"
    document = {"gemini-cli-oauth": {"main-account": json.dumps(ENTRY)}}
    path.write_text(encrypted(document, socket.gethostname(), name))
    assert gemini_cli.read(path).refresh_token == "1//cli"


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no terminal")])
def test_an_account_without_a_name(path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def nobody() -> str:
        raise error

    monkeypatch.setattr("gemini_proxy.google_login.gemini_cli._user", nobody)
    path.write_text(encrypted({}))
    assert "under which account" in refused(path)
