"""Google in one object: a request in, a reply out. No socket; the clock is handed in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from gemini_proxy.emulator import consent, errors, fields, strict
from gemini_proxy.emulator.accounts import Accounts
from gemini_proxy.emulator.errors import GoogleError
from gemini_proxy.emulator.generate import ModelAnswer, prompt_counts, trace_id
from gemini_proxy.emulator.messages import COMMON_HEADERS, Reply, Request, json_reply, stream_reply
from gemini_proxy.emulator.oauth import SCOPES, Grant, OAuth, granted
from gemini_proxy.emulator.public_api import BASES as PUBLIC_BASES
from gemini_proxy.emulator.public_api import PublicApi
from gemini_proxy.emulator.settings import Settings

Json = dict[str, Any]
BASE = "/v1internal"


class Google:
    """The state of one emulated Google, and its table of routes."""

    def __init__(self, settings: Settings | None = None, now: Callable[[], float] = time.time) -> None:
        self.settings = settings or Settings()
        self.now = now
        self.oauth = OAuth(self.settings, now)
        self.accounts = Accounts(self.settings, now)
        self.public = PublicApi(self.settings, now)
        self._answers = 0
        self._lock = threading.Lock()
        self._pages: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("GET", "/o/oauth2/v2/auth"): lambda request: consent.ask(self.oauth, request),
            ("POST", "/o/oauth2/v2/auth"): lambda request: consent.decide(self.oauth, request),
            ("POST", "/token"): self.oauth.token,
            ("POST", "/tokeninfo"): self.oauth.tokeninfo,
            ("GET", "/tokeninfo"): self.oauth.tokeninfo,
            ("POST", "/revoke"): self.oauth.revoke,
            ("GET", "/oauth2/v2/userinfo"): self.oauth.userinfo,
        }
        # Method -> its message in fields.MESSAGES, and what answers it.
        self._methods: dict[tuple[str, str], tuple[str, Callable[[Json], Json]]] = {
            ("POST", "loadCodeAssist"): ("LoadCodeAssist", self.accounts.load),
            ("POST", "onboardUser"): ("OnboardUser", self.accounts.onboard),
            ("POST", "generateContent"): ("GenerateContent", self._generate),
            ("POST", "countTokens"): ("CountTokens", self._count_tokens),
            ("POST", "retrieveUserQuota"): ("RetrieveUserQuota", self.accounts.quota),
            ("POST", "listExperiments"): ("ListExperiments", lambda asked: {"experimentIds": [], "flags": []}),
            ("POST", "fetchAdminControls"): ("FetchAdminControls", lambda asked: {}),
            ("POST", "recordCodeAssistMetrics"): ("RecordMetrics", lambda asked: {}),
            ("POST", "setCodeAssistGlobalUserSetting"): ("GlobalUserSetting", lambda asked: asked),
            ("GET", "getCodeAssistGlobalUserSetting"): ("GlobalUserSetting", self._user_setting),
        }

    def answer(self, request: Request) -> Reply:
        with self._lock:
            page = self._pages.get((request.method, request.path))
            if page is not None:
                return page(request)
            if request.path.startswith((BASE + ":", BASE + "/")):
                return self._code_assist(request)
            if request.path.startswith(PUBLIC_BASES):
                return self.public.answer(request)
            return consent.not_found_page(request.path)

    def grant(self, client_id: str, scope: str | None = None) -> dict[str, object]:
        """Tokens as if the user had just allowed that client, without the pages in between."""
        with self._lock:
            allowed = Grant(client_id, granted(scope or " ".join(SCOPES)))
            return self.oauth.tokens(allowed, with_refresh=True)

    def api_key(self) -> str:
        """A key of the public API, as if the user had just made one."""
        with self._lock:
            return self.public.issue_key()

    # Code Assist ---------------------------------------------------------------------------------------------------

    def _code_assist(self, request: Request) -> Reply:
        streams = request.rpc == "streamGenerateContent"
        try:
            reply = self._stream(request) if streams else self._unary(request)
        except GoogleError as error:
            reply = self._error(error, streams)
        return Reply(reply.status, (*reply.headers, *self._headers()), reply.frames, reply.stream)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        trace = trace_id(self._answers)
        return (("Date", formatdate(self.now(), usegmt=True)), *COMMON_HEADERS, ("X-Cloudaicompanion-Trace-Id", trace))

    def _error(self, error: GoogleError, streams: bool) -> Reply:
        if not streams:
            return json_reply(error.as_object(), error.code)
        kind = self.settings.stream_error_type
        return json_reply(error.body(self.settings.error_form), error.code, kind)

    def _unary(self, request: Request) -> Reply:
        if request.method == "GET" and request.path.startswith(f"{BASE}/operations/"):
            self._authorize(request)
            return json_reply(self.accounts.operation(request.path.removeprefix(f"{BASE}/")))
        method = self._methods.get((request.method, request.rpc))
        if method is None or request.path != f"{BASE}:{request.rpc}":
            return consent.not_found_page(request.path)
        self._authorize(request)
        message, act = method
        return json_reply(act(fields.read_request(message, request)))

    def _stream(self, request: Request) -> Reply:
        if request.method != "POST" or request.path != f"{BASE}:{request.rpc}":
            return consent.not_found_page(request.path)
        self._authorize(request)
        answer = self._answer(fields.read_request("GenerateContent", request))
        return stream_reply(list(answer.chunks()), request.params.get("alt") == "sse")

    def _authorize(self, request: Request) -> None:
        if not request.bearer:
            raise errors.no_credentials()
        if not self.oauth.knows(request.bearer):
            raise errors.bad_credentials()
        fields.check_params(request)

    # The model -----------------------------------------------------------------------------------------------------

    def _answer(self, envelope: Json) -> ModelAnswer:
        self.accounts.check_project(envelope.get("project", ""))
        strict.check(envelope, self.settings.alternate)
        self._answers += 1
        return ModelAnswer(envelope, self._answers, self.now())

    def _generate(self, envelope: Json) -> Json:
        return self._answer(envelope).whole()

    def _count_tokens(self, asked: Json) -> Json:
        self.accounts.check_call()
        request = asked.get("request", {})
        if not request.get("contents"):
            raise errors.invalid("Unable to submit request because at least one contents field is required.")
        strict.family_of(request.get("model", ""))
        return {"totalTokens": sum(prompt_counts(request).values())}

    def _user_setting(self, asked: Json) -> Json:
        return {"cloudaicompanionProject": self.settings.project, "freeTierDataCollectionOptin": False}
