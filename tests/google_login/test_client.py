import httpx
import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
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


async def test_loopback_goes_past_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:3128")
    http = HttpClient()
    client = await http._opened()
    direct = client._transport
    for host in ("127.0.0.1:9", "localhost", "[::1]:9"):
        assert client._transport_for_url(httpx.URL(f"http://{host}/token")) is direct
    assert client._transport_for_url(httpx.URL("http://example.com/")) is not direct
    await http.aclose()


async def test_what_is_no_json_has_no_document() -> None:
    http = ScriptedGoogle(token=(200, b"<html>")).client()
    assert (await http.post_form("http://127.0.0.1:9/token", {})).document is None
    await http.aclose()
    await http.aclose()  # twice does no harm


async def test_repr_shows_no_token() -> None:
    http = ScriptedGoogle(token=granted("hush")).client()
    assert "hush" not in repr(await http.post_form("http://127.0.0.1:9/token", {}))
    await http.aclose()
