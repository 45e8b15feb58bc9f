"""The pages of the sign-in: one template, everything escaped, nothing loaded, no script."""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.token import Token

STYLE = """
:root { color-scheme: light dark; --page: #f4f6fb; --card: #ffffff; --text: #1b1d22; --soft: #5b616e; --line: #e1e5ee;
  --accent: #2457d6; --on-accent: #ffffff; --good: #14804a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #111318; --card: #1b1e25; --text: #e8eaf0; --soft: #a3a9b7;
  --line: #2f3441; --accent: #9db7ff; --on-accent: #10204d; --good: #6dd58c; --bad: #ffb4ab; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--page);
  color: var(--text); font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 34rem; padding: 2.5rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 1.25rem; box-shadow: 0 1px 2px rgb(0 0 0 / .05), 0 12px 32px rgb(0 0 0 / .07); }
.mark { display: grid; place-items: center; width: 3rem; height: 3rem; border-radius: 50%; border: 2px solid;
  font-size: 1.4rem; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .plain { color: var(--accent); }
h1 { margin: 1.25rem 0 .5rem; font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
p { margin: .75rem 0; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; margin: 1.25rem 0; padding: 1rem 1.25rem;
  border: 1px solid var(--line); border-radius: .75rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
a { color: var(--accent); }
blockquote { margin: 1rem 0; padding: .1rem 0 .1rem 1rem; border-left: 3px solid var(--line); color: var(--soft); }
.button { display: inline-block; margin-top: .75rem; padding: .6rem 1.4rem; border: 0; border-radius: 999px;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; text-decoration: none; cursor: pointer; }
footer { margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .85rem; }
"""
CSP = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": CSP,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
MARKS = {"good": "✓", "bad": "!", "plain": "→"}
LINK = re.compile(r"https://[^\s<>\"]+")
TITLES = {
    "consent_refused": "Access was not granted",
    "account_not_eligible": "Google does not serve this account",
    "account_suspended": "Google has suspended this account's access",
    "validation_required": "Google asks you to verify this account",
    "project_required": "A project is missing",
    "login_state_unknown": "This sign-in was not started here",
    "onboarding_timeout": "Google needs more time",
}


AGAIN = {
    "account_not_eligible": "Use another account",
    "account_suspended": "Use another account",
    "validation_required": "Try again",
}


def page(title: str, body: str, mark: str = "plain") -> bytes:
    """`body` is HTML, `title` is text, `mark` one of good, bad and plain."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} · gemini-proxy</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<div class="mark {mark}" aria-hidden="true">{MARKS[mark]}</div>\n<h1>{escape(title)}</h1>\n{body}\n'
        "<footer>gemini-proxy · not affiliated with Google</footer>\n</main>\n</body>\n</html>\n"
    ).encode()


def paragraph(text: str) -> str:
    """Text with its https addresses as links; nothing else in it means anything to the browser."""
    parts, end = [], 0
    for match in LINK.finditer(text):
        address = match[0].rstrip(".,;:!?)'")
        shown = escape(address)
        parts += [escape(text[end : match.start()]), f'<a href="{shown}" rel="noreferrer">{shown}</a>']
        end = match.start() + len(address)
    return f"<p>{''.join(parts)}{escape(text[end:])}</p>"


def _line(text: str) -> str:
    """A line of a refusal; Google's own words look like a quotation."""
    shown = paragraph(text)
    return f"<blockquote>{shown}</blockquote>" if text.startswith("Google says: ") else shown


def account(token: Token, project: str = "") -> str:
    """Whose sign-in it is; `project` is the configured one, which goes before the one in the sign-in."""
    rows = {"Account": token.email, "Project": project or token.project_id, "Tier": token.tier}
    shown = (f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows.items() if value)
    return f"<dl>{''.join(shown)}</dl>"


def button(text: str, address: str) -> str:
    return f'<a class="button" href="{escape(address)}">{escape(text)}</a>'


def refused(error: ProxyError, again: str = "", above: str = "") -> bytes:
    """What went wrong and what to do; `again` is the address that begins anew, `above` HTML that goes before."""
    body = above + "".join(map(_line, error.message.splitlines()))
    body += button(AGAIN.get(error.code, "Start again"), again) if again else ""
    return page(TITLES.get(error.code, "The sign-in did not work"), body, "bad")
