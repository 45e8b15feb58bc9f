"""The sign-in page: who asks for what, Allow or Cancel, and the way back to the client (docs/protocol.md, P-104)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from gemini_proxy.emulator.messages import Reply, Request, html_reply
from gemini_proxy.emulator.oauth import OAuth

PASTE_URI = "https://codeassist.google.com/authcode"  # Google's page that shows the code to copy
LOOPBACK = ("127.0.0.1", "localhost", "::1")
STYLE = """
  body { font: 16px/1.5 system-ui, sans-serif; background: #f3f5f9; color: #1f1f1f; margin: 0; }
  main { max-width: 30rem; margin: 8vh auto; padding: 2.5rem; background: #fff; border-radius: 1.5rem; }
  h1 { font-size: 1.5rem; font-weight: 400; margin: 0 0 1rem; }
  .note { color: #5f6368; font-size: .9rem; }
  .account { display: inline-block; padding: .3rem .9rem; border: 1px solid #dadce0; border-radius: 1rem; }
  code { overflow-wrap: anywhere; font-size: .85rem; }
  form { display: flex; gap: .75rem; justify-content: flex-end; margin-top: 2rem; }
  button { font: inherit; padding: .5rem 1.5rem; border-radius: 1.5rem; border: 1px solid #747775; background: #fff; }
  button[value=allow] { background: #0b57d0; border-color: #0b57d0; color: #fff; }
"""


def page(title: str, content: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{content}\n"
        '<p class="note">This is the gemini-proxy emulator, not Google.</p>\n</main>\n</body>\n</html>\n'
    )


def not_found_page(path: str) -> Reply:
    """What a path outside every API gets: HTML, whatever the client accepts."""
    text = f"<p><b>404.</b> That is an error.</p>\n<p>The requested URL <code>{escape(path)}</code> was not found on this server."
    return html_reply(page("Error 404 (Not Found)!!1", f"{text} That is all we know.</p>"), 404)


def ask(oauth: OAuth, request: Request) -> Reply:
    """GET: the consent page, or why there is none."""
    params = request.params
    if problem := refused(params):
        return _refusal(problem)
    hidden = "\n".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in params.items()
    )
    scopes = "\n".join(f"<li><code>{escape(scope)}</code></li>" for scope in params["scope"].split())
    content = (
        f'<p><span class="account">{escape(oauth.settings.email)}</span></p>\n'
        f"<p>The application <code>{escape(params['client_id'])}</code> wants to use this account for</p>\n"
        f"<ul>\n{scopes}\n</ul>\n"
        f'<form method="post" action="{escape(request.path)}">\n{hidden}\n'
        '<button name="decision" value="cancel">Cancel</button>\n'
        '<button name="decision" value="allow">Allow</button>\n</form>'
    )
    return html_reply(page("Sign in with an emulated Google account", content))


def decide(oauth: OAuth, request: Request) -> Reply:
    """POST: back to the client with a code, or with the refusal."""
    form = request.form
    if problem := refused(form):
        return _refusal(problem)
    if form.get("decision") != "allow":
        return _back(form, {"error": "access_denied"})
    code = oauth.new_code(form)
    if form["redirect_uri"] == PASTE_URI:
        return html_reply(
            page(
                "Copy this code", f'<p>Paste it into the application:</p>\n<p><code id="code">{escape(code)}</code></p>'
            )
        )
    return _back(form, {"code": code, "scope": form["scope"]})


def refused(params: Mapping[str, str]) -> str:
    """The error word and sentence Google shows instead of the page; empty when all is well."""
    for name in ("client_id", "redirect_uri", "response_type", "scope"):
        if not params.get(name):
            return f"invalid_request: Missing required parameter: {name}"
    if params["response_type"] != "code":
        return f"unsupported_response_type: Invalid response_type: {params['response_type']}"
    if not allowed_redirect(params["redirect_uri"]):
        return "redirect_uri_mismatch: The redirect URI in the request does not match those of the OAuth client."
    return _bad_challenge(params)


def _bad_challenge(params: Mapping[str, str]) -> str:
    if "code_challenge" not in params:
        return "invalid_request: code_challenge is missing" if "code_challenge_method" in params else ""
    if params.get("code_challenge_method") != "S256":
        return "invalid_request: Unsupported code_challenge_method"  # plain is legal at Google and never wanted here
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", params["code_challenge"]):
        return "invalid_request: Invalid code_challenge"
    return ""


def allowed_redirect(uri: str) -> bool:
    """An installed application may use any port of the loopback host, or the page with the code."""
    try:
        parts = urlsplit(uri)
        return uri == PASTE_URI or (parts.scheme == "http" and parts.hostname in LOOPBACK and not parts.fragment)
    except ValueError:
        return False


def _refusal(problem: str) -> Reply:
    word, _, text = problem.partition(": ")
    return html_reply(page(f"Access blocked: error 400, {word}", f"<p>{escape(text)}</p>"), 400)


def _back(form: Mapping[str, str], answer: dict[str, str]) -> Reply:
    if form["redirect_uri"] == PASTE_URI:
        return html_reply(page("Access denied", "<p>There is no code to copy.</p>"))
    state = {"state": form["state"]} if "state" in form else {}
    parts = urlsplit(form["redirect_uri"])
    query = "&".join(filter(None, [parts.query, urlencode({**state, **answer})]))
    return Reply(302, (("Location", urlunsplit(parts._replace(query=query))), ("Cache-Control", "no-store")))
