"""Fetching what a request names: who may be asked, and how much is taken."""

import asyncio
import base64
import gzip
import tracemalloc
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.app import remote_media
from gemini_proxy.app.remote_media import Fetcher, is_public
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask
from gemini_proxy.gemini.inline import MB, MediaLimits
from gemini_proxy.outbound import Outbound
from tests.certificates import private_root
from tests.exchanges import exchange

PNG = b"\x89PNG\r\n\x1a\nxx"
PUBLIC = "93.184.216.34"
LIMITS = MediaLimits(total=MB, pdf=MB)
Handler = Callable[[httpx.Request], httpx.Response]


def image(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "image/png; x=y"}, content=PNG)


def ask_for(*urls: str) -> Ask:
    return exchange(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}} for url in urls]}]
    ).ask


def parts(ask: Ask) -> Any:
    return ask.request["contents"][0]["parts"]


def fetcher(handler: Handler = image, names: dict[str, list[str]] | None = None, limit: int = MB) -> Fetcher:
    async def resolve(host: str, port: int) -> list[str]:
        found = (names or {}).get(host, [PUBLIC])
        if not found:
            raise OSError("no such host")
        return found

    limits = MediaLimits(total=limit, pdf=limit)
    return Fetcher(True, limits, resolve, transport=httpx.MockTransport(handler))


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
    assert asked[0].headers["connection"] == "close"  # its certificate vouches for no other name at that address
    assert asked[0].extensions["sni_hostname"] == "img.test"


async def test_it_is_off_unless_the_operator_allows_it() -> None:
    with pytest.raises(ProxyError, match="GEMINI_REMOTE_MEDIA") as caught:
        await Fetcher(False, LIMITS).fill(ask_for("https://img.test/a.png"))
    assert (caught.value.status, caught.value.param) == (400, "messages[0].content[0].image_url.url")
    await Fetcher(False, LIMITS).fill(exchange().ask)


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
async def test_what_is_refused(url: str, handler: Handler, names: dict[str, list[str]]) -> None:
    with pytest.raises(ProxyError) as caught:
        await fetcher(handler, names, limit=100).fill(ask_for(url))
    assert (caught.value.status, caught.value.param) == (400, "messages[0].content[0].image_url.url")


GIVEN = f"data:image/png;base64,{base64.b64encode(b'x' * 60).decode()}"


@pytest.mark.parametrize("first", [GIVEN, "http://img.test/"])
async def test_the_limit_counts_for_all_of_a_request_given_or_fetched(first: str) -> None:
    media = fetcher(answer(content=b"x" * 60), limit=100)
    await media.fill(ask_for("http://img.test/"))
    with pytest.raises(ProxyError) as caught:
        await media.fill(ask_for(first, "http://img.test/"))
    assert caught.value.param == "messages[0].content[1].image_url.url"


async def test_a_redirect_to_another_public_address_is_followed() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.headers["host"] == "cdn.test":
            return image(request)
        return httpx.Response(301, headers={"location": "//cdn.test/a.png"})

    ask = ask_for("http://img.test/")
    await fetcher(handler).fill(ask)
    assert parts(ask)[0]["inlineData"]["mimeType"] == "image/png"


# Whatever form an address has, what a packet to it ends up at decides.
@pytest.mark.parametrize(
    ("public", "addresses"),
    [
        (True, f"{PUBLIC} 8.8.8.8 2606:4700::1111 2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1"),
        (False, "127.0.0.1 0.0.0.0 10.0.0.1 100.64.0.1 100.100.100.200 169.254.169.254 172.16.0.1 192.168.0.1 224.0.0.1 255.255.255.255"),
        (False, "192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 240.0.0.1 168.63.129.16"),
        (False, ":: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 ff0e::1 100::1 5f00::1"),
        (False, "2001::1 2001:db8::1 3fff::1 4000::1"),
        (False, "::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:a9fe:a9fe ::7f00:1 ::8.8.8.8"),
        (False, "64:ff9b::a9fe:a9fe 64:ff9b::7f00:1 64:ff9b::c0a8:101 64:ff9b::a83f:8110 64:ff9b:1::a9fe:a9fe 64:ff9b:1::808:808"),
        (False, "2002:7f00:1:: 2002:a9fe:a9fe::1 2002:c000:c0::"),
    ],
)  # fmt: skip
def test_public_addresses(public: bool, addresses: str) -> None:
    assert [address for address in addresses.split() if is_public(address) is not public] == []


