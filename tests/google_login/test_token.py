import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.google_login.token import Token

FILE: dict[str, Any] = {
    "access_token": "ya29.a",
    "scope": "openid",
    "token_type": "Bearer",
    "id_token": "h.p.s",
    "refresh_token": "1//r",
    "expiry_date": 1795352576857,
    "email": "user@example.com",
    "project_id": "my-project",
}


def read(data: Any) -> Token:
    return Token.from_json(json.dumps(data).encode())


def test_the_file_of_the_gemini_cli_survives() -> None:
    assert json.loads(read(FILE).to_json()) == FILE


def test_unknown_fields_survive_a_refresh() -> None:
    known = read({**FILE, "client": {"a": [1, None]}, "quota_project_id": "q"})
    written = json.loads(known.refreshed({"access_token": "ya29.b", "expires_in": 10}, 0).to_json())
    assert written["client"] == {"a": [1, None]}
    assert written["quota_project_id"] == "q"
    assert written["access_token"] == "ya29.b"


@pytest.mark.parametrize(
    "text",
    [
        b"", b"[]", b"null", b"{}", b'{"access_token":7}', b'{"access_token":""}', b'{"access_token":"a","expiry_date":"x"}',
        b'{"access_token":"a","expiry_date":true}', b'{"access_token":"a","expiry_date":NaN}', b'{"access_token":"a","expiry_date":1e400}',
        b'{"access_token":"ya29', b"\xff\xfe", b"\x00" * 40, b"[" * 100_000,
        b'{"access_token":"a b"}', b'{"access_token":"a\\r\\nb: c"}', b'{"refresh_token":"\\ud800"}', b'{"access_token":"\xc3\xa4"}',
        b'{"access_token":"a","project_id":"\\ud800"}',
    ],
)  # fmt: skip
def test_what_is_no_sign_in(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (a JSON error is one)
        Token.from_json(text)


@pytest.mark.parametrize("depth", [500, 990, 1500, 5000, 20_000, 100_000])
def test_what_was_read_can_be_written_again(depth: int) -> None:
    with contextlib.suppress(ValueError):
        read = Token.from_json(b'{"access_token":"a","x":' + b"[" * depth + b"]" * depth + b"}")
        assert Token.from_json(read.to_json()).access_token == "a"


def test_null_means_absent() -> None:
    assert read({"access_token": "a", "id_token": None, "expiry_date": None}) == Token("a")


def test_a_refresh_token_alone_is_a_sign_in() -> None:
    token = read({"type": "authorized_user", "refresh_token": "1//r"})
    assert token.expires_before(0)
    assert token.extra == {"type": "authorized_user"}


def test_a_refresh_keeps_the_refresh_token_and_the_account() -> None:
    after = read(FILE).refreshed({"access_token": "ya29.b", "expires_in": 3599}, 1000.0)
    assert (after.access_token, after.refresh_token, after.expiry_date) == ("ya29.b", "1//r", 4599000)
    assert (after.email, after.project_id, after.id_token) == ("user@example.com", "my-project", "h.p.s")


def test_a_rotated_refresh_token_is_taken() -> None:
    assert read(FILE).refreshed({"access_token": "b", "refresh_token": "1//new"}, 0).refresh_token == "1//new"


@pytest.mark.parametrize(
    ("expires_in", "date"),
    [(10, 1010000), ("10", 1010000), (2.5, 1002500), (None, None), ("soon", None), ("inf", None)],
)
def test_expires_in(expires_in: object, date: int | None) -> None:
    assert Token.from_answer({"access_token": "a", "expires_in": expires_in}, 1000.0).expiry_date == date


@pytest.mark.parametrize(("moment", "over"), [(1999.999, False), (2000.0, True), (2000.001, True)])
def test_expiry_at_the_boundary(moment: float, over: bool) -> None:
    assert Token("a", expiry_date=2_000_000).expires_before(moment) is over


def test_without_a_date_it_is_valid_until_google_refuses_it() -> None:
    assert not Token("a").expires_before(1e12)


def test_repr_shows_no_secret_and_no_account() -> None:
    shown = repr(read({**FILE, "more": "hush"}))
    assert not any(secret in shown for secret in ("ya29", "1//r", "h.p.s", "user@", "hush", "my-project"))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_as_value_error(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        Token.from_json(text)
