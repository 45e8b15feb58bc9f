import ast
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import IO
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import login
from gemini_proxy.emulator.server import Emulator
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token
from gemini_proxy.login_command import login_command
from gemini_proxy.settings import CLIENT_ID
from tests.end_to_end.proxy import sign_in
from tests.google_login.scripted import NOW, token

ROOT = Path(__file__).parents[1]
# A browser that agrees at once: it sends the consent form and follows the way back.
BROWSER = """
import sys, urllib.request, urllib.error
page, _, query = sys.argv[1].partition("?")
try:
    shown = urllib.request.urlopen(urllib.request.Request(page, f"{query}&decision={sys.argv[2]}".encode())).read()
except urllib.error.HTTPError as error:
    shown = error.read()
open(sys.argv[3], "wb").write(shown)
"""


@pytest.fixture(scope="module")
def running_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: Emulator) -> Emulator:
    running_emulator.settings.account = "standard"
    running_emulator.requests.clear()
    return running_emulator


class Terminal:
    """A directory, an environment, and login.py run in them."""

    def __init__(self, directory: Path, emulator: Emulator) -> None:
        self.store = TokenStore(directory / "tokens.json")
        self.page = directory / "page.html"
        self.directory = directory
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "GEMINI_GOOGLE_URL": emulator.url,
            "CODE_ASSIST_ENDPOINT": emulator.url,
            "TOKEN_STORE_PATH": "tokens.json",
            "NO_BROWSER": "1",
        }

    def use_browser(self, decision: str = "allow") -> None:
        script = self.directory / "browser.py"
        script.write_text(BROWSER)
        self.env["BROWSER"] = f"{sys.executable} {script} %s {decision} {self.page}"
        del self.env["NO_BROWSER"]

    @contextmanager
    def start(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        command = [sys.executable, "-W", "error", str(ROOT / "login.py"), *arguments]
        pipe = subprocess.PIPE
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have us ignore it
        with subprocess.Popen(
            command, cwd=self.directory, env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        ) as process:
            signal.signal(signal.SIGINT, before)
            try:
                yield process
            finally:
                process.kill()  # does nothing to one that has ended

    def run(self, *arguments: str, typed: str | None = None) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(typed, timeout=20)
        return process.returncode, out, err


@pytest.fixture
def terminal(tmp_path: Path, emulator: Emulator) -> Terminal:
    return Terminal(tmp_path, emulator)


def address_in(out: IO[str] | None) -> str:
    assert out is not None
    return next(line.strip() for line in out if line.startswith("  http"))


def code_for(address: str) -> str:
    """What a user copies from Google's page."""
    page = httpx.URL(address)
    data = {**page.params, "decision": "allow"}
    shown = httpx.post(page.copy_with(query=None), data=data, trust_env=False, verify=False).text
    return shown.partition('<code id="code">')[2].partition("</code>")[0]


# The whole program ----------------------------------------------------------------------------------------------------


def test_browser_and_logout(terminal: Terminal, emulator: Emulator) -> None:
    terminal.use_browser()
    code, out, err = terminal.run()
    assert (code, err) == (0, "")
    assert "Google's terms" in out
    assert "18 June 2026" in out
    assert out.splitlines()[-1] == (
        f"Signed in as {emulator.settings.email}, project {emulator.settings.project}. Stored in {terminal.store.path}."
    )
    stored = terminal.store.load()
    assert stored is not None
    assert "You are signed in" in terminal.page.read_text()
    assert not any(secret in out + terminal.page.read_text() for secret in emulator.secrets)

    code, out, err = terminal.run("--logout")
    assert (code, err) == (0, "")
    assert "Google has revoked the access" in out
    assert terminal.store.load() is None
    assert emulator.calls("/revoke")[0].form == {"token": stored.refresh_token}


@pytest.mark.parametrize(
    ("decision", "account", "words"),
    [("cancel", "standard", "not granted"), ("allow", "shutdown", "18 June 2026 Google no longer serves")],
)
def test_what_fails_is_said_in_the_terminal_and_in_the_browser(
    terminal: Terminal, emulator: Emulator, decision: str, account: str, words: str
) -> None:
    emulator.settings.account = account
    terminal.use_browser(decision)
    code, _, err = terminal.run()
    assert code == 1
    assert words in err
    assert words in terminal.page.read_text()
    assert terminal.store.load() is None


@pytest.mark.parametrize("arguments", [(), ("--no-browser",)])
@pytest.mark.parametrize("whole", [False, True])
def test_a_pasted_code_or_address(
    terminal: Terminal, emulator: Emulator, whole: bool, arguments: tuple[str, ...]
) -> None:
    """With the option, and without it where there is no browser."""
    with terminal.start(*arguments) as process:
        address = address_in(process.stdout)
        query = parse_qs(urlsplit(address).query)
        assert query["redirect_uri"] == ["https://codeassist.google.com/authcode"]
        code = code_for(address)
        url = httpx.URL("https://codeassist.google.com/authcode", params={"state": query["state"][0], "code": code})
        out, err = process.communicate(f"{url if whole else code}\n", timeout=20)
    assert (process.returncode, err) == (0, "")
    assert f"Signed in as {emulator.settings.email}" in out
    assert terminal.store.load() is not None


def test_a_pasted_code_that_google_refuses(terminal: Terminal) -> None:
    code, _, err = terminal.run("--no-browser", typed="4/0wrong\n")
    assert code == 1
    assert "did not accept the code" in err
    assert "Traceback" not in err
    assert terminal.store.load() is None


@pytest.mark.parametrize("arguments", [(), ("--no-browser",)])
def test_ctrl_c(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    with terminal.start(*arguments) as process:
        address_in(process.stdout)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == "Stopped. Nothing was stored."


# Within this process --------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenStore:
    monkeypatch.setattr("gemini_proxy.files.WINDOWS", False)  # whose default is another file
    monkeypatch.chdir(tmp_path)
    for name in ("TOKEN_STORE_PATH", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT_ID", "GOOGLE_CLOUD_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GEMINI_GOOGLE_URL", "CODE_ASSIST_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr("time.time", lambda: NOW)
    return TokenStore(tmp_path / "tokens.json")


def test_status_of_nobody(here: TokenStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert login.main(["--status"]) == 3
    out = capsys.readouterr().out
    assert out.startswith("Nobody is signed in to Google.")
    assert out.endswith(f"Or run {login_command()}\n")
    assert login.main(["--status", "--json"]) == 3
    shown = json.loads(capsys.readouterr().out)
    assert (shown["authenticated"], shown["reason"]) == (False, "google_login_required")


def test_status_of_nobody_with_a_key(here: TokenStore, capsys: pytest.CaptureFixture[str]) -> None:
    (here.path.parent / ".env").write_text("GEMINI_API_KEY=AIza-s3cret\n")
    assert login.main(["--status"]) == 3
    out = capsys.readouterr().out
    assert "GEMINI_API_KEY is set" in out
    assert "--mode reverse:https://generativelanguage.googleapis.com" in out
    assert "s3cret" not in out


@pytest.mark.parametrize(
    ("key", "code", "words"), [("GEMINI_API_KEY=AIza-s3cret", 0, "No sign-in is needed"), ("", 3, "no Google API key")]
)
def test_status_where_there_is_nothing_to_sign_in_to(
    here: TokenStore, capsys: pytest.CaptureFixture[str], key: str, code: int, words: str
) -> None:
    (here.path.parent / ".env").write_text(f"GEMINI_UPSTREAM=gemini-api\n{key}\n")
    assert login.main(["--status"]) == code
    assert words in capsys.readouterr().out
    assert login.main(["--status", "--json"]) == code
    shown = json.loads(capsys.readouterr().out)
    assert (shown["authenticated"], shown["upstream"], "reason" in shown) == (code == 0, "gemini-api", code == 3)


def test_the_command_that_messages_name_works_from_any_folder(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the settings of the folder in which the message was written."""
    ours, elsewhere = terminal.directory / "the proxy's", terminal.directory / "elsewhere"
    ours.mkdir()
    elsewhere.mkdir()
    (ours / ".env").write_text("GOOGLE_CLOUD_PROJECT=123\n")
    monkeypatch.chdir(ours)
    done = subprocess.run(
        login_command("--status"), shell=True, cwd=elsewhere, capture_output=True, text=True, env=terminal.env
    )
    assert done.returncode == 2
    assert "not its number" in done.stderr


def test_the_folder_is_where_the_settings_are(
    here: TokenStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = here.path.parent
    (folder / ".env").write_text("GOOGLE_CLOUD_PROJECT=123\n")
    monkeypatch.chdir("/")
    assert login.main(["--status", "-C", str(folder)]) == 2
    assert "not its number" in capsys.readouterr().err
    assert login.main(["--status", "-C", str(folder / "nowhere")]) == 2
    assert "nowhere: No such file or directory" in capsys.readouterr().err


def test_letters_outside_of_the_code_page(terminal: Terminal) -> None:
    terminal.store.save(Token("ya29.a", tier="K\u014ddo \u6f22"))
    terminal.env["PYTHONIOENCODING"] = "cp1252"
    code, out, err = terminal.run("--status")
    assert (code, err) == (0, "")
    assert "K\\u014ddo \\u6f22" in out


def test_an_old_python_gets_a_sentence() -> None:
    text = (ROOT / "login.py").read_text()
    ast.parse(text, feature_version=(3, 8))  # it gets as far as saying so
    check = text.index("sys.version_info <")
    assert "import" not in text[:check].replace("import sys", "")
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer; this is 3\.10"):
        exec(text.replace("import sys\n", "", 1), {"sys": SimpleNamespace(version_info=(3, 10, 1), exit=sys.exit)})


@pytest.mark.parametrize("venv", [False, True])
def test_a_python_without_the_packages_gets_a_sentence(tmp_path: Path, venv: bool) -> None:
    shutil.copy(ROOT / "login.py", tmp_path)
    (tmp_path / "gemini_proxy").symlink_to(ROOT / "gemini_proxy")
    python = tmp_path / ".venv" / "bin" / "python"
    if venv:
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
    command = [sys.executable, "-S", str(tmp_path / "login.py"), "--status"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (f"run it with {python}" if venv else "-m pip install -r") in done.stderr


def test_status_of_somebody_without_a_network(here: TokenStore, capsys: pytest.CaptureFixture[str]) -> None:
    (here.path.parent / ".env").write_text("GOOGLE_CLOUD_PROJECT=from-dotenv\n")
    here.save(token(3000, email="user@example.com", project_id="p", tier="Standard"))
    assert login.main(["--status"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("user@example.com", "Standard", "from-dotenv", "renewed automatically"))
    assert "cannot be reached" in out
    assert login.main(["--status", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {
        "authenticated",
        "email",
        "projectId",
        "expiresAt",
        "reason",
        "message",
        "upstream",
        "tier",
        "quota",
    }
    assert (shown["projectId"], shown["tier"], shown["quota"]) == ("from-dotenv", "Standard", None)


def test_status_with_what_is_left(terminal: Terminal, emulator: Emulator) -> None:
    sign_in(emulator, terminal.store.path, expiry_date=1_000)
    code, out, err = terminal.run("--status")
    assert (code, err) == (0, "")
    assert re.search(r"^  gemini-\S+ +83% left, full again at 20\d\d-", out, re.MULTILINE)
    assert not any(secret in out for secret in emulator.secrets)
    code, out, _ = terminal.run("--status", "--json")
    shown = json.loads(out)
    assert (code, shown["quota"][0]["remaining"]) == (0, 0.82666665)
    assert "reason" not in shown
    assert len(emulator.calls("/token")) == 1  # it was renewed for the first, and kept for the second


def test_status_when_google_refuses_a_token_that_looks_good(terminal: Terminal, emulator: Emulator) -> None:
    sign_in(emulator, terminal.store.path, access_token="ya29.looks-good")
    code, out, _ = terminal.run("--status")
    assert code == 0
    assert "left, full again" in out
    assert len(emulator.calls("/token")) == 1


def test_status_of_an_account_that_google_refuses(terminal: Terminal, emulator: Emulator) -> None:
    sign_in(emulator, terminal.store.path)
    emulator.settings.account = "tos"
    code, out, _ = terminal.run("--status")
    assert code == 0
    assert "only an appeal to google" in out.lower()


def test_status_of_a_sign_in_that_google_ended(terminal: Terminal, emulator: Emulator) -> None:
    sign_in(emulator, terminal.store.path, refresh_token="1//revoked", expiry_date=1_000)
    code, out, _ = terminal.run("--status")
    assert code == 3
    assert "no longer accepts the sign-in" in out


def test_status_of_a_token_from_the_environment(terminal: Terminal, emulator: Emulator) -> None:
    granted = emulator.grant(CLIENT_ID)["access_token"]
    assert isinstance(granted, str)
    project = emulator.settings.project
    terminal.env |= {"GOOGLE_CLOUD_ACCESS_TOKEN": granted, "GOOGLE_CLOUD_PROJECT": project}
    code, out, err = terminal.run("--status")
    assert (code, err) == (0, "")
    assert "cannot be renewed" in out
    assert "left, full again" in out
    for arguments in ([], ["--no-browser"], ["--logout"], ["--import-gemini-cli"]):
        code, _, err = terminal.run(*arguments)
        assert code == 1
        assert "GOOGLE_CLOUD_ACCESS_TOKEN is set" in err
    assert not terminal.store.path.exists()


# The Gemini CLI's sign-in ---------------------------------------------------------------------------------------------


def cli_file(terminal: Terminal, emulator: Emulator, **changes: object) -> Path:
    path = terminal.directory / ".gemini" / "oauth_creds.json"
    path.parent.mkdir()
    grant = {**emulator.grant(CLIENT_ID), "expiry_date": 1_000, **changes}
    del grant["expires_in"]
    path.write_text(json.dumps(grant))
    terminal.env["GEMINI_CLI_HOME"] = str(terminal.directory)
    return path


@pytest.mark.parametrize("named", [False, True])
def test_import(terminal: Terminal, emulator: Emulator, named: bool) -> None:
    path = cli_file(terminal, emulator)
    before = path.read_bytes()
    code, out, err = terminal.run("--import-gemini-cli", *([str(path)] if named else []))
    assert (code, err) == (0, "")
    assert "which stays as it is" in out
    assert f"Signed in as {emulator.settings.email}, project {emulator.settings.project}." in out
    assert path.read_bytes() == before
    stored = terminal.store.load()
    assert stored is not None
    assert stored.refresh_token == json.loads(before)["refresh_token"]
    assert stored.tier == "Gemini Code Assist"


def test_import_of_what_google_refuses(terminal: Terminal, emulator: Emulator) -> None:
    emulator.settings.account = "shutdown"
    cli_file(terminal, emulator)
    code, _, err = terminal.run("--import-gemini-cli")
    assert code == 1
    assert "18 June 2026" in err
    assert not terminal.store.path.exists()


def test_import_of_nothing(terminal: Terminal) -> None:
    terminal.env["GEMINI_CLI_HOME"] = str(terminal.directory)
    code, _, err = terminal.run("--import-gemini-cli")
    assert code == 1
    assert "No Gemini CLI sign-in found" in err


def test_status_of_an_unknown_account(here: TokenStore, capsys: pytest.CaptureFixture[str]) -> None:
    here.save(Token("ya29.a"))
    assert login.main(["--status"]) == 0
    out = capsys.readouterr().out
    assert "unknown" in out
    assert "cannot be renewed" in out


def test_a_damaged_file(here: TokenStore, capsys: pytest.CaptureFixture[str]) -> None:
    here.path.write_bytes(b"{")
    assert login.main(["--status"]) == 1
    assert "tokens.json.corrupt-1" in capsys.readouterr().err


def test_logout_of_nobody(here: TokenStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert login.main(["--logout"]) == 0
    assert capsys.readouterr().out == "No Google account was signed in.\n"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--status", "--logout"], ["--json"], ["x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        login.main(arguments)
    assert caught.value.code == 2
    assert "usage: login.py" in capsys.readouterr().err


def test_a_numeric_project(
    here: TokenStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "123456789012")
    assert login.main([]) == 2
    assert "not its number" in capsys.readouterr().err


def test_help_documents_options_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        login.main(["--help"])
    out = capsys.readouterr().out
    assert all(word in out for word in ("--no-browser", "--status", "--logout", "--json", "exit codes", "130"))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "no terminal"),
        ("\n", "without a code"),
        ("https://codeassist.google.com/authcode?code=4%2F0a&state=x\n", "another sign-in"),
        ("https://codeassist.google.com/authcode?error=access_denied\n", "not granted"),
    ],
)
def test_nothing_good_was_pasted(
    typed: str, words: str, here: TokenStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert login.main(["--no-browser"]) == 1
    assert words in capsys.readouterr().err


def test_nobody_comes_back(
    here: TokenStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROWSER", "true")
    monkeypatch.delenv("NO_BROWSER", raising=False)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("DEBIAN_FRONTEND", raising=False)
    monkeypatch.setattr(webbrowser, "open", lambda address: True)
    monkeypatch.setattr(login, "FIVE_MINUTES", 0.01)
    assert login.main([]) == 1
    assert "within five minutes" in capsys.readouterr().err
