import asyncio
import base64
import gzip
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login import client as module
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.outbound import Outbound, Trust
from tests.certificates import private_root
from tests.google_login.scripted import ScriptedGoogle, granted


async def test_a_form_goes_as_google_expects_it() -> None:
    google = ScriptedGoogle(token=granted())
    http = google.client()
    reply = await http.post_form("http://127.0.0.1:9/token", {"a": "1 2", "b": "&="})
    await http.aclose()
    assert (reply.status, reply.document["access_token"]) == (200, "ya29.new")
    assert google.requests[0].headers["content-type"] == "application/x-www-form-urlencoded;charset=UTF-8"
    assert google.forms() == [{"a": "1 2", "b": "&="}]


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.ReadError("cut")])
async def test_no_answer_is_an_error_that_may_be_retried(error: Exception) -> None:
    http = ScriptedGoogle(token=error).client()
    with pytest.raises(ProxyError) as caught:
        await http.post_form("https://oauth2.googleapis.com/token", {"refresh_token": "hush"})
    await http.aclose()
    assert (caught.value.status, caught.value.code, caught.value.retry) == (503, "google_unreachable", True)
    assert "oauth2.googleapis.com" in caught.value.message
    assert "hush" not in caught.value.message


async def test_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://proxy:1")
    with pytest.raises(ProxyError, match="HTTPS_PROXY"):
        await HttpClient().send("GET", "https://oauth2.googleapis.com/", {})


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def listening(
    answer: bytes = b"", context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port that answers each request so and closes, with what it heard."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


async def failure(url: str, env: Mapping[str, str] | None = None, limit: float = 20) -> ProxyError:
    http = HttpClient(outbound=Outbound.from_environment(env or {}))
    with pytest.raises(ProxyError) as caught:
        await http.send("GET", url, {"authorization": "Bearer hush"}, limit=limit)
    await http.aclose()
    assert "hush" not in caught.value.message
    assert (caught.value.status, caught.value.code) == (503, "google_unreachable")
    return caught.value


@pytest.mark.parametrize(
    ("user", "status", "words"),
    [
        ("", 407, "wants a user name and a password"),
        ("us%40er:hush@", 407, "does not accept the user name and password"),
        ("", 403, "opens no connection to oauth2.googleapis.com (403)"),
    ],
)
async def test_a_call_goes_through_the_proxy_and_hears_why_it_refuses(user: str, status: int, words: str) -> None:
    async with listening(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()) as (port, heard):
        error = await failure("https://oauth2.googleapis.com/token", {"HTTPS_PROXY": f"http://{user}127.0.0.1:{port}"})
    assert heard[0].startswith(b"CONNECT oauth2.googleapis.com:443 HTTP/1.1\r\n")
    sent = b"proxy-authorization: " + base64.b64encode(b"us@er:hush").lower()
    assert (sent.replace(b": ", b": basic ") in heard[0].lower()) is bool(user)
    assert b"hush" not in heard[0]
    assert words in error.message
    assert f"The proxy 127.0.0.1:{port}, from HTTPS_PROXY," in error.message
    assert not error.retry


async def test_plain_http_goes_through_its_proxy_unless_no_proxy_names_the_host() -> None:
    async with listening(OK) as (port, heard):
        env = {"HTTP_PROXY": f"http://u:p@127.0.0.1:{port}"}
        http = HttpClient(outbound=Outbound.from_environment(env))
        reply = await http.send("GET", "http://relay.invalid/token", {})
        assert (reply.status, reply.document) == (200, {})
        assert heard[0].startswith(b"GET http://relay.invalid/token HTTP/1.1\r\n")
        await http.send("GET", f"http://127.0.0.1:{port}/here", {})
        assert heard[1].startswith(b"GET /here HTTP/1.1\r\n")
        assert b"uthorization" not in heard[1]
        await http.aclose()
        error = await failure("http://relay.invalid/token", {**env, "NO_PROXY": "relay.invalid"})
    assert "relay.invalid cannot be found: check this machine's DNS" in error.message
    assert len(heard) == 2


async def test_what_the_environment_says_is_read_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would read it again, in its own way."""
    async with listening(OK) as (proxy, asked), listening(OK) as (port, heard):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        http = HttpClient(outbound=Outbound())
        await http.send("GET", f"http://127.0.0.1:{port}/", {})
        await http.aclose()
    assert (len(asked), len(heard)) == (0, 1)


async def test_a_proxy_that_is_not_there_is_named() -> None:
    async with listening() as (port, _):
        pass
    error = await failure("https://oauth2.googleapis.com/", {"https_proxy": f"http://u:hush@127.0.0.1:{port}"})
    assert f"The proxy 127.0.0.1:{port}, from HTTPS_PROXY, cannot be reached (Connection refused)" in error.message
    error = await failure("https://oauth2.googleapis.com/", {"https_proxy": "http://u:hush@proxy.invalid:1"})
    assert "The proxy proxy.invalid:1, from HTTPS_PROXY, cannot be found" in error.message
    error = await failure(f"http://127.0.0.1:{port}/")
    assert "127.0.0.1 cannot be reached (Connection refused): check this machine's network" in error.message
    assert error.retry


async def test_the_root_of_a_company_counts_where_a_setting_names_it(tmp_path: Path) -> None:
    root, context = private_root(tmp_path)
    async with listening(OK, context) as (port, _):
        url = f"https://127.0.0.1:{port}/token"
        for outbound in (
            Outbound.from_environment({"SSL_CERT_FILE": str(root)}),
            Outbound.from_environment({}, Trust(str(root), source="an option")),
            Outbound.from_environment({"SSL_CERT_FILE": "/nowhere"}, Trust(verify=False)),
        ):
            http = HttpClient(outbound=outbound)
            assert (await http.send("GET", url, {})).status == 200
            await http.aclose()
        error = await failure(url)
    assert "The certificate of 127.0.0.1 is not trusted here" in error.message
    assert "SSL_CERT_FILE" in error.message
    assert "ssl_verify_upstream_trusted_ca" in error.message
    assert not error.retry


async def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for name, value, words in (
        ("SSL_CERT_FILE", str(tmp_path / "none.pem"), "cannot be read: No such file or directory"),
        ("SSL_CERT_FILE", str(tmp_path / "empty.pem"), "holds no certificates in PEM form"),
        ("SSL_CERT_DIR", str(tmp_path / "none"), "cannot be read: Not a directory"),
    ):
        error = await failure("https://127.0.0.1:9/", {name: value})
        assert error.message == f"{name} names {value}, which {words}."
        assert not error.retry


async def test_an_answer_that_never_ends_has_a_limit() -> None:
    """A byte now and then keeps every read from timing out."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
        while not reader.at_eof():
            writer.write(b" ")
            await asyncio.wait([asyncio.ensure_future(reader.read())], timeout=0.01)
        writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(f"http://127.0.0.1:{port}/token", limit=0.2)
    assert "127.0.0.1 did not answer within" in error.message
    assert error.retry


async def test_what_is_no_json_has_no_document() -> None:
    http = ScriptedGoogle(token=(200, b"<html>")).client()
    assert (await http.post_form("http://127.0.0.1:9/token", {})).document is None
    await http.aclose()
    await http.aclose()  # twice does no harm


async def test_repr_shows_no_token() -> None:
    http = ScriptedGoogle(token=granted("hush")).client()
    assert "hush" not in repr(await http.post_form("http://127.0.0.1:9/token", {}))
    await http.aclose()


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"{", b""])
async def test_what_cannot_be_read_as_json_has_no_document(body: bytes) -> None:
    http = ScriptedGoogle(token=(200, body)).client()
    assert (await http.post_form("http://127.0.0.1:9/token", {})).document is None
    await http.aclose()


async def test_a_packed_answer_is_unpacked_with_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 1000)
    bodies = {"small": gzip.compress(b"{}"), "large": gzip.compress(bytes(2000)), "plain": bytes(2000), "odd": b"x"}
    headers = {"plain": {}, "odd": {"content-encoding": "br"}}

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path[1:]
        packed = {"content-encoding": "gzip", "retry-after": "7"}
        return httpx.Response(200, headers=headers.get(name, packed), stream=httpx.ByteStream(bodies[name]))

    http = HttpClient(httpx.MockTransport(answer))
    reply = await http.send("GET", "http://127.0.0.1:9/small", {})
    assert (reply.body, dict(reply.headers)) == (b"{}", {"retry-after": "7"})
    for name in ("large", "plain", "odd"):
        with pytest.raises(ProxyError, match="damaged or too large") as caught:
            await http.send("GET", f"http://127.0.0.1:9/{name}", {})
        assert caught.value.code == "google_unavailable"
    await http.aclose()
