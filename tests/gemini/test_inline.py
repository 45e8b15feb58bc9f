"""How much media goes with a request."""

from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.inline import MediaLimits

LIMITS = MediaLimits(total=300, pdf=90)


def blob(size: int, mime: str = "image/png") -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": "A" * (size // 3 * 4)}}


def request(*parts: Any, system: Any = None) -> dict[str, Any]:
    instruction = {"systemInstruction": {"parts": [system]}} if system else {}
    return {"contents": [{"parts": [part]} for part in parts], **instruction}


def inside(part: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": "f", "parts": [part]}}


@pytest.mark.parametrize(
    "asked",
    [
        request(blob(150), {"text": "x"}, inside(blob(150))),
        request(blob(90, "application/pdf"), blob(90, "application/pdf")),
        request(blob(93)),
        {"requests": []},
    ],
)
def test_what_an_upstream_takes(asked: Any) -> None:
    LIMITS.check(asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request(blob(150), inside(blob(153))), "in one request"),
        (request(blob(150), system=blob(153)), "in one request"),
        (request(blob(93, "application/pdf")), "for a PDF"),
    ],
)
def test_what_it_does_not_take(asked: Any, words: str) -> None:
    with pytest.raises(ProxyError, match=words) as caught:
        LIMITS.check(asked)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "request_too_large", "messages")


def test_the_room_that_is_left() -> None:
    assert LIMITS.room(request(blob(150), inside(blob(90)))) == 60
