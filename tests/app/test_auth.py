import base64
import html
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gemini_proxy.app.auth import AuthPages
from gemini_proxy.app.local import REMEDIES
from gemini_proxy.emulator.server import Emulator
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google
from gemini_proxy.google_login.given import store_of
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.login_command import login_command
from gemini_proxy.settings import resolve
from tests.google_login.scripted import Clock, token

HOST = "127.0.0.1:3000"
KEY = {"authorization": "Bearer proxy-key"}


class Browser:
    """Speaks to the pages as a browser does: a cookie jar, Sec-Fetch-Site, redirects by hand."""

    def __init__(self, pages: AuthPages, host: str = HOST, peer: str = "127.0.0.1") -> None:
        self.pages = pages
        self.host = host
        self.peer = peer
        self.cookies: dict[str, str] = {"other_program": '{"odd": [1}'}

    async def ask(self, method: str, target: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"host": self.host, "cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **named}
        answer = await self.pages.answer(ClientRequest(method, target, sent, peer=self.peer))
        if "set-cookie" in answer.headers:
            name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    async def get(self, target: str, **headers: str) -> Answer:
        return await self.ask("GET", target, **{"sec-fetch-site": "none", **headers})

    async def begin(self) -> str:
        """The address of Google's consent page."""
        return (await self.get("/auth/login")).headers["location"]

    async def sign_in(self, decision: str = "allow") -> Answer:
        return await self.get(await consent(await self.begin(), decision))

    async def status(self, **headers: str) -> object:
        return json.loads((await self.get("/auth/status", **headers)).body)


async def consent(address: str, decision: str = "allow") -> str:
    """What the user does at Google; the target of the callback."""
    page = httpx.URL(address)
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        reply = await client.post(page.copy_with(query=None), data={**page.params, "decision": decision})
    back = urlsplit(reply.headers["location"])
    return f"{back.path}?{back.query}"


@pytest.fixture(scope="module")
def running_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: Emulator) -> Emulator:
    running_emulator.settings.account = "standard"
    running_emulator.requests.clear()
    return running_emulator


class Proxy:
    """The pages with everything that they use."""

    def __init__(self, path: Path, google_url: str, **env: str) -> None:
        settings = resolve({"TOKEN_STORE_PATH": str(path), "GEMINI_GOOGLE_URL": google_url, **env})
        self.http = HttpClient()
        self.store = store_of(settings)
        google = Google.from_settings(settings)
        self.clock = Clock()
        self.source = TokenSource(self.store, google, self.http, f"http://{HOST}/auth/login")
        self.pages = AuthPages(settings, self.source, self.store, google, self.http, google_url, 3000, self.clock)
        self.browser = Browser(self.pages)


@pytest.fixture
async def proxy(tmp_path: Path, emulator: Emulator) -> AsyncIterator[Proxy]:
    proxy = Proxy(tmp_path / "tokens.json", emulator.url)
    yield proxy
    await proxy.http.aclose()


@pytest.fixture
async def keyed(tmp_path: Path, emulator: Emulator) -> AsyncIterator[Proxy]:
    proxy = Proxy(tmp_path / "tokens.json", emulator.url, PROXY_API_KEY="proxy-key", GOOGLE_CLOUD_PROJECT="mine")
    yield proxy
    await proxy.http.aclose()


def basic(password: str) -> str:
    """What a browser sends that asked its user for a password."""
    return "Basic " + base64.b64encode(f"user:{password}".encode()).decode()


NOBODY = {"authenticated": False, "email": None, "projectId": None, "expiresAt": None}
SIGN_IN = {"reason": "google_login_required", "message": REMEDIES["google_login_required"]}


def signed_out(status: object) -> bool:
    """Whether a status says that nobody is, and to somebody at this machine how to change that."""
    assert isinstance(status, dict)
    message = status.pop("message")
    return login_command() in message and status == {**NOBODY, "reason": "google_login_required"}


# The way in -----------------------------------------------------------------------------------------------------------


async def test_the_whole_way(proxy: Proxy, emulator: Emulator) -> None:
    browser = proxy.browser
    assert signed_out(await browser.status())
    back = await browser.sign_in()
    assert (back.status, back.headers["location"]) == (303, "/auth/done")
    done = (await browser.get("/auth/done")).body.decode()
    assert "You are signed in" in done
    assert emulator.settings.email in done
    assert emulator.settings.project in done
    assert f"<code>http://{HOST}/v1</code>" in done
    status = await browser.status()
    assert isinstance(status, dict)
    assert status["email"] == emulator.settings.email
    assert status["expiresAt"].endswith("Z")
    assert oct(proxy.store.path.stat().st_mode)[-3:] == "600"
    assert not any(secret in done for secret in emulator.secrets)