@given(st.integers(0, 2**32 - 1).map(ip_address))
def test_an_address_inside_of_another_counts_as_itself(ip: IPv4Address) -> None:
    number = int(ip)
    for six in (0xFFFF << 32 | number, 0x64_FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert is_public(str(IPv6Address(six))) is is_public(str(ip))
    for never in (number, 0xFFFF_0000 << 32 | number, 0x64_FF9B_0001 << 80 | number):
        assert not is_public(str(IPv6Address(never)))


def packed(data: bytes, encoding: str) -> Handler:
    headers = {"content-type": "image/png", "content-encoding": encoding}
    return lambda request: httpx.Response(200, headers=headers, stream=httpx.ByteStream(data))


async def test_what_comes_compressed_is_unpacked() -> None:
    ask = ask_for("http://img.test/")
    await fetcher(packed(gzip.compress(PNG), "gzip")).fill(ask)
    assert parts(ask)[0]["inlineData"]["data"] == base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("data", "encoding", "words"),
    [
        (gzip.compress(bytes(50_000_000)), "gzip", "MB in all"),
        (gzip.compress(gzip.compress(bytes(50_000_000))), "gzip, gzip", "MB in all"),
        # What has no bound in its library is not begun.
        (b"\x5b\x7f\x96\x98\x80\x00\x00\x24\x82\xe2\x99\x40\x12", "br", "compressed"),
        (b"(\xb5/\xfd", "zstd", "compressed"),
        (PNG, "gzip", "compressed"),
    ],
)
async def test_a_small_body_does_not_become_a_large_one(data: bytes, encoding: str, words: str) -> None:
    tracemalloc.start()
    with pytest.raises(ProxyError, match=words) as caught:
        await fetcher(packed(data, encoding)).fill(ask_for("http://img.test/"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.status == 400
    assert peak < 8 * MB


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route")


async def test_past_a_proxy_and_the_error_says_so() -> None:
    outbound = Outbound.from_environment({"HTTPS_PROXY": "http://u:hush@proxy.test", "NO_PROXY": "direct.test"})

    async def resolve(host: str, port: int) -> list[str]:
        return [PUBLIC]

    fetching = Fetcher(True, LIMITS, resolve, transport=httpx.MockTransport(unreachable), outbound=outbound)
    for url, told in (("https://img.test/", True), ("https://direct.test/", False), ("http://img.test/", False)):
        with pytest.raises(ProxyError) as caught:
            await fetching.fill(ask_for(url))
        assert ("past the proxy in HTTPS_PROXY" in caught.value.message) is told
        assert "hush" not in caught.value.message


async def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[object] = []

    def way(**how: object) -> httpx.MockTransport:
        ways.append(how.get("proxy"))
        return httpx.MockTransport(image)

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", way)
    outbound = Outbound.from_environment({"HTTPS_PROXY": "http://proxy.test", "ALL_PROXY": "http://proxy.test"})

    async def resolve(host: str, port: int) -> list[str]:
        return [PUBLIC]

    await Fetcher(True, LIMITS, resolve, outbound=outbound).fill(ask_for("https://img.test/"))
    assert ways == [None]


async def test_it_trusts_what_the_environment_names(tmp_path: Path) -> None:
    """For real: from a server whose certificate a company's root has signed."""
    root, context = private_root(tmp_path)
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n%s" % (len(PNG), PNG))
        writer.close()

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        env = {"SSL_CERT_FILE": str(root)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(remote_media.PORTS, "https", port)
            fetching = Fetcher(True, LIMITS, resolve, lambda _: True, outbound=Outbound.from_environment(env))
            ask = ask_for(f"https://img.test:{port}/a.png")
            await fetching.fill(ask)
    assert parts(ask)[0]["inlineData"]["mimeType"] == "image/png"
    assert heard[0].startswith(b"GET /a.png HTTP/1.1\r\n")
