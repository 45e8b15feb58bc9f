"""The models that a key can use, as Google lists them (https://ai.google.dev/api/models): asked seldom, kept for a while."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from gemini_proxy.errors import ProxyError, Unreadable
from gemini_proxy.exchange import HttpRequest
from gemini_proxy.gemini.answer.chunk import document_in
from gemini_proxy.gemini.models import MODELS, Model
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi

logger = logging.getLogger(__name__)

LIFETIME = 3600.0  # seconds
RETRY = 60.0  # seconds until Google is asked again after it did not answer
PATIENCE = 5.0  # seconds that somebody who wants the list waits for it
PAGES = 20
USES = {"generateContent", "embedContent"}

Send = Callable[[HttpRequest], Awaitable[tuple[int, bytes]]]


def _unless_wrong(default: Any) -> WrapValidator:
    """A member of a wrong kind costs that member, never the list."""

    def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            return default

    return WrapValidator(read)


class Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    input_tokens: Annotated[int, _unless_wrong(1_048_576)] = Field(1_048_576, alias="inputTokenLimit")
    output_tokens: Annotated[int, _unless_wrong(65_536)] = Field(65_536, alias="outputTokenLimit")
    methods: Annotated[set[str], _unless_wrong(set())] = Field(set(), alias="supportedGenerationMethods")


def _named(value: Any) -> Any:
    """The models that have a name."""
    models = value if isinstance(value, list) else []
    return [
        model for model in models if isinstance(model, dict) and isinstance(model.get("name"), str) and model["name"]
    ]


class Page(BaseModel):
    models: Annotated[list[Listed], BeforeValidator(_named)] = []
    token: Annotated[str, _unless_wrong("")] = Field("", alias="nextPageToken")


class Catalogue:
    """Called, it gives what is known: Google's list, or the one in the code until that is there."""

    def __init__(self, upstream: GeminiApi, send: Send, now: Callable[[], float] = time.monotonic) -> None:
        self._upstream = upstream
        self._send = send
        self._now = now
        self._models: Sequence[Model] = ()
        self._until = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    def __call__(self) -> Sequence[Model]:
        return self._models or MODELS

    async def refresh(self) -> None:
        """Waits a little for the first list; a later one comes while the old one serves. Never raises."""
        if not self._upstream.has_key:
            return
        if self._asking is None and self._now() >= self._until:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None and not self._models:
            await asyncio.wait([self._asking], timeout=PATIENCE)

    async def aclose(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        lifetime = RETRY
        try:
            self._models = await self._listed()
            lifetime = LIFETIME
        except (ProxyError, Unreadable) as error:
            reason = error.message if isinstance(error, ProxyError) else "its answer could not be understood"
            logger.warning("Could not get Google's model list; using the built-in one: %s", reason)
        finally:
            self._until = self._now() + lifetime
            self._asking = None

    async def _listed(self) -> Sequence[Model]:
        found: list[Listed] = []
        token = ""
        for _ in range(PAGES):
            page = await self._page(token)
            found += page.models
            token = page.token
            if not token:
                break
        if not found:
            raise Unreadable("no models")
        return tuple(
            Model(listed.name.removeprefix("models/"), listed.input_tokens, listed.output_tokens)
            for listed in found
            if USES & listed.methods
        )

    async def _page(self, token: str) -> Page:
        more = f"&pageToken={quote(token, safe='')}" if token else ""
        status, body = await self._send(self._upstream.call("GET", f"/models?pageSize=1000{more}"))
        if status != 200:
            raise self._upstream.refuse(status, {}, body)
        return Page.model_validate(document_in(body) or {})
