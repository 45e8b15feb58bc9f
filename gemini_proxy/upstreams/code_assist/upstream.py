"""Google Cloud Code Assist as an upstream: the user's own sign-in, the envelope, Google's errors."""

import uuid
from collections.abc import Mapping

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, HttpRequest
from gemini_proxy.gemini.wire import GenerateContentResponse
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.upstreams.code_assist import envelope, status
from gemini_proxy.user_agent import user_agent

PATHS = {
    "generateContent": "/v1internal:generateContent",
    "streamGenerateContent": "/v1internal:streamGenerateContent?alt=sse",
}
ACCEPT = {"generateContent": "application/json", "streamGenerateContent": "*/*"}  # protocol 3


class CodeAssist:
    """`endpoint` is scheme and host; `project` is the configured one, which goes before the one in the sign-in."""

    def __init__(self, endpoint: str, tokens: TokenSource, project: str = "", agent: str = "") -> None:
        self._endpoint = endpoint
        self._tokens = tokens
        self._project = project
        self._agent = agent
        self._session = str(uuid.uuid4())  # one for the life of the proxy, as one for the life of a CLI session

    async def encode(self, ask: Ask) -> HttpRequest:
        token = await self._tokens.token()
        project = self._project or token.project_id
        if not project:
            raise envelope.missing_project()
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
        return envelope.unwrap(event)

    def refuse(self, status_code: int, headers: Mapping[str, str], body: bytes) -> ProxyError:
        return status.refuse(status_code, body)
