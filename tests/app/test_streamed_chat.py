"""The server without a host: from the bytes of a request to those of its answer."""

import subprocess
import sys
from pathlib import Path

import pytest

from gemini_proxy.app.call import UpstreamCall
from gemini_proxy.emulator import Answer as Scripted
from gemini_proxy.emulator import Emulator
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import HttpRequest
from gemini_proxy.outbound import Outbound
from tests.app.apps import app_in, serving, told
from tests.app.streamed_chat import chat
from tests.exchanges import chat_request, events, exchange, finishes, said

ROOT = Path(__file__).parents[2]


async def test_a_streamed_chat(tmp_path: Path) -> None:
    with Emulator() as google:
        found = events(await chat(tmp_path, google))
    assert said(found)
    assert finishes(found) == ["stop"]
    assert found[-1] == "[DONE]"


async def test_google_s_refusal_and_its_second_try(tmp_path: Path) -> None:
    """A token that Google does not take any more is renewed, and the request sent once more by the app itself."""
    with Emulator() as google:
        async with serving(app_in(tmp_path, google)) as app:
            google.script("streamGenerateContent", Scripted.error("unauthenticated"))
            answer = await told(app, chat_request(stream=True))
            assert (answer.status, finishes(events(answer.body))) == (200, ["stop"])
            google.script("streamGenerateContent", *[Scripted.error("unauthenticated")] * 2)
            assert (await told(app, chat_request(stream=True))).status == 401


async def test_when_a_second_try_heard_of_google_is_known(tmp_path: Path) -> None:
    with Emulator() as google:
        async with serving(app_in(tmp_path, google)) as app:
            call = await app.answer(chat_request())
            assert isinstance(call, UpstreamCall)
            answer = await call.answered(401, {}, b"".join(Scripted.error("unauthenticated").frames or ()))
            assert answer.status == 200
            assert call.first_byte is not None
            assert "sent once more" in call.remarks


async def test_a_call_of_its_own_goes_the_way_that_it_was_given() -> None:
    """Not the one that the environment says: a host may have settings of its own."""
    running = exchange()
    sent = HttpRequest("POST", "http://google.test/", {}, b"")
    nowhere = Outbound(proxies={"http": ("GIVEN_PROXY", "http://127.0.0.1:9")})
    with pytest.raises(ProxyError, match="from GIVEN_PROXY") as caught:
        await UpstreamCall(running, running._upstream, sent, 5, outbound=nowhere).made_here()
    assert caught.value.status == 503


def test_none_of_it_needs_mitmproxy() -> None:
    program = [sys.executable, "-m", "tests.app.streamed_chat"]
    found = events(subprocess.run(program, cwd=ROOT, capture_output=True, check=True, timeout=60).stdout)
    assert finishes(found) == ["stop"]
