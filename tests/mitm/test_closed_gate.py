"""The gate: while nobody stands behind it, a request gets a 503 and goes nowhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.proxy import layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.proxy.layers.http import HTTPMode

from gemini_proxy.mitm import web_password
from gemini_proxy.mitm.addon import GeminiProxy
from gemini_proxy.mitm.gate import Gate
from gemini_proxy.mitm.layer import AnsweringLayer, ClosingLayer
from tests.mitm.house import KEY, House, Left, house


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with house(tmp_path, monkeypatch, {}) as found:
        yield found


def asked(proxy: House) -> tuple[int, bytes]:
    client = proxy.connect().asks("/v1/models", authorization=f"Bearer {KEY}")
    assert client.opened == []
    return client.status, client.body


def test_it_is_the_first_addon_and_one_for_each_mitmproxy(proxy: House) -> None:
    assert proxy.context.master.addons.chain[0] is proxy.gate
    assert Gate.install() is proxy.gate
    assert not proxy.context.options.server  # nothing listens before `start`


def test_the_listeners_go_with_it(proxy: House, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(proxy.gate.listeners, "close", lambda: closed.append(True))
    proxy.gate.done()
    assert closed == [True]


def test_while_the_script_is_loaded_again(proxy: House) -> None:
    Gate.install()
    status, body = asked(proxy)
    assert status == 503
    assert b"is being loaded again" in body
    proxy.gate.open(proxy.addon)
    assert asked(proxy)[0] == 200


def test_the_words_of_an_old_failure_go_when_it_is_loaded_again(proxy: House) -> None:
    proxy.gate.fail("a bad setting")
    assert b"could not be loaded again: a bad setting" in asked(proxy)[1]
    proxy.gate.shut()
    assert b"a bad setting" not in asked(proxy)[1]


def test_a_failure_after_the_start_keeps_it_closed(proxy: House, caplog: pytest.LogCaptureFixture) -> None:
    proxy.gate.fail("a bad setting")
    assert asked(proxy)[0] == 503
    assert "a bad setting Requests get a 503 until that is mended." in caplog.text
    assert proxy.gate.first_byte_limit == 600
    assert proxy.gate.idle_limit == 300
    assert not proxy.gate.stopped


def test_a_failure_before_the_start_ends_the_process(proxy: House, capsys: pytest.CaptureFixture[str]) -> None:
    proxy.gate.started = False
    with pytest.raises(Left) as left:
        proxy.gate.fail("a bad setting")
    assert left.value.args == (1,)
    assert capsys.readouterr().err == "gemini-proxy cannot start: a bad setting\n"


def test_a_script_that_is_given_twice_ends_the_process(proxy: House, capsys: pytest.CaptureFixture[str]) -> None:
    proxy.gate.started = False
    with pytest.raises(Left):
        Gate.install()
    assert "loaded twice" in capsys.readouterr().err


def test_nothing_listens_without_an_addon(proxy: House, capsys: pytest.CaptureFixture[str]) -> None:
    proxy.gate.running()
    proxy.gate.shut()
    with pytest.raises(Left):
        proxy.gate.running()
    assert "cannot start: gemini-proxy is not loaded" in capsys.readouterr().err


def test_a_port_that_is_taken_ends_the_process(
    proxy: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def taken() -> str:
        return "port 3000 could not be opened"

    monkeypatch.setattr(proxy.gate.listeners, "open", taken)
    proxy.gate.started = False
    with pytest.raises(Left):
        proxy.runner.run(proxy.gate.start())
    assert proxy.gate.started
    assert "port 3000" in capsys.readouterr().err


def test_its_limits_are_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"GEMINI_FIRST_BYTE_LIMIT": "7", "GEMINI_IDLE_LIMIT": "8", "GEMINI_SHUTDOWN_GRACE": "9"}
    with house(tmp_path, monkeypatch, env) as proxy:
        assert (proxy.gate.first_byte_limit, proxy.gate.idle_limit) == (7, 8)
        assert proxy.addon._grace() == 9
        proxy.addon.shutdown.over = True
        assert proxy.gate.stopped


def test_no_other_addon_hears_of_the_translation(proxy: House) -> None:
    heard: list[object] = []

    class Other:
        def gemini_translate(self, visit: object) -> None:
            heard.append(visit)

    proxy.context.master.addons.add(Other())
    assert asked(proxy)[0] == 200
    assert heard == []


def chosen(proxy: House, first: Layer | None) -> Any:
    """What the gate makes of mitmproxy's choice of a layer."""
    context = proxy.connect().context
    if first is not None:
        first.context = context
    next_layer = NextLayer(context, ask_on_start=False)
    next_layer.layer = first
    proxy.gate.next_layer(next_layer)
    return next_layer.layer


