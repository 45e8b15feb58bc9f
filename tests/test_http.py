"""The client's request as a plain value."""

import pytest

from gemini_proxy.http import ClientRequest, retry_after


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/v1/models", "/v1/models", {}),
        ("/a?b=c&d=%20&b=e", "/a", {"b": "c", "d": " "}),
        ("//v1/models", "", {}),
        ("http://evil.test/v1/models", "", {}),
        ("*", "", {}),
        ("", "", {}),
    ],
)
def test_path_and_query(target: str, path: str, query: dict[str, str]) -> None:
    request = ClientRequest("GET", target, {})
    assert (request.path, request.query) == (path, query)


def test_repr_shows_neither_query_nor_headers_nor_body() -> None:
    request = ClientRequest("GET", "/a?key=s3cret", {"authorization": "Bearer s3cret"}, b"s3cret")
    assert repr(request) == "ClientRequest(GET /a)"


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("7", 7, 7), (" 120 ", 120, 120), ("Fri, 31 Dec 2100 23:59:59 GMT", 1e9, 1e10), ("Fri, 31 Dec 1999 23:59:59 GMT", 0, 0)],
)  # fmt: skip
def test_when_to_ask_again(value: str, low: float, high: float) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is not None
    assert low <= seconds <= high


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "9" * 400, "\u0663", "Fri, 31 Dec 2100 23:59:59 -0000"])
def test_no_word_of_when_to_ask_again(value: str) -> None:
    assert retry_after({"retry-after": value}) is None
    assert retry_after({}) is None
