"""Load on several proxies and login.py that share one token file, with tokens that live two seconds."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from gemini_proxy.emulator import Emulator
from tests.end_to_end.proxy import ROOT, Proxy, environment, running, sign_in
from tests.exchanges import HI

LIFETIME = 2.0  # seconds that a token lives: it is renewed after one
CHAT = {"model": "gemini-2.5-flash", "messages": HI}
ENOUGH = 100  # answers
PACE = 0.03  # seconds between the requests of one client


class Load:
    """Clients of proxies on one file; `failed` holds what went wrong, `unreadable` each bad look at the file."""

    def __init__(self, folder: Path, google: Emulator) -> None:
        self.folder, self.google = folder, google
        self.file = folder / "tokens.json"
        self.failed: list[str] = []
        self.unreadable: list[str] = []
        self.answered = 0
        self._ended = asyncio.Event()
        self._enough = asyncio.Event()
        sign_in(google, self.file)
        self._before = len(google.calls("/token"))

    @property
    def refreshes(self) -> int:
        return len(self.google.calls("/token")) - self._before

    async def clients(self, url: str, count: int) -> None:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as http:
            await asyncio.gather(*(self._client(http) for _ in range(count)))

    async def _client(self, http: httpx.AsyncClient) -> None:
        while not self._ended.is_set():
            try:
                answer = await http.post("/v1/chat/completions", json=CHAT)
                self._count(answer.status_code == 200, answer.text)
            except httpx.HTTPError as error:
                self._count(False, repr(error))
            await asyncio.sleep(PACE)

    async def watch(self) -> None:
        """Looks at the file all the time: it has to be whole at every moment, and its owner's alone."""
        while not self._ended.is_set():
            text = self.file.read_bytes()
            try:
                assert json.loads(text)["refresh_token"]
                assert self.file.stat().st_mode & 0o777 == 0o600
            except (ValueError, KeyError, AssertionError):
                self.unreadable.append(text.decode(errors="replace")[:50])
            await asyncio.sleep(0.002)

    async def status(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "login.py"),
            "--status",
            "--json",
            cwd=self.folder,
            env=environment(self.folder, self.google),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        self._count(process.returncode == 0 and b'"reason"' not in out, out.decode())

    async def kill(self, proxy: Proxy) -> None:
        proxy.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(proxy.process.wait)

    async def end_after(self, seconds: float) -> None:
        """A machine that has other things to do takes longer for as many answers."""
        await asyncio.sleep(seconds)
        await self._enough.wait()
        self._ended.set()

    def _count(self, good: bool, said: str) -> None:
        self.answered += 1
        if self.answered == ENOUGH:
            self._enough.set()
        if not good:
            self.failed.append(said)

    def check(self, seconds: float) -> None:
        assert self.failed == [], self.failed[:3]
        assert self.unreadable == [], self.unreadable[:3]
        leftovers = {path.name for path in self.folder.glob("tokens.json*")}
        assert leftovers == {"tokens.json", "tokens.json.lock"}
        assert self.refreshes <= seconds / (LIFETIME / 2) + 2  # one for each second, whoever makes it
        assert self.refreshes >= seconds / LIFETIME - 2


async def started(load: Load, stack: AsyncExitStack, count: int) -> list[Proxy]:
    """Proxies that end with the stack; started at once, because that is what takes time."""

    async def one() -> Proxy:
        manager = running(load.folder, load.google)
        proxy = await asyncio.to_thread(manager.__enter__)
        stack.push_async_callback(asyncio.to_thread, manager.__exit__, None, None, None)
        return proxy

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def two_proxies_and_login(load: Load, seconds: float, runs: int) -> float:
    async with AsyncExitStack() as stack:
        proxies = await started(load, stack, 2)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(load.end_after(seconds))
            group.create_task(load.watch())
            for proxy in proxies:
                group.create_task(load.clients(proxy.url, 3))
            for _ in range(runs):
                group.create_task(load.status())
        return time.monotonic() - began


async def one_proxy_and_others_that_are_killed(load: Load, seconds: float, others: int = 1) -> float:
    """One serves; beside it others are started, work for a second and are killed at whatever they are doing."""
    async with AsyncExitStack() as stack:
        one, *victims = await started(load, stack, 1 + others)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(load.end_after(seconds))
            group.create_task(load.watch())
            group.create_task(load.clients(one.url, 3))
            for victim in victims:
                group.create_task(_killed_again_and_again(load, stack, victim, began + seconds - 4))
        return time.monotonic() - began


async def _killed_again_and_again(load: Load, stack: AsyncExitStack, victim: Proxy, until: float) -> None:
    while True:
        busy = asyncio.create_task(_busy(victim))
        await asyncio.sleep(1.1)
        await load.kill(victim)
        await busy
        if time.monotonic() > until:
            return
        (victim,) = await started(load, stack, 1)


async def _busy(proxy: Proxy) -> None:
    """Requests whose answers nobody counts: the proxy dies with them."""
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=20) as http:
        with contextlib.suppress(httpx.HTTPError):
            while True:
                await http.post("/v1/chat/completions", json=CHAT)
