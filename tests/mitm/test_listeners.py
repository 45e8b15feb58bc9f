"""Where the proxy listens, with mitmproxy's own listeners on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from gemini_proxy.mitm import listeners as module
from gemini_proxy.mitm.listeners import Listeners, choose, is_chosen, port

TARGET = "reverse:http://127.0.0.1:9"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


class Scene:
    def __init__(self, context: taddons.context, server: Proxyserver) -> None:
        self.context, self.options, self.server = context, context.options, server
        self.port = free_port()
        self.listeners = Listeners()
        self.options.update(mode=[TARGET])

    async def start(self) -> str:
        """As mitmproxy and the addon do."""
        self.listeners.hold()
        assert not self.options.server
        self.listeners.move_to(self.port)
        self.server.running()
        assert self.addresses == []
        return await self.listeners.open()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        found = [
            s.getsockname()[:2] for i in self.server.servers for x in getattr(i, "_servers", []) for s in x.sockets
        ]
        return sorted(found)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    server = Proxyserver()
    with taddons.context(server, NextLayer()) as context:
        scene = Scene(context, server)
        yield scene
        scene.listeners.close()
        if scene.listeners._watch is not None:
            await asyncio.wait([scene.listeners._watch])
        scene.options.update(server=False)
        await server.setup_servers()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_on_loopback_and_nowhere_before_it_is_ready(scene: Scene) -> None:
    assert await scene.start() == ""
    both = [("127.0.0.1", scene.port), ("::1", scene.port)]
    assert scene.addresses == (both if has_ipv6() else both[:1])
    assert port() == scene.port


async def test_an_address_that_the_user_gave_stands_alone(scene: Scene) -> None:
    scene.options.update(listen_host="127.0.0.1")
    assert await scene.start() == ""
    assert scene.addresses == [("127.0.0.1", scene.port)]


async def test_a_port_that_the_user_gave(scene: Scene) -> None:
    mine = free_port()
    scene.options.update(listen_port=mine)
    scene.listeners.hold()
    scene.listeners.move_to(scene.port)
    assert port() == mine
    scene.options.update(mode=[f"{TARGET}@{scene.port}"])
    assert port() == scene.port


async def test_no_server_was_wanted(scene: Scene) -> None:
    scene.options.update(server=False)
    assert await scene.start() == ""
    assert scene.addresses == []


async def test_a_port_that_is_taken(scene: Scene) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", scene.port))
        other.listen()
        problem = await scene.start()
    assert problem.startswith(f"port {scene.port} could not be opened: another program has it")
    assert "PROXY_PORT" in problem


async def test_options_that_the_user_set_are_theirs(scene: Scene) -> None:
    scene.options.update(listen_host="127.0.0.2")
    assert is_chosen("listen_host")
    assert not is_chosen("listen_port")
    assert not is_chosen("no_such_option")
    choose(listen_host="127.0.0.1", listen_port=7)
    assert (scene.options.listen_host, scene.options.listen_port) == ("127.0.0.2", 7)


async def test_a_listener_that_the_system_closed_is_opened_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.005)
    await scene.start()
    before = scene.addresses
    instance: Any = next(iter(scene.server.servers))
    dead = instance._servers[0]
    loop = asyncio.get_running_loop()
    for transport in dead.sockets:
        loop.remove_reader(transport.fileno())
        socket.socket(fileno=transport.fileno()).close()
        transport._sock.detach()
    for _ in range(400):
        await asyncio.sleep(0.005)
        if dead not in instance._servers and scene.addresses == before:
            break
    assert scene.addresses == before
    assert f"The system closed the listener at port {scene.port}" in caplog.text


async def test_a_start_that_was_under_way_is_waited_for(scene: Scene) -> None:
    """With Python 3.12 and later mitmproxy's listeners are on their way before a script is read."""
    scene.options.update(listen_host="127.0.0.1", listen_port=scene.port)
    early = asyncio.create_task(scene.server.setup_servers())
    await asyncio.sleep(0)
    scene.listeners.hold()
    assert scene.listeners._early is early
    scene.listeners.move_to(scene.port)
    scene.server.running()
    assert await scene.listeners.open() == ""
    assert scene.addresses == [("127.0.0.1", scene.port)]


async def test_a_start_on_all_interfaces_is_called_off(scene: Scene) -> None:
    scene.options.update(listen_port=scene.port)
    early = asyncio.create_task(scene.server.setup_servers())
    await asyncio.sleep(0)
    scene.listeners.hold()
    assert early.cancelling()
    scene.listeners.move_to(scene.port)
    scene.server.running()
    assert await scene.listeners.open() == ""
    assert {host for host, _ in scene.addresses} <= {"127.0.0.1", "::1"}
    assert ("127.0.0.1", scene.port) in scene.addresses


async def test_without_a_proxyserver_nothing_happens() -> None:
    with taddons.context() as context:
        context.options.update(mode=[TARGET])
        context.options.add_option("server", bool, True, "")
        listeners = Listeners()
        listeners.hold()
        assert await listeners.open() == ""
        listeners.close()