def http_layer(proxy: House) -> layers.HttpLayer:
    return layers.HttpLayer(proxy.connect().context, HTTPMode.transparent)


def test_http_gets_our_layer(proxy: House) -> None:
    found = chosen(proxy, http_layer(proxy))
    assert type(found) is AnsweringLayer
    assert found.house is proxy.gate


def test_http_in_tls_gets_our_layer(proxy: House) -> None:
    outer = layers.ClientTLSLayer(proxy.connect().context)
    outer.child_layer = http_layer(proxy)
    found = chosen(proxy, outer)
    assert found is outer
    assert type(outer.child_layer) is AnsweringLayer


@pytest.mark.parametrize("kind", [layers.TCPLayer, layers.UDPLayer])
@pytest.mark.parametrize("in_tls", [False, True])
def test_what_is_no_http_is_closed(proxy: House, kind: Any, in_tls: bool) -> None:
    from mitmproxy.proxy import commands, events

    context: Context = proxy.connect().context
    inner = kind(context)
    if in_tls:
        outer = layers.ClientTLSLayer(context)
        outer.child_layer = inner
        inner = outer
    found = chosen(proxy, inner)
    closing = found.child_layer if in_tls else found
    assert type(closing) is ClosingLayer
    assert [type(command) for command in closing.handle_event(events.Start())] == [
        commands.Log,
        commands.CloseConnection,
    ]
    assert list(closing.handle_event(events.DataReceived(context.client, b"x"))) == []


def test_mitmproxy_s_own_choice_is_asked_for_first(proxy: House) -> None:
    from mitmproxy.proxy import events

    context = proxy.connect().context
    context.client.proxy_mode = proxy.connect().context.client.proxy_mode
    next_layer = NextLayer(context, ask_on_start=False)
    next_layer.events.append(events.DataReceived(context.client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    proxy.gate.next_layer(next_layer)
    assert type(next_layer.layer) is AnsweringLayer


def test_the_addon_goes_and_comes(proxy: House) -> None:
    """As mitmproxy does when the script has changed: the old one is done, a new one is configured."""
    from mitmproxy.hooks import ConfigureHook

    async def reload() -> GeminiProxy:
        addons = proxy.context.master.addons
        done = proxy.addon.done()
        assert done is not None
        await done
        addons.remove(proxy.addon)
        assert proxy.gate.addon is None
        new = GeminiProxy(Gate.install())
        addons.add(new)
        addons.invoke_addon_sync(new, ConfigureHook(set(proxy.context.options.keys())))
        return new

    proxy.addon = proxy.runner.run(reload())
    assert proxy.gate.addon is proxy.addon
    assert asked(proxy)[0] == 200


def test_a_mitmweb_without_a_password_gets_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lock:
        name = "lock"

    monkeypatch.setattr(web_password, "is_needed", lambda: True)
    monkeypatch.setattr(web_password, "WebPassword", Lock)
    with house(tmp_path, monkeypatch, {}) as proxy:
        assert proxy.context.master.addons.get("lock") is not None
