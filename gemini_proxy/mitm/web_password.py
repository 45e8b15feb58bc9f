"""A password for the mitmweb of mitmproxy 11, which has none: whoever reached its port could read every conversation and
run code. Version 12 has its own; this one works as that does, with the option `web_password` and the token at the end of
the address that is printed."""

import hashlib
import hmac
import logging
import secrets
from typing import Any

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.tools.web.webaddons import open_browser
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler

logger = logging.getLogger(__name__)

HELP = "Password of mitmweb's user interface. Without one a random token is made at each start."
LOCKED = (
    "mitmweb wants its password: open the address that it printed at its start, or add ?token=PASSWORD to this one."
)


def is_needed() -> bool:
    """Whether this is a mitmweb that lets everybody in."""
    return hasattr(ctx.master, "app") and "web_password" not in ctx.options


class WebPassword:
    """An addon, and the lock on mitmweb's tornado application."""

    name = "gemini-web-password"

    def __init__(self) -> None:
        self._token = secrets.token_hex(16)
        self._opens_browser = False
        application: Any = ctx.master
        lock = Rule(_Unlike(self), _Door, {"lock": self})
        application.app.default_router.rules.insert(0, application.app.default_router.process_rule(lock))

    def load(self, loader: Loader) -> None:
        loader.add_option("web_password", str, "", HELP)
        self._opens_browser = bool(ctx.options.web_open_browser)
        ctx.options.update(web_open_browser=False)  # mitmweb would open its address without the token

    def running(self) -> None:
        if ctx.options.web_password.startswith("$"):
            logger.error("web_password: a hashed password needs mitmproxy 12 or later.")
        host = ctx.options.web_host
        address = f"http://{f'[{host}]' if ':' in host else host}:{ctx.options.web_port}/"
        if not ctx.options.web_password:
            address += f"?token={self._token}"
        logger.info("mitmweb wants a password; open %s", address)
        if self._opens_browser:
            open_browser(address)

    @property
    def _password(self) -> str:
        return ctx.options.web_password or self._token

    @property
    def cookie(self) -> str:
        """Its name; browsers share cookies between the ports of a machine."""
        return f"gemini-web-{ctx.options.web_port}"

    @property
    def cookie_value(self) -> str:
        return hashlib.sha256(f"cookie of {self._password}".encode()).hexdigest()

    def opens(self, password: str) -> bool:
        return hmac.compare_digest(password.encode(), self._password.encode())

    def knows(self, request: HTTPServerRequest) -> bool:
        """Whether a request brings the cookie, or the password where programs send it."""
        cookie = request.cookies.get(self.cookie)
        if cookie is not None and hmac.compare_digest(cookie.value, self.cookie_value):
            return True
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and self.opens(sent)


class _Unlike(Matcher):
    """Matches the requests that mitmweb's own pages must not see."""

    def __init__(self, lock: WebPassword) -> None:
        self._lock = lock

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return None if self._lock.knows(request) else {}


class _Door(RequestHandler):
    """Lets in who brings the token: the cookie then does for all other requests."""

    def initialize(self, lock: WebPassword) -> None:
        self._lock = lock

    def prepare(self) -> None:
        if self.request.method == "GET" and self._lock.opens(self.get_query_argument("token", "") or ""):
            self.set_cookie(self._lock.cookie, self._lock.cookie_value, httponly=True, samesite="Strict")
            self.redirect(self.request.path)
        else:
            self.set_status(403)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(LOCKED)

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here."""
