"""The public Gemini API as an upstream (https://ai.google.dev/api): a key, and Gemini's own words without an envelope."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from pydantic_core import to_json

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, HttpRequest
from gemini_proxy.gemini import status as google_status
from gemini_proxy.gemini.answer import chunk
from gemini_proxy.gemini.inline import MB, MediaLimits
from gemini_proxy.gemini.request import repair
from gemini_proxy.gemini.wire import GenerateContentResponse
from gemini_proxy.upstreams.gemini_api import request, status
from gemini_proxy.user_agent import user_agent

VERSION = "/v1beta"


class GeminiApi:
    """`endpoint` is scheme and host. A key that came with a request is used for that request and goes with it."""

    media = MediaLimits(total=100 * MB, pdf=50 * MB, links=True)

    def __init__(self, endpoint: str, key: str, agent: str = "", client_keys: bool = False) -> None:
        self._endpoint = endpoint
        self._key = key
        self._agent = agent
        self._client_keys = client_keys
        self._refused: ProxyError | None = None

    @property
    def has_key(self) -> bool:
        """One of its own, for calls that no client asked for."""
        return bool(self._key)

    async def encode(self, ask: Ask) -> HttpRequest:
        self.media.check(ask.request)
        target = f"/models/{quote(ask.model, safe='')}:{ask.method}{'?alt=sse' if ask.stream else ''}"
        body, warnings = request.known(ask.request)
        ask.warnings.extend(warning for warning in warnings if warning not in ask.warnings)
        return self.call("POST", target, to_json(body, inf_nan_mode="null"), ask.model, ask.client_key)

    async def second_try(self, ask: Ask, sent: HttpRequest, status_code: int, body: bytes) -> HttpRequest | None:
        """For what a repair of the request cures."""
        found = repair.repaired(ask.request, status_code, body)
        if found is None:
            return None
        better, warning = found
        ask.warnings.append(warning)
        return await self.encode(replace(ask, request=better))

    def decode(self, event: bytes) -> GenerateContentResponse | None:
        document = chunk.document_in(event)
        if document is None:
            return None
        if document.get("error"):
            raise status.error_from(google_status.status_in(document, 0))
        self._refused = None
        return chunk.response_from(document, document)

    def refuse(self, status_code: int, headers: Mapping[str, str], body: bytes, model: str = "") -> ProxyError:
        error = status.error_from(google_status.read(status_code, body), model)
        if error.code in status.STANDING and not self._client_keys:  # else it may be a client's own key
            self._refused = error
        return error

    def obstacle(self) -> ProxyError | None:
        """What stands in the way of every request, as far as is known."""
        if not self._key and not self._client_keys:
            return status.key_required()
        return self._refused

    def call(self, method: str, target: str, body: bytes = b"", model: str = "", client_key: str = "") -> HttpRequest:
        """A call with its key, which goes in the header alone: addresses end up in logs. Raises ProxyError."""
        key = client_key or self._key
        if not key:
            raise status.key_required()
        headers = {
            "accept": "*/*" if "alt=sse" in target else "application/json",
            "accept-encoding": "identity",  # a stream has to be read as it comes
            "content-type": "application/json",
            "user-agent": user_agent(model, self._agent),
            "x-goog-api-key": key,
        }
        return HttpRequest(method, f"{self._endpoint}{VERSION}{target}", headers, body)