async def test_login_goes_to_google_with_pkce_and_a_cookie(proxy: Proxy) -> None:
    answer = await proxy.browser.get("/auth/login")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert answer.status == 302
    assert query["redirect_uri"] == [f"http://{HOST}/auth/callback"]
    assert query["code_challenge_method"] == ["S256"]
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/auth", "Max-Age=600"} <= set(cookie.split("; "))
    assert answer.headers["cache-control"] == "no-store"
    assert cookie.partition("=")[2].partition(";")[0] not in answer.headers["location"]


@pytest.mark.parametrize("host", ["localhost:3000", "[::1]:8080", "localhost", "127.0.0.2:1"])
async def test_google_comes_back_to_the_name_that_the_browser_used(proxy: Proxy, host: str) -> None:
    proxy.browser.host = host
    query = parse_qs(urlsplit(await proxy.browser.begin()).query)
    assert query["redirect_uri"] == [f"http://{host}/auth/callback"]


# What goes wrong ------------------------------------------------------------------------------------------------------


async def test_refused_consent(proxy: Proxy) -> None:
    answer = await proxy.browser.sign_in("cancel")
    assert answer.status == 400
    assert b"Access was not granted" in answer.body
    assert proxy.store.load() is None


async def test_wrong_state(proxy: Proxy, emulator: Emulator) -> None:
    target = await consent(await proxy.browser.begin())
    for state in ("", "0" * 64, "%3Cscript%3E"):
        code = parse_qs(urlsplit(target).query)["code"][0]
        answer = await proxy.browser.get(f"/auth/callback?code={code}&state={state}")
        assert answer.status == 400
        assert b"<script" not in answer.body
    assert not emulator.calls("/token")
    assert proxy.store.load() is None


async def test_reused_code(proxy: Proxy) -> None:
    target = await consent(await proxy.browser.begin())
    assert (await proxy.browser.get(target)).status == 303
    stored = proxy.store.load()
    assert (await proxy.browser.get(target)).status == 400
    assert proxy.store.load() == stored


async def test_a_code_that_google_refuses(proxy: Proxy) -> None:
    target = await consent(await proxy.browser.begin())
    query = parse_qs(urlsplit(target).query)
    answer = await proxy.browser.get(f"/auth/callback?state={query['state'][0]}&code=stolen")
    assert answer.status == 400
    assert b"did not accept the code" in answer.body
    assert proxy.store.load() is None


async def test_no_code_at_all(proxy: Proxy) -> None:
    target = await consent(await proxy.browser.begin())
    answer = await proxy.browser.get(f"/auth/callback?state={parse_qs(urlsplit(target).query)['state'][0]}")
    assert answer.status == 400
    assert b"without a code" in answer.body


async def test_an_attempt_lives_ten_minutes(proxy: Proxy) -> None:
    target = await consent(await proxy.browser.begin())
    proxy.clock.now += 601
    answer = await proxy.browser.get(target)
    assert answer.status == 400
    assert b"ten minutes" in answer.body
    assert proxy.store.load() is None


async def test_the_state_is_bound_to_the_browser_that_began(proxy: Proxy, emulator: Emulator) -> None:
    target = await consent(await proxy.browser.begin())
    assert (await Browser(proxy.pages).get(target)).status == 400
    assert (await proxy.browser.get(target)).status == 400  # single use
    assert not emulator.calls("/token")


@pytest.mark.parametrize(
    ("account", "title"),
    [
        pytest.param("shutdown", b"Google does not serve this account"),
        pytest.param("validation", b"Google asks you to verify this account"),
        ("tos", b"Google has suspended this account&#x27;s access"),
        pytest.param("vpc-sc", b"A project is missing"),
        ("standard-no-project", b"A project is missing"),
    ],
)
async def test_accounts_that_cannot_be_used_store_nothing(
    proxy: Proxy, emulator: Emulator, account: str, title: bytes
) -> None:
    emulator.settings.account = account
    answer = await proxy.browser.sign_in()
    assert answer.status == 403
    assert title in answer.body
    assert proxy.store.load() is None
    status = await proxy.browser.status()
    assert isinstance(status, dict)
    problem, reason = status.pop("message"), status.pop("reason")
    assert status == NOBODY
    assert html.escape(problem.splitlines()[0]).encode() in answer.body
    stranger = await Browser(proxy.pages, "evil.example").status()
    assert stranger == {"authenticated": False, "reason": reason, "message": REMEDIES[reason]}
    assert b"Not signed in" in (await proxy.browser.get("/auth/done")).body


