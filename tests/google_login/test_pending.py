import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.pending import LIFETIME, MOST, Pending
from gemini_proxy.google_login.pkce import challenge

URI = "http://127.0.0.1:3000/auth/callback"


def refusal(pending: Pending, state: str, cookies: dict[str, str], now: float = 0) -> tuple[int, str]:
    with pytest.raises(ProxyError) as caught:
        pending.take(state, cookies, now)
    return caught.value.status, caught.value.code


def test_the_browser_that_began_it_takes_it_once() -> None:
    pending = Pending()
    attempt = pending.begin(URI, 0)
    cookies = {attempt.cookie: attempt.browser}
    assert pending.take(attempt.state, cookies, LIFETIME - 1) is attempt
    assert refusal(pending, attempt.state, cookies) == (400, "login_state_unknown")


@pytest.mark.parametrize("cookie", [None, "", "wrong", "ü"])
def test_another_browser_ends_it(cookie: str | None) -> None:
    pending = Pending()
    attempt = pending.begin(URI, 0)
    cookies = {} if cookie is None else {attempt.cookie: cookie}
    assert refusal(pending, attempt.state, cookies) == (400, "login_state_unknown")
    assert refusal(pending, attempt.state, {attempt.cookie: attempt.browser}) == (400, "login_state_unknown")


def test_a_wrong_state_ends_nothing() -> None:
    pending = Pending()
    attempt = pending.begin(URI, 0)
    cookies = {attempt.cookie: attempt.browser}
    for state in ("", attempt.state[:-1], attempt.state + "0", "ü"):
        assert refusal(pending, state, cookies) == (400, "login_state_unknown")
    assert pending.take(attempt.state, cookies, 0) is attempt


def test_ten_minutes() -> None:
    pending = Pending()
    attempt = pending.begin(URI, 1000)
    assert refusal(pending, attempt.state, {attempt.cookie: attempt.browser}, 1600) == (400, "login_expired")


def test_two_tabs_do_not_disturb_each_other() -> None:
    pending = Pending()
    one, two = pending.begin(URI, 0), pending.begin(URI, 0)
    cookies = {one.cookie: one.browser, two.cookie: two.browser}
    assert len(cookies) == 2
    assert pending.take(two.state, cookies, 1) is two
    assert pending.take(one.state, cookies, 1) is one


def test_the_oldest_gives_way() -> None:
    pending = Pending()
    attempts = [pending.begin(URI, n) for n in range(MOST + 1)]
    first, second = ({attempt.cookie: attempt.browser} for attempt in attempts[:2])
    assert refusal(pending, attempts[0].state, first) == (400, "login_state_unknown")
    assert pending.take(attempts[1].state, second, 5) is attempts[1]


def test_secrets_stay_secret() -> None:
    attempt = Pending().begin(URI, 0)
    assert not any(secret in repr(attempt) for secret in (attempt.state, attempt.verifier, attempt.browser))
    assert attempt.challenge == challenge(attempt.verifier)
