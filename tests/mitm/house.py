"""A whole proxy in this process, without sockets: mitmproxy's addon manager with our gate and addon in it, and client
connections as in `wire`."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.addons.block import Block
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.hooks import ConfigureHook
from mitmproxy.proxy import commands
from mitmproxy.test import taddons

from gemini_proxy.mitm.addon import GeminiProxy
from gemini_proxy.mitm.gate import Gate
from gemini_proxy.mitm.visits import VISITS
from gemini_proxy.outbound import TRUSTED_FILES, TRUSTED_FOLDER
from gemini_proxy.settings import OURS
from tests.mitm.wire import Wire

GOOGLE = "127.0.0.1:9"  # nothing is sent there
TARGET = f"reverse:http://{GOOGLE}"
API_KEY = "AIza-google-s3cret"
KEY = "proxy-s3cret"


class Left(BaseException):
    """The process would have ended."""


class House:
    """`runner` is the event loop of all hooks."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.context: taddons.context
        self.gate: Gate
        self.addon: GeminiProxy

    async def _start(self, options: Mapping[str, Any], started: bool) -> None:
        self.context = taddons.context(Proxyserver(), NextLayer(), Block())
        self.context.options.update(**{"mode": [TARGET], **options})
        self.gate = Gate.install()
        self.addon = GeminiProxy(self.gate)
        addons = self.context.master.addons
        addons.add(self.addon)
        addons.invoke_addon_sync(self.addon, ConfigureHook(set(self.context.options.keys())))  # as for a script
        self.gate.started = started

    async def _stop(self) -> None:
        done = self.addon.done()
        if done is not None:
            await done
        if self.addon._closing is not None:
            await self.addon._closing
        self.gate.done()

    def connect(self) -> "Visitor":
        """A new client connection."""
        return Visitor(self)

    def trigger(self, hook: Any) -> None:
        async def trigger() -> None:
            await self.context.master.addons.trigger_event(hook)

        self.runner.run(trigger())


class Visitor(Wire):
    """A client connection whose hooks go to all addons, as in mitmproxy."""

    def __init__(self, house: House) -> None:
        self.all = house
        super().__init__(house.context.options, house.context.options.mode[0], {}, house.gate)

    def _run(self, hook: commands.StartHook) -> None:
        self.seen.append(hook.name)
        self.all.trigger(hook)

    def asks(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> "Visitor":
        named = {"host": "localhost:3000", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body:
            named["content-length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        self.client_says("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self

    @property
    def headers(self) -> dict[str, str]:
        """Of the last answer."""
        head = self.to_client.split(b"HTTP/1.1 ")[-1].partition(b"\r\n\r\n")[0].decode()
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}

    @property
    def body(self) -> bytes:
        return self.to_client.split(b"HTTP/1.1 ")[-1].partition(b"\r\n\r\n")[2]


@contextmanager
def house(
    folder: Path, monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str], *, started: bool = True, **options: Any
) -> Iterator[House]:
    """A proxy for the public API, with a key for it and one for its clients unless `env` says otherwise."""

    def leave(status: int) -> None:
        raise Left(status)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.chdir(folder)
    others = (*OURS, "GOOGLE_", *TRUSTED_FILES, TRUSTED_FOLDER)
    for name in [name for name in os.environ if name.startswith(others) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    known = {
        "GEMINI_UPSTREAM": "gemini-api",
        "GEMINI_API_KEY": API_KEY,
        "PROXY_API_KEY": KEY,
        "GEMINI_STATE_DIRECTORY": str(folder / "state"),
    }
    for name, value in {"TOKEN_STORE_PATH": str(folder / "tokens.json"), **known, **env}.items():
        monkeypatch.setenv(name, value)
    with asyncio.Runner() as runner:
        found = House(runner)
        try:
            runner.run(found._start(options, started))
            yield found
            runner.run(found._stop())
        finally:
            VISITS.clear()