async def test_without_a_network_there_are_pages_and_a_status(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path / "tokens.json", "http://127.0.0.1:1")
    proxy.store.save(token(0))
    assert (await proxy.browser.get("/auth/login")).status == 302
    status = await proxy.browser.status()
    assert isinstance(status, dict)
    assert status["authenticated"] is True
    answer = await proxy.browser.ask("POST", "/auth/logout")
    assert answer.status == 200
    assert b"did not confirm" in answer.body
    assert proxy.store.load() is None
    await proxy.http.aclose()


async def test_a_damaged_file_is_no_sign_in(proxy: Proxy) -> None:
    proxy.store.path.write_bytes(b"{")
    status = await proxy.browser.status()
    assert isinstance(status, dict)
    assert "is damaged" in status.pop("message")
    assert status == {**NOBODY, "reason": "google_login_required"}
    proxy.store.path.write_bytes(b"{")
    assert (await proxy.browser.get("/auth/done")).status == 401


# Sign-out -------------------------------------------------------------------------------------------------------------


async def test_sign_out(proxy: Proxy, emulator: Emulator) -> None:
    await proxy.browser.sign_in()
    question = await proxy.browser.get("/auth/logout")
    assert b'<form method="post" action="/auth/logout">' in question.body
    assert question.headers["referrer-policy"] == "same-origin"  # else the form comes with `Origin: null`
    assert proxy.store.load() is not None
    headers = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
    answer = await proxy.browser.ask("POST", "/auth/logout", **headers)
    assert b"You are signed out" in answer.body
    assert emulator.calls("/revoke")[0].query == ""
    assert signed_out(await proxy.browser.status())


# Who may do what ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:8080"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8080"},
    ],
)
async def test_another_site_can_neither_sign_out_nor_begin(proxy: Proxy, headers: dict[str, str]) -> None:
    await proxy.browser.sign_in()
    assert (await proxy.browser.ask("POST", "/auth/logout", **headers)).status == 403
    assert proxy.store.load() is not None
    question = await proxy.browser.ask("GET", "/auth/login", **headers)
    assert question.status == 200
    assert "set-cookie" not in question.headers
    assert b'href="/auth/login"' in question.body


STRANGERS = [
    pytest.param({"peer": "192.0.2.7", "host": HOST}, id="another-machine"),
    pytest.param({"peer": "127.0.0.1", "host": "evil.example:3000"}, id="dns-rebinding"),
    pytest.param({"peer": "127.0.0.1", "host": "proxy.lan"}, id="a-name"),
    pytest.param({"peer": "127.0.0.1", "host": "127.0.0.1:x"}, id="no-host"),
    pytest.param({"peer": "127.0.0.1", "host": "[::1%25eth0]"}, id="odd-host"),
    pytest.param({"peer": "127.0.0.1", "host": ""}, id="empty-host"),
]


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_strangers_get_no_page_and_no_name(proxy: Proxy, stranger: dict[str, str]) -> None:
    await proxy.browser.sign_in()
    browser = Browser(proxy.pages, **stranger)
    for method, path in (("GET", "login"), ("GET", "callback"), ("GET", "done"), ("GET", "logout"), ("POST", "logout")):
        answer = await browser.ask(method, f"/auth/{path}")
        assert answer.status == 403
        assert b"example.com" not in answer.body
        assert b"http://127.0.0.1:3000/auth/login" in answer.body
    assert await browser.status() == {"authenticated": True}
    assert proxy.store.load() is not None


async def test_with_a_key_set_status_says_little_without_it(keyed: Proxy) -> None:
    assert await keyed.browser.status() == {"authenticated": False, **SIGN_IN}
    assert signed_out(await keyed.browser.status(**KEY))
    await keyed.browser.sign_in()
    assert await keyed.browser.status() == {"authenticated": True}
    assert await keyed.browser.status(authorization="Bearer wrong") == {"authenticated": True}
    status = await keyed.browser.status(**KEY)
    assert isinstance(status, dict)
    assert (status["email"], status["projectId"]) == ("emulated.user@example.com", "mine")


async def test_with_a_key_set_only_the_browser_that_signed_in_sees_the_account(keyed: Proxy) -> None:
    await keyed.browser.sign_in()
    assert b"example.com" in (await keyed.browser.get("/auth/done")).body
    assert b"PROXY_API_KEY" in (await keyed.browser.get("/auth/done")).body
    assert b"example.com" not in (await Browser(keyed.pages).get("/auth/done")).body


