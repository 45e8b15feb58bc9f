import pytest

from gemini_proxy.google_login.browser import has_browser, pasted


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("4/0abc-_", {"code": "4/0abc-_"}),
        (" '4/0abc' ", {"code": "4/0abc"}),
        ("4%2F0abc", {"code": "4/0abc"}),
        ("https://codeassist.google.com/authcode?code=4%2F0abc&state=s&scope=x", {"code": "4/0abc", "state": "s", "scope": "x"}),
        ("code=4%2F0abc&state=s", {"code": "4/0abc", "state": "s"}),
        ("?error=access_denied", {"error": "access_denied"}),
        ("https://codeassist.google.com/authcode", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_pasted(text: str, fields: dict[str, str]) -> None:
    assert pasted(text) == fields


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"BROWSER": "firefox"}, True),
        ({"BROWSER": "www-browser", "DISPLAY": ":0"}, False),
        ({"DISPLAY": ":0", "CI": "1"}, False),
        ({"DISPLAY": ":0", "NO_BROWSER": "1"}, False),
        ({"DISPLAY": ":0", "DEBIAN_FRONTEND": "noninteractive"}, False),
        ({}, False),
    ],
)
def test_whether_there_is_a_browser(env: dict[str, str], found: bool) -> None:
    assert has_browser(env, "linux") is found
    assert has_browser({}, "darwin")
