import re
from base64 import b64encode
from hashlib import sha256

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login import pages
from gemini_proxy.google_login.token import Token

EVIL = """<script>alert(1)</script>"'&"""


def test_everything_is_escaped() -> None:
    token = Token("a", email=EVIL, project_id=EVIL, tier=EVIL)
    error = ProxyError(400, EVIL, f"{EVIL} https://evil.example/{EVIL}\n{EVIL}")
    for html in (
        pages.page(EVIL, pages.paragraph(EVIL)),
        pages.page("x", pages.account(token)),
        pages.page("x", pages.button(EVIL, EVIL)),
        pages.refused(error, EVIL),
    ):
        assert b"<script" not in html
        assert b"alert(1)" in html


def test_the_policy_allows_exactly_our_style() -> None:
    style = re.search(rb"<style>(.*?)</style>", pages.page("x", ""), re.DOTALL)
    assert style is not None
    assert f"'sha256-{b64encode(sha256(style[1]).digest()).decode()}'" in pages.CSP
    assert "default-src 'none'" in pages.CSP
    assert "unsafe" not in pages.CSP
    assert b" style=" not in pages.page("x", "")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("See https://a.example/x?y=1&z=2.", '<p>See <a href="https://a.example/x?y=1&amp;z=2" rel="noreferrer">https://a.example/x?y=1&amp;z=2</a>.</p>'),
        ("(https://a.example)", '<p>(<a href="https://a.example" rel="noreferrer">https://a.example</a>)</p>'),
        ("javascript:alert(1) http://a.example", "<p>javascript:alert(1) http://a.example</p>"),
        ("none", "<p>none</p>"),
    ],
)  # fmt: skip
def test_only_https_addresses_become_links(text: str, html: str) -> None:
    assert pages.paragraph(text) == html


def test_a_refusal_has_a_paragraph_for_each_line_and_a_way_on() -> None:
    html = pages.refused(ProxyError(403, "account_not_eligible", "One.\nTwo."), "/auth/login").decode()
    assert "<p>One.</p><p>Two.</p>" in html
    assert '<a class="button" href="/auth/login">' in html
    assert "Google does not serve this account" in html
    assert "button" not in pages.refused(ProxyError(400, "x", "One.")).decode().partition("</style>")[2]


def test_an_account_shows_the_configured_project_and_leaves_out_what_is_unknown() -> None:
    assert pages.account(Token("a", project_id="google's"), "mine") == "<dl><dt>Project</dt><dd>mine</dd></dl>"
