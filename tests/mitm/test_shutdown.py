"""The end of the process, with a mitmproxy that is only asked to shut down."""

import asyncio
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy import ctx

from gemini_proxy.mitm import shutdown as module
from gemini_proxy.mitm.shutdown import Shutdown


class Handler:
    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def cancel(self, reason: str) -> None:
        self.cancelled.append(reason)


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.busy: list[str] = []
        self.grace = 10.0
        self.ended = asyncio.Event()
        self.clients: dict[str, Any] = {}
        server = SimpleNamespace(connections=self.clients)
        addons = SimpleNamespace(get=lambda name: {"proxyserver": server}.get(name))
        self.master = SimpleNamespace(shutdown=self.ended.set, addons=addons)
        monkeypatch.setattr(ctx, "master", self.master, raising=False)
        monkeypatch.setattr(module, "STEP", 0.001)
        self.shutdown = Shutdown(self.busy, lambda: self.grace)

    async def end(self) -> None:
        await asyncio.wait_for(self.ended.wait(), 10)


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


async def turn(times: int = 20) -> None:
    for _ in range(times):
        await asyncio.sleep(0.001)


async def test_with_nothing_under_way_it_ends_at_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    begun = [scene.shutdown.begun]
    scene.shutdown._begin()
    begun.append(scene.shutdown.begun)
    assert begun == [False, True]
    await scene.end()
    assert not scene.shutdown.over
    assert caplog.text == ""


async def test_answers_under_way_go_on(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.busy += ["one"]
    scene.shutdown._begin()
    await turn()
    assert not scene.ended.is_set()
    assert not scene.shutdown.over
    assert "Waiting up to 10 s for 1 answer to finish" in caplog.text
    scene.busy.clear()
    await scene.end()
    assert not scene.shutdown.over
    assert "cut" not in caplog.text


async def test_a_second_signal_cuts_them(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.busy += ["one", "two"]
    scene.shutdown._begin()
    await turn()
    scene.shutdown._begin()
    await turn()
    assert scene.shutdown.over
    assert not scene.ended.is_set()  # they have a moment to say so
    assert "Stopping now: 2 answers cut." in caplog.text
    scene.busy.clear()
    await scene.end()


async def test_the_grace_ends_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CUT", 0.01)
    scene.grace = 0.01
    scene.busy += ["one"]
    scene.shutdown._begin()
    await scene.end()
    assert scene.shutdown.over
    assert scene.busy


async def test_clients_that_keep_a_connection_are_told(scene: Scene) -> None:
    handler = asyncio.get_running_loop().create_future()
    cancelled: list[str] = []

    class Task(asyncio.Future[None]):
        def cancel(self, msg: object = None) -> bool:
            cancelled.append(str(msg))
            return super().cancel(msg)

    task, client = Task(), object()
    scene.clients["a"] = SimpleNamespace(client=client, transports={client: SimpleNamespace(handler=task)})
    scene.clients["b"] = SimpleNamespace(client=client, transports={client: SimpleNamespace(handler=None)})
    scene.clients["c"] = SimpleNamespace(client=client, transports={})
    scene.shutdown._begin()
    await scene.end()
    assert cancelled == ["shutting down"]
    handler.cancel()


Signals = dict[int, Callable[[], None]]


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Signals:
    return {}


@pytest.mark.parametrize("console", [False, True])
async def test_it_takes_the_signals_over(
    scene: Scene, signals: Signals, monkeypatch: pytest.MonkeyPatch, console: bool
) -> None:
    """In the console interface Ctrl-C asks the user, as ever."""
    if console:
        scene.master.prompt_for_exit = None
    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", signals.__setitem__)
    scene.shutdown.listen()
    assert set(signals) == ({signal.SIGTERM} if console else {signal.SIGTERM, signal.SIGINT})
    signals[signal.SIGTERM]()
    await scene.end()


async def test_where_the_loop_takes_no_signals(
    scene: Scene, signals: dict[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def windows(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", windows)
    monkeypatch.setattr(signal, "signal", signals.__setitem__)
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    scene.shutdown.listen()
    assert set(signals) == {signal.SIGTERM, signal.SIGINT, 21}
    signals[21](21, None)
    await scene.end()


async def test_in_a_thread_it_does_without(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_main_thread(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", no_main_thread)
    scene.shutdown.listen()
    assert not scene.shutdown.begun
