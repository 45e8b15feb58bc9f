"""The lock on the mitmweb of mitmproxy 11, on an application of tornado's."""

import logging

import httpx
import pytest
import tornado.web
from mitmproxy import ctx
from mitmproxy.test import taddons
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from gemini_proxy.mitm import web_password
from gemini_proxy.mitm.web_password import LOCKED, WebPassword, is_needed


class Page(tornado.web.RequestHandler):
    def get(self) -> None:
        self.finish("conversations")

    post = get


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.context = taddons.context()
        options = self.context.options
        options.add_option("web_host", str, "127.0.0.1", "")
        options.add_option("web_port", int, 8081, "")
        options.add_option("web_open_browser", bool, True, "")
        self.app = tornado.web.Application([("/.*", Page)], autoreload=False)
        monkeypatch.setattr(ctx.master, "app", self.app, raising=False)
        self.opened: list[str] = []
        monkeypatch.setattr(web_password, "open_browser", self.opened.append)

    def lock(self, password: str = "") -> WebPassword:
        lock = WebPassword()
        self.context.master.addons.add(lock)
        self.context.options.update(web_password=password)
        return lock

    async def ask(self, uri: str, method: str = "GET", **headers: str) -> httpx.Response:
        (listener,) = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(self.app)
        server.add_socket(listener)
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return await client.request(
                    method, f"http://127.0.0.1:{listener.getsockname()[1]}{uri}", headers=headers
                )
        finally:
            server.stop()
            await server.close_all_connections()


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


async def test_only_a_mitmweb_without_a_password_of_its_own_needs_it(scene: Scene) -> None:
    assert is_needed()
    scene.lock()
    assert not is_needed()


async def test_mitmdump_needs_none() -> None:
    with taddons.context():
        assert not is_needed()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("uri", ["/", "/flows", "/?token=wrong", "/?token="])
async def test_nobody_gets_in_without_it(scene: Scene, uri: str, method: str) -> None:
    scene.lock("pass word")
    answer = await scene.ask(uri, method, Cookie="gemini-web-8081=wrong", Authorization="Bearer wrong")
    assert (answer.status_code, answer.text) == (403, LOCKED)
    assert "Set-Cookie" not in answer.headers


async def test_the_token_in_the_address_gives_a_cookie(scene: Scene) -> None:
    lock = scene.lock("pass word")
    answer = await scene.ask("/flows?token=pass%20word")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/flows")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"gemini-web-8081={lock.cookie_value};")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "pass word" not in cookie
    answer = await scene.ask("/flows", Cookie=cookie.partition(";")[0])
    assert answer.text == "conversations"


async def test_the_token_changes_nothing_by_another_method(scene: Scene) -> None:
    scene.lock("password")
    assert (await scene.ask("/?token=password", "POST")).status_code == 403


@pytest.mark.parametrize(
    ("authorization", "status"), [("Bearer password", 200), ("Basic password", 403), ("Bearer", 403)]
)
async def test_programs_send_it_in_a_header(scene: Scene, authorization: str, status: int) -> None:
    scene.lock("password")
    assert (await scene.ask("/flows", Authorization=authorization)).status_code == status


async def test_a_token_is_made_where_no_password_is_set(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lock = scene.lock()
    assert not scene.context.options.web_open_browser  # mitmweb's own would open it without the token
    lock.running()
    (address,) = scene.opened
    assert address.startswith("http://127.0.0.1:8081/?token=")
    assert address in caplog.text
    token = address.partition("token=")[2]
    assert len(token) == 32
    assert (await scene.ask(f"/?token={token}")).status_code == 302
    assert WebPassword()._token != token


async def test_a_password_is_not_printed(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    scene.context.options.update(web_host="::1", web_open_browser=False)
    scene.lock("password").running()
    assert "open http://[::1]:8081/" in caplog.text
    assert "password;" not in caplog.text.replace("wants a password;", "")
    assert scene.opened == []


async def test_a_hash_is_no_password_here(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.lock("$argon2id$v=19$").running()
    assert "needs mitmproxy 12" in caplog.text
