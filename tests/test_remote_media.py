"""Fetching what a request names: who may be asked, and how much is taken (C171)."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gemini_proxy import remote_media
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask
from gemini_proxy.remote_media import Fetcher, is_public
from tests.exchanges import exchange

PNG = b"\x89PNG\r\n\x1a\nxx"
PUBLIC = "93.184.216.34"
Handler = Callable[[httpx.Request], httpx.Response]


def image(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "image/png; x=y"}, content=PNG)


def ask_for(*urls: str) -> Ask:
    return exchange(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}} for url in urls]}]
    ).ask


def parts(ask: Ask) -> Any:
    return ask.request["contents"][0]["parts"]


def fetcher(handler: Handler = image, names: dict[str, list[str]] | None = None) -> Fetcher:
    async def resolve(host: str, port: int) -> list[str]:
        found = (names or {}).get(host, [PUBLIC])
        if not found:
            raise OSError("no such host")
        return found

    return Fetcher(True, resolve, transport=httpx.MockTransport(handler))


async def test_it_is_filled_in() -> None:
    ask = ask_for("https://img.test/a.png?b=c#d")
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return image(request)

    await fetcher(handler).fill(ask)
    assert parts(ask) == [{"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}]
    assert str(asked[0].url) == f"https://{PUBLIC}/a.png?b=c"  # the address that was checked, not the name again
    assert asked[0].headers["host"] == "img.test"
    assert asked[0].extensions["sni_hostname"] == "img.test"


async def test_it_is_off_unless_the_operator_allows_it() -> None:
    with pytest.raises(ProxyError, match="GEMINI_REMOTE_MEDIA") as caught:
        await Fetcher(False).fill(ask_for("https://img.test/a.png"))
    assert (caught.value.status, caught.value.param) == (400, "messages[0].content[0].image_url.url")
    await Fetcher(False).fill(exchange().ask)


def redirect(to: str) -> Handler:
    return lambda request: httpx.Response(302, headers={"location": to})


def answer(**how: object) -> Handler:
    return lambda request: httpx.Response(**{"status_code": 200, "headers": {"content-type": "image/png"}, **how})  # type: ignore[arg-type]


REFUSED = [
    pytest.param("http://localhost/a.png", image, {"localhost": ["127.0.0.1"]}, id="loopback"),
    pytest.param("http://router.test/", image, {"router.test": ["192.168.0.1"]}, id="private"),
    pytest.param("http://metadata.test/", image, {"metadata.test": ["169.254.169.254"]}, id="link-local"),
    pytest.param("http://both.test/", image, {"both.test": [PUBLIC, "10.0.0.1"]}, id="one-of-several-is-private"),
    pytest.param("http://six.test/", image, {"six.test": ["::ffff:127.0.0.1"]}, id="ipv4-in-ipv6"),
    pytest.param("http://gone.test/", image, {"gone.test": []}, id="no-such-host"),
    pytest.param("http://img.test:8080/", image, {}, id="other-port"),
    pytest.param("http://user:pass@img.test/", image, {}, id="user"),
    pytest.param("ftp://img.test/", image, {}, id="scheme"),
    pytest.param("http://", image, {}, id="no-host"),
    pytest.param("http://[broken/", image, {}, id="broken"),
    pytest.param(
        "http://img.test/", redirect("http://inside.test/"), {"inside.test": ["10.1.1.1"]}, id="redirect-inside"
    ),
    pytest.param("http://img.test/", redirect("file:///etc/passwd"), {}, id="redirect-to-a-file"),
    pytest.param("http://img.test/", redirect("http://img.test/"), {}, id="redirects-for-ever"),
    pytest.param("http://img.test/", answer(status_code=404), {}, id="not-found"),
    pytest.param("http://img.test/", answer(headers={"content-type": "text/html"}), {}, id="html"),
    pytest.param("http://img.test/", answer(headers={"content-type": "image/svg+xml"}), {}, id="svg"),
    pytest.param("http://img.test/", answer(content=b"x" * 101), {}, id="too-large"),
]


@pytest.mark.parametrize(("url", "handler", "names"), REFUSED)
async def test_what_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, handler: Handler, names: dict[str, list[str]]
) -> None:
    monkeypatch.setattr(remote_media, "LIMIT", 100)
    with pytest.raises(ProxyError) as caught:
        await fetcher(handler, names).fill(ask_for(url))
    assert (caught.value.status, caught.value.param) == (400, "messages[0].content[0].image_url.url")


async def test_the_limit_counts_for_all_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_media, "LIMIT", 100)
    handler = answer(content=b"x" * 60)
    await fetcher(handler).fill(ask_for("http://img.test/"))
    with pytest.raises(ProxyError) as caught:
        await fetcher(handler).fill(ask_for("http://img.test/", "http://img.test/"))
    assert caught.value.param == "messages[0].content[1].image_url.url"


async def test_a_redirect_to_another_public_address_is_followed() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.headers["host"] == "cdn.test":
            return image(request)
        return httpx.Response(301, headers={"location": "//cdn.test/a.png"})

    ask = ask_for("http://img.test/")
    await fetcher(handler).fill(ask)
    assert parts(ask)[0]["inlineData"]["mimeType"] == "image/png"


@pytest.mark.parametrize(
    ("address", "public"),
    [(PUBLIC, True), ("2606:4700::1111", True), ("127.0.0.1", False), ("0.0.0.0", False), ("100.64.0.1", False), ("::1", False), ("fe80::1%eth0", False), ("fc00::1", False), ("2002:7f00:1::", False), ("224.0.0.1", False), ("::ffff:8.8.8.8", True), ("::ffff:10.0.0.1", False)],
)  # fmt: skip
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public
