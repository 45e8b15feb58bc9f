"""An app without a host, in front of the emulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gemini_proxy.app import app as app_module
from gemini_proxy.app.app import App
from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.dialects import dialects
from gemini_proxy.emulator import Emulator
from gemini_proxy.exchange import Dialect
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.settings import resolve
from tests.end_to_end.proxy import sign_in


def app_in(folder: Path, google: Emulator | None = None, **env: str) -> App:
    """Signed in to the emulator, if there is one."""
    env = {"GEMINI_STATE_DIRECTORY": str(folder), "TOKEN_STORE_PATH": str(folder / "tokens.json"), **env}
    if google is not None:
        sign_in(google, folder / "tokens.json")
        env |= {"CODE_ASSIST_ENDPOINT": google.url, "GEMINI_GOOGLE_URL": google.url}
    return App(resolve(env), "", 3000)


def also_speaking(monkeypatch: pytest.MonkeyPatch, *more: Dialect) -> None:
    """Has every app that is made from now on know these dialects too, after its own."""
    monkeypatch.setattr(app_module, "dialects", lambda *given: (*dialects(*given), *more))


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[App]:
    try:
        yield app
    finally:
        await app.close()


async def told(app: App, request: ClientRequest) -> Answer:
    """What the client hears, from a host that makes the call to Google and hands its pieces on."""
    app.admit(request)
    answer = await app.answer(request)
    if isinstance(answer, Answer):
        return answer
    async with httpx.AsyncClient(trust_env=False) as client:
        sent = answer.sent
        async with client.stream(sent.method, sent.url, headers=dict(sent.headers), content=sent.body) as reply:
            if reply.status_code != 200 or not answer.exchange.ask.stream:
                return await answer.answered(reply.status_code, dict(reply.headers), await reply.aread())
            frames = await _frames(answer, reply)
            return answer.exchange.refusal or Answer(200, frames, answer.exchange.stream_headers())


async def _frames(call: UpstreamCall, reply: httpx.Response) -> bytes:
    transform = call.exchange.transform
    frames = [frame async for data in reply.aiter_raw() for frame in transform(data)]
    return b"".join([*frames, *transform(b"")])
