"""The list of models: pages, what is kept and for how long, and Google's silence."""

import asyncio
import json
from typing import Any

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import HttpRequest
from gemini_proxy.gemini.models import MODELS, Model
from gemini_proxy.upstreams.gemini_api import catalogue as module
from gemini_proxy.upstreams.gemini_api.catalogue import LIFETIME, RETRY, Catalogue
from gemini_proxy.upstreams.gemini_api.upstream import GeminiApi

KEY = "AIza" + "k" * 35
FLASH = {"name": "models/flash", "inputTokenLimit": 7, "outputTokenLimit": 3, "supportedGenerationMethods": ["generateContent"]}  # fmt: skip
VIDEO = {"name": "models/video", "supportedGenerationMethods": ["predictLongRunning"]}
EMBEDDER = {"name": "models/embedder", "supportedGenerationMethods": ["embedContent"]}


class Google:
    """Answers in turn; the last one stays."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[HttpRequest] = []
        self.time = 0.0
        self.catalogue = Catalogue(GeminiApi("https://google.test", KEY), self.send, lambda: self.time)

    async def send(self, request: HttpRequest) -> tuple[int, bytes]:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return status, json.dumps(body).encode()

    async def models(self) -> list[str]:
        await self.catalogue.refresh()
        return [model.id for model in self.catalogue()]


async def test_all_pages_of_models_that_chat_or_embed() -> None:
    google = Google({"models": [FLASH, VIDEO], "nextPageToken": "a&b"}, {"models": [EMBEDDER, {"odd": 1}, 3]})
    await google.catalogue.refresh()
    assert google.catalogue() == (Model("flash", 7, 3), Model("embedder"))
    assert google.asked[1].url == "https://google.test/v1beta/models?pageSize=1000&pageToken=a%26b"
    assert all(KEY not in request.url for request in google.asked)


async def test_a_member_of_a_wrong_kind_costs_that_member() -> None:
    odd = {**FLASH, "inputTokenLimit": "many", "outputTokenLimit": None, "description": "half \ud83d"}
    google = Google({"models": [odd, None, {**FLASH, "name": 5}, {**EMBEDDER, "supportedGenerationMethods": 5}]})
    google.answers[0]["nextPageToken"] = 5
    await google.catalogue.refresh()
    assert google.catalogue() == (Model("flash"),)


async def test_it_is_asked_once_an_hour() -> None:
    google = Google({"models": [FLASH]}, {"models": [EMBEDDER]})
    assert await google.models() == ["flash"]
    google.time = LIFETIME - 1
    assert await google.models() == ["flash"]
    assert len(google.asked) == 1
    google.time = LIFETIME
    assert await google.models() == ["flash"]  # nobody waits for the new one
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    assert await google.models() == ["embedder"]


async def test_many_ask_at_once() -> None:
    google = Google({"models": [FLASH]})
    assert await asyncio.gather(*(google.models() for _ in range(20))) == [["flash"]] * 20
    assert len(google.asked) == 1


async def test_google_does_not_answer() -> None:
    troubles: tuple[Any, ...] = (ProxyError(503, "google_unreachable", "No."), (403, {}), {"models": [{"name": 3}]})
    for trouble in troubles:
        google = Google(trouble, {"models": [FLASH]})
        assert await google.models() == [model.id for model in MODELS]
        google.time = RETRY - 1
        assert len(await google.models()) == len(MODELS)
        google.time = RETRY
        assert await google.models() == ["flash"]


async def test_without_a_key_the_built_in_list_serves() -> None:
    catalogue = Catalogue(GeminiApi("https://google.test", ""), Google(None).send)
    await catalogue.refresh()
    assert catalogue() == MODELS


async def test_a_slow_google_keeps_nobody_waiting(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)

    async def never(request: HttpRequest) -> tuple[int, bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    catalogue = Catalogue(GeminiApi("https://google.test", KEY), never)
    await catalogue.refresh()
    assert catalogue() == MODELS
    await catalogue.aclose()
