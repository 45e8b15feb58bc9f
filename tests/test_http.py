"""The client's request as a plain value."""

import pytest

from gemini_proxy.http import ClientRequest


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
