"""Google Cloud Code Assist as an upstream: the user's own sign-in, the envelope, Google's errors."""

import uuid
from collections.abc import Mapping
from dataclasses import replace

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, HttpRequest
from gemini_proxy.gemini.inline import MB, MediaLimits
from gemini_proxy.gemini.request import repair
from gemini_proxy.gemini.wire import GenerateContentResponse
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.upstreams.code_assist import eligibility, envelope, status
from gemini_proxy.user_agent import user_agent

PATHS = {
    "generateContent": "/v1internal:generateContent",
    "streamGenerateContent": "/v1internal:streamGenerateContent?alt=sse",
}
ACCEPT = {"generateContent": "application/json", "streamGenerateContent": "*/*"}  # docs/protocol.md, P-307


class CodeAssist:
    """`endpoint` is scheme and host; `project` is the configured one, which goes before the one in the sign-in."""

    media = MediaLimits(total=20 * MB, pdf=20 * MB)

    def __init__(self, endpoint: str, tokens: TokenSource, project: str = "", agent: str = "") -> None:
        self._endpoint = endpoint
        self._tokens = tokens
        self._project = project
        self._agent = agent
        self._session = str(uuid.uuid4())  # one for the life of the proxy, as one for the life of a CLI session

    async def encode(self, ask: Ask) -> HttpRequest:
        if ask.method not in PATHS:
            raise eligibility.not_here(ask.method)
        if "cachedContent" in ask.request:
            raise eligibility.not_here("cachedContent")
        self.media.check(ask.request)
        token = await self._tokens.token()
        project = self._project or token.project_id
        if not project:
            raise eligibility.project_required()
        headers = {
            "accept": ACCEPT[ask.method],
            "accept-encoding": "identity",  # a stream has to be read as it comes
            "authorization": f"Bearer {token.access_token}",
            "content-type": "application/json",
            "user-agent": user_agent(ask.model, self._agent),
        }
        return HttpRequest(
            "POST", self._endpoint + PATHS[ask.method], headers, envelope.wrap(ask, project, self._session)
        )

    def decode(self, event: bytes) -> GenerateContentResponse | None:
        try:
            chunk = envelope.unwrap(event)
        except ProxyError as error:
            raise self._noted(error) from error
        if chunk is not None:
            self._tokens.note(None)
        return chunk

    def refuse(self, status_code: int, headers: Mapping[str, str], body: bytes, model: str = "") -> ProxyError:
        return self._noted(status.refuse(status_code, body, model))

    async def second_try(self, ask: Ask, sent: HttpRequest, status_code: int, body: bytes) -> HttpRequest | None:
        """For a token that Google refuses though it looks valid, and for what a repair of the request cures."""
        if status_code == 401:
            await self._tokens.refresh_after_rejection(sent.headers["authorization"].removeprefix("Bearer "))
            return await self.encode(ask)
        found = repair.repaired(ask.request, status_code, body)
        if found is None:
            return None
        request, warning = found
        ask.warnings.append(warning)
        return await self.encode(replace(ask, request=request))

    def _noted(self, error: ProxyError) -> ProxyError:
        """Keeps for /auth/status and /health/ready what stands in the way of every call of this account."""
        if error.code in eligibility.STANDING:
            self._tokens.note(error)
        return error
