"""Google sign-in of gemini-proxy from the command line: the account that the proxy then uses."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - it is said here, because a clone has no package metadata to say it
    sys.exit("gemini-proxy needs Python 3.11 or newer; this is {}.{}.".format(*sys.version_info))

import argparse
import asyncio
import contextlib
import json
import os
import signal
import threading
import webbrowser
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

try:
    from gemini_proxy.errors import ProxyError
    from gemini_proxy.google_login import gemini_cli, pages, pkce
    from gemini_proxy.google_login.browser import has_browser, pasted
    from gemini_proxy.google_login.client import HttpClient
    from gemini_proxy.google_login.flow import PASTE_REDIRECT, Google, redirect_error
    from gemini_proxy.google_login.given import store_of
    from gemini_proxy.google_login.loopback import Loopback
    from gemini_proxy.google_login.sign_out import SIGNED_OUT, sign_out
    from gemini_proxy.google_login.token import Token
    from gemini_proxy.setting_values import SettingsError
    from gemini_proxy.settings import CODE_ASSIST, Settings, environment, resolve
    from gemini_proxy.upstreams.code_assist.account import sign_in, take_over
    from gemini_proxy.upstreams.code_assist.report import report_of
    from gemini_proxy.upstreams.gemini_api.status import REQUIRED, key_required, key_status
except ModuleNotFoundError as error:
    if str(error.name).startswith("gemini_proxy"):
        raise
    folder = os.path.dirname(os.path.abspath(__file__))
    places = [os.path.join(folder, ".venv", *way) for way in (("bin", "python"), ("Scripts", "python.exe"))]
    venv = next(filter(os.path.exists, places), "")
    if venv and os.path.abspath(venv) != os.path.abspath(sys.executable):
        how = f"run it with {venv}"
    else:
        how = f"install them with {sys.executable} -m pip install -r {os.path.join(folder, 'requirements.txt')}"
    sys.exit(f"login.py needs the packages of requirements.txt, and {error.name} is missing here: {how}")

OK, FAILED, USAGE, NOT_SIGNED_IN, INTERRUPTED = 0, 1, 2, 3, 130
FIVE_MINUTES = 300.0
T = TypeVar("T")
EPILOG = """\
Without an option, it opens a browser and waits up to five minutes for the sign-in; where
there is no browser, it does what --no-browser does.

exit codes:
  0    done
  1    it failed; the last line says why
  2    wrong usage, or a setting that cannot work
  3    nobody is signed in, or there is no API key (--status)
  130  stopped with Ctrl-C

Settings come from the environment and .env: TOKEN_STORE_PATH (the file that stores the
sign-in), GOOGLE_CLOUD_PROJECT (the project that holds your Code Assist licence), and the
others in README.md. Run it in the folder in which the proxy runs, or name that folder with
-C: .env and ./tokens.json are there. A running proxy picks up a new sign-in without a
restart.

By default the sign-in uses the Gemini CLI's OAuth client, so --logout may end the Gemini
CLI's sign-in on your machines too.
"""
WARNING = """\
Before you sign in:
  - Google's terms prohibit using Gemini Code Assist's sign-in with third-party software, and
    Google may suspend accounts for it. gemini-proxy is not affiliated with Google.
  - Since 18 June 2026 Google does not serve personal accounts here (free, AI Pro, AI Ultra). A
    Gemini Code Assist Standard or Enterprise licence works, with GOOGLE_CLOUD_PROJECT set.
