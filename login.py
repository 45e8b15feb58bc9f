"""Google sign-in of gemini-proxy from the command line: the account that the proxy then uses."""

import argparse
import asyncio
import json
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login import pages, pkce
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import PASTE_REDIRECT, Google, redirect_error
from gemini_proxy.google_login.loopback import Loopback
from gemini_proxy.google_login.source import SIGNED_OUT, sign_out
from gemini_proxy.google_login.status import iso, status_of
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token
from gemini_proxy.settings import CODE_ASSIST, Settings, SettingsError, environment, resolve
from gemini_proxy.upstreams.code_assist.account import sign_in

OK, FAILED, USAGE, NOT_SIGNED_IN, INTERRUPTED = 0, 1, 2, 3, 130
FIVE_MINUTES = 300.0
T = TypeVar("T")
EPILOG = """\
Without an option, it opens a browser and waits up to five minutes for the sign-in.

exit codes:
  0    done
  1    it failed; the last line says why
  2    wrong usage, or a setting that cannot work
  3    nobody is signed in (--status)
  130  stopped with Ctrl-C

settings come from the environment and .env: TOKEN_STORE_PATH (the file that keeps the
sign-in), GOOGLE_CLOUD_PROJECT (the project that holds your Code Assist licence), and the
others in README.md. A running proxy takes a new sign-in over without a restart.

By default the sign-in uses the OAuth client of the Gemini CLI, so --logout may end the
Gemini CLI's sign-in on your machines too.
"""
WARNING = """\
Before you sign in:
  - Google's terms speak against using the services behind the Gemini CLI with other software;
    Google may suspend an account for it. gemini-proxy is not affiliated with Google.
  - Since 18 June 2026 Google refuses personal accounts here (free, AI Pro, AI Ultra). A Gemini
    Code Assist Standard or Enterprise licence works, with GOOGLE_CLOUD_PROJECT set.
"""


class Stopped(Exception):
    """It cannot go on; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        settings = resolve(environment())
        return _command(options)(settings)
    except SettingsError as error:
        return _fail(USAGE, str(error))
    except ProxyError as error:
        return _fail(FAILED, error.message)
    except Stopped as error:
        return _fail(FAILED, str(error))
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, "\nStopped. Nothing was stored.")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="login.py", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--no-browser", action="store_true", help="print the address, and read the code pasted from it")
    what.add_argument("--status", action="store_true", help="say who is signed in; asks nothing of Google")
    what.add_argument("--logout", action="store_true", help="revoke the sign-in at Google and delete it here")
    parser.add_argument("--json", action="store_true", help="with --status: as JSON, the same as /auth/status")
    options = parser.parse_args(arguments)
    if options.json and not options.status:
        parser.error("--json goes with --status")
    return options


def _command(options: argparse.Namespace) -> Callable[[Settings], int]:
    if options.status:
        return _print_status_json if options.json else _print_status
    if options.logout:
        return _logout
    return _sign_in_by_paste if options.no_browser else _sign_in_by_browser


def _fail(code: int, text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    return code


def _say(text: str) -> None:
    print(text, flush=True)


# Status and logout ---------------------------------------------------------------------------------------------------


def _print_status(settings: Settings) -> int:
    token = TokenStore(settings.token_store).load()
    if token is None:
        _say("Not signed in. Run python login.py.")
        return NOT_SIGNED_IN
    renewal = "renewed by itself" if token.refresh_token else "cannot be renewed"
    rows = {
        "Account": token.email or "unknown",
        "Tier": token.tier or "unknown",
        "Project": settings.project or token.project_id or "none",
        "Access": f"until {iso(token.expiry_date) or 'an unknown time'}, {renewal}",
        "File": str(settings.token_store),
    }
    for name, value in rows.items():
        _say(f"{name + ':':<9} {value}")
    return OK


def _print_status_json(settings: Settings) -> int:
    token = TokenStore(settings.token_store).load()
    _say(json.dumps(status_of(token, settings.project)))
    return OK if token else NOT_SIGNED_IN


def _logout(settings: Settings) -> int:
    google, store = Google.from_settings(settings), TokenStore(settings.token_store)
    _say(SIGNED_OUT[_run(lambda http: sign_out(store, google, http))])
    return OK


# Sign-in -------------------------------------------------------------------------------------------------------------


def _sign_in_by_browser(settings: Settings) -> int:
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
        done = pages.account(token, settings.project) + pages.paragraph("The proxy uses this account from now on.")
        loopback.finish(200, pages.page("You are signed in", done, "good"))
    return OK


def _open_browser(address: str) -> None:
    _say("Open this address in a browser on this machine, unless it opens by itself:\n")
    _say(f"  {address}\n")
    if _has_browser():
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()  # some wait for the browser
    else:
        _say("No browser was found here. On a machine without one, stop with Ctrl-C and use --no-browser.\n")
    _say("Waiting for the sign-in (up to five minutes)...")


def _has_browser() -> bool:
    """Not a browser of the terminal, which would take it over; as the Gemini CLI decides (protocol 1.2)."""
    env = os.environ
    if env.get("NO_BROWSER") or env.get("CI") or env.get("DEBIAN_FRONTEND") == "noninteractive":
        return False
    if env.get("BROWSER"):
        return env["BROWSER"] != "www-browser"
    return not sys.platform.startswith("linux") or bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


def _sign_in_by_paste(settings: Settings) -> int:
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


def pasted(text: str) -> dict[str, str]:
    """The fields in what a user pasted: an address, its query, or the code alone."""
    text = text.strip().strip("'\"")
    query = urlsplit(text).query if "://" in text else text.lstrip("?")
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    if "://" in text or "code" in fields or "error" in fields:
        return fields
    return {"code": unquote(text)} if text else {}


def _finish(settings: Settings, query: dict[str, str], verifier: str, redirect_uri: str) -> Token:
    if "code" not in query or "error" in query:
        raise redirect_error(query)
    token = _run(
        lambda http: sign_in(
            query["code"],
            verifier,
            redirect_uri,
            google=Google.from_settings(settings),
            http=http,
            endpoint=settings.code_assist_endpoint or CODE_ASSIST,
            project=settings.project,
            store=TokenStore(settings.token_store),
            agent=settings.user_agent,
            progress=lambda text: _say(f"{text}..."),
        )
    )
    whose = f" as {token.email}" if token.email else ""
    _say(f"Signed in{whose}, project {settings.project or token.project_id}. Stored in {settings.token_store}.")
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