async def test_the_key_opens_the_pages_to_another_machine(keyed: Proxy) -> None:
    browser = Browser(keyed.pages, "proxy.lan:3000", "192.0.2.7")
    for wrong in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic !"},
        {"authorization": basic("wrong")},
    ):
        answer = await browser.get("/auth/login", **wrong)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
    assert (await browser.get("/auth/login", authorization=basic("proxy-key"))).status == 302
    answer = await browser.get("/auth/login", **KEY)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["redirect_uri"] == ["http://127.0.0.1:3000/auth/callback"]


PUBLIC = "https://gemini.example.com"


@pytest.fixture
async def public(tmp_path: Path, emulator: Emulator) -> AsyncIterator[Proxy]:
    """Behind a front of the user's own on the same machine: the peer is local, and everybody in the world is behind it."""
    proxy = Proxy(tmp_path / "tokens.json", emulator.url, PROXY_API_KEY="proxy-key", GEMINI_PUBLIC_URL=PUBLIC)
    proxy.browser.host = "gemini.example.com"
    yield proxy
    await proxy.http.aclose()


async def test_another_name_wants_the_key_and_google_comes_back_to_it(public: Proxy) -> None:
    assert (await public.browser.get("/auth/login")).status == 401
    answer = await public.browser.get("/auth/login", authorization=basic("proxy-key"))
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["redirect_uri"] == [f"{PUBLIC}/auth/callback"]
    public.browser.host = HOST
    query = parse_qs(urlsplit(await public.browser.begin()).query)
    assert query["redirect_uri"] == [f"http://{HOST}/auth/callback"]


@pytest.mark.parametrize(("origin", "status"), [("https://gemini.example.com", 200), ("https://evil.example", 403)])
async def test_signing_out_under_another_name(public: Proxy, origin: str, status: int) -> None:
    answer = await public.browser.ask("POST", "/auth/logout", origin=origin, authorization=basic("proxy-key"))
    assert answer.status == status


async def test_without_a_key_another_name_opens_nothing(tmp_path: Path, emulator: Emulator) -> None:
    proxy = Proxy(tmp_path / "tokens.json", emulator.url, GEMINI_PUBLIC_URL=PUBLIC)
    proxy.browser.host = "gemini.example.com"
    answer = await proxy.browser.get("/auth/login")
    assert answer.status == 403
    assert b"PROXY_API_KEY" in answer.body
    assert await proxy.browser.status() == {"authenticated": False, **SIGN_IN}


async def test_a_token_from_the_environment_leaves_nothing_to_sign_in(tmp_path: Path, emulator: Emulator) -> None:
    proxy = Proxy(
        tmp_path / "tokens.json", emulator.url, GOOGLE_CLOUD_ACCESS_TOKEN="ya29.given", GOOGLE_CLOUD_PROJECT="p"
    )
    for answer in (await proxy.browser.get("/auth/login"), await proxy.browser.ask("POST", "/auth/logout")):
        assert answer.status == 409
        assert b"GOOGLE_CLOUD_ACCESS_TOKEN is set" in answer.body
    status = await proxy.browser.status()
    assert status == {"authenticated": True, "email": None, "projectId": "p", "expiresAt": None}
    assert (await proxy.source.token()).access_token == "ya29.given"
    with pytest.raises(ProxyError, match="Set GOOGLE_CLOUD_ACCESS_TOKEN to a new token"):
        await proxy.source.refresh_after_rejection("ya29.given")
    assert not emulator.requests
    assert os.listdir(tmp_path) == []


# HTTP -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/auth/login", "/auth/done", "/auth/status", "/auth/logout"])
async def test_head_is_get_without_a_body(proxy: Proxy, path: str) -> None:
    head, get = [await proxy.browser.ask(method, path) for method in ("HEAD", "GET")]
    assert (head.status, head.body) == (get.status, b"")
    assert set(head.headers) == set(get.headers)


@pytest.mark.parametrize("target", ["/auth/done", "/auth/logout", "/auth/callback", "/auth/callback?error=%3Cb%3E"])
async def test_pages_are_not_kept_and_load_nothing(proxy: Proxy, target: str) -> None:
    answer = await proxy.browser.get(target)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<b>" not in answer.body


async def test_the_status_is_json_that_nobody_keeps(proxy: Proxy) -> None:
    answer = await proxy.browser.get("/auth/status")
    assert answer.headers == {"content-type": "application/json", "cache-control": "no-store"}