"""


class Stopped(Exception):
    """It cannot go on; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):  # a letter outside of the code page is no reason to end
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = _options(arguments)
    try:
        os.chdir(options.directory)
    except OSError as error:
        return _fail(USAGE, f"{options.directory}: {error.strerror}")
    try:
        settings = resolve(environment())
        return _command(options)(settings)
    except SettingsError as error:
        return _fail(USAGE, str(error))
    except ProxyError as error:
        return _fail(FAILED, error.text_here)
    except Stopped as error:
        return _fail(FAILED, str(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would cut the sentence, or end Python with a trace
        return _fail(INTERRUPTED, "\nStopped. Nothing was stored.")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="login.py", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--no-browser", action="store_true", help="print an address, and read the code that Google shows there"
    )
    what.add_argument(
        "--import-gemini-cli",
        metavar="FILE",
        nargs="?",
        const="",
        help="copy the Gemini CLI's sign-in, which stays as it is; by default from ~/.gemini, then from the file that "
        "GOOGLE_APPLICATION_CREDENTIALS names. FILE may be of the type authorized_user",
    )
    what.add_argument("--status", action="store_true", help="show who is signed in, and how much of the quota is left")
    what.add_argument("--logout", action="store_true", help="revoke the sign-in at Google and delete it here")
    parser.add_argument(
        "--json", action="store_true", help="with --status: as JSON, with the fields of /auth/status, tier and quota"
    )
    parser.add_argument("-C", dest="directory", metavar="FOLDER", default=".", help="run in that folder, with its .env")
    options = parser.parse_args(arguments)
    if options.json and not options.status:
        parser.error("--json goes with --status")
    return options


def _command(options: argparse.Namespace) -> Callable[[Settings], int]:
    if options.status:
        return _print_status_json if options.json else _print_status
    if options.logout:
        return _logout
    if options.import_gemini_cli is not None:
        return lambda settings: _import(settings, options.import_gemini_cli)
    return _sign_in_by_paste if options.no_browser else _sign_in_by_browser


def _fail(code: int, text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    return code


def _say(text: str) -> None:
    print(text, flush=True)


# Status and logout ---------------------------------------------------------------------------------------------------


def _print_status(settings: Settings) -> int:
    if settings.upstream == "gemini-api":
        has_key = bool(settings.google_api_key)
        _say("No sign-in is needed: the public Gemini API is used, with GEMINI_API_KEY." if has_key else REQUIRED)
        return OK if has_key else NOT_SIGNED_IN
    report = _run(lambda http: report_of(settings, http))
    for line in report.lines():
        _say(line)
    return OK if report.token else NOT_SIGNED_IN


def _print_status_json(settings: Settings) -> int:
    if settings.upstream == "gemini-api":
        missing = None if settings.google_api_key else key_required()
        problem = {"reason": missing.code, "message": missing.message} if missing else {}
        _say(json.dumps({**key_status(missing), **problem, "upstream": "gemini-api"}))
        return NOT_SIGNED_IN if missing else OK
    report = _run(lambda http: report_of(settings, http))
    _say(json.dumps(report.as_json()))
    return OK if report.token else NOT_SIGNED_IN


def _logout(settings: Settings) -> int:
    google, store = Google.from_settings(settings), store_of(settings)
    _say(SIGNED_OUT[_run(lambda http: sign_out(store, google, http))])
    return OK


# Sign-in -------------------------------------------------------------------------------------------------------------


def _sign_in_by_browser(settings: Settings) -> int:
    if not has_browser(os.environ, sys.platform):
        _say("No browser was found here, so Google will show you a code to paste.\n")
        return _sign_in_by_paste(settings)
    store_of(settings).check_writable()
    _say(WARNING)
    state, verifier = pkce.new_state(), pkce.new_verifier()
    with Loopback(state) as loopback:
        google = Google.from_settings(settings)
        address = google.authorization_url(loopback.redirect_uri, state, pkce.challenge(verifier))
        _open_browser(address)
        query = loopback.wait(FIVE_MINUTES)
        if query is None:
            raise Stopped("Nobody came back from Google within five minutes. Nothing was stored.")
        try:
            token = _finish(settings, query, verifier, loopback.redirect_uri)
        except ProxyError as error:
            loopback.finish(error.status, pages.refused(error))
            raise
        done = pages.account(token, settings.project) + pages.paragraph("The proxy now uses this account.")
        loopback.finish(200, pages.page("You are signed in", done, "good"))
    return OK


def _open_browser(address: str) -> None:
    _say("Open this address in a browser on this machine, unless it opens by itself:\n")
    _say(f"  {address}\n")
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # some wait for the browser
    _say("Waiting for the sign-in (up to five minutes)...")


def _sign_in_by_paste(settings: Settings) -> int:
    store_of(settings).check_writable()
    _say(WARNING)
    state, verifier = pkce.new_state(), pkce.new_verifier()
    address = Google.from_settings(settings).authorization_url(PASTE_REDIRECT, state, pkce.challenge(verifier))
    _say("Open this address in any browser and sign in. Google then shows a code.\n")
    _say(f"  {address}\n")
    try:
        query = pasted(input("Paste the code, or the whole address of that page: "))
    except EOFError:
        raise Stopped("\nThere is no terminal to paste the code into. Nothing was stored.") from None
    if query.get("state", state) != state:
        raise Stopped("That address belongs to another sign-in. Nothing was stored. Start again.")
    _finish(settings, query, verifier, PASTE_REDIRECT)
    return OK


def _import(settings: Settings, named: str) -> int:
    store_of(settings).check_writable()
    paths = [Path(named).expanduser()] if named else gemini_cli.default_paths(os.environ)
    token, path = gemini_cli.read_first(paths)
    _say(WARNING)
    _say(f"Copying the sign-in in {path}, which stays as it is.")
    _stored(settings, _run(lambda http: take_over(token, **_place(settings, http))))
    return OK


def _finish(settings: Settings, query: dict[str, str], verifier: str, redirect_uri: str) -> Token:
    if "code" not in query or "error" in query:
        raise redirect_error(query)
    code = query["code"]
    return _stored(settings, _run(lambda http: sign_in(code, verifier, redirect_uri, **_place(settings, http))))


def _place(settings: Settings, http: HttpClient) -> dict[str, Any]:
    return {
        "google": Google.from_settings(settings),
        "http": http,
        "endpoint": settings.code_assist_endpoint or CODE_ASSIST,
        "project": settings.project,
        "store": store_of(settings),
        "agent": settings.user_agent,
        "progress": lambda text: _say(f"{text}..."),
    }


def _stored(settings: Settings, token: Token) -> Token:
    whose = f" as {token.email}" if token.email else ""
    project, file = settings.project or token.project_id, settings.token_store.absolute()
    _say(f"Signed in{whose}, project {project}. Stored in {file}.")
    return token


def _run(work: Callable[[HttpClient], Coroutine[Any, Any, T]]) -> T:
    async def with_client() -> T:
        http = HttpClient()
        try:
            return await work(http)
        finally:
            await http.aclose()

    return asyncio.run(with_client())


if __name__ == "__main__":
    sys.exit(main())
