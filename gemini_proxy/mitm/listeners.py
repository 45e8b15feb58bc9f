"""Where the proxy listens, and when: on loopback and our own port unless the user chose otherwise, and not before
everything else has worked.

mitmproxy opens its listeners whether or not a script has loaded, with Python 3.12 and later even before it is read.
`hold` calls that off, `open` does it when the addon is ready.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.optmanager import unset
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.mode_servers import AsyncioServerInstance

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
HOST_6 = "::1"  # what `localhost` means first on many systems, and alone to some programs
LOOK = 2.0  # seconds between looks at listeners that the system may have closed

Instance = AsyncioServerInstance[mode_specs.ProxyMode]


def is_chosen(name: str) -> bool:
    """Whether the user set a mitmproxy option, on the command line or in config.yaml, be it to its default."""
    return any(value.value is not unset for option, value in ctx.options.items() if option == name)


def choose(**options: object) -> None:
    """Sets mitmproxy options that the user did not."""
    ctx.options.update(**{name: value for name, value in options.items() if not is_chosen(name)})


def port() -> int:
    """The port of the first mode."""
    modes = [mode_specs.ProxyMode.parse(mode) for mode in ctx.options.mode]
    ports = (mode.listen_port(ctx.options.listen_port) for mode in modes)
    return next((number for number in ports if number is not None), 0)


class Listeners:
    """mitmproxy's listeners in our hands."""

    def __init__(self) -> None:
        self._wanted = True
        self._local = False  # on loopback because nobody said otherwise
        self._early: asyncio.Task[object] | None = None
        self._addresses: list[tuple[str, int | None]] = []  # where that start listens
        self._watch: asyncio.Task[None] | None = None

    def hold(self) -> None:
        """Nothing listens from now on until `open`."""
        self._wanted = bool(ctx.options.server)
        self._local = not is_chosen("listen_host")
        self._early, self._addresses = _start_in_progress(), _addresses()
        ctx.options.update(server=False)
        # Looking up "all interfaces", or a name, takes a thread: no socket is open then. One with an address that the
        # user gave may be open: a client that finds it waits, for the loop turns again only when the gate is there.
        if self._early is not None and not all(map(_is_address, self._addresses)):
            self._early.cancel()

    def move_to(self, port: int) -> None:
        """Setting the options calls every `configure` again, ours too: callers must be ready for that."""
        choose(listen_host=HOST, listen_port=port)

    async def open(self) -> str:
        """To be awaited in the `running` hook. Returns why a listener could not be opened, or nothing."""
        server = _proxyserver()
        if server is None or not self._wanted:
            return ""
        if self._early is not None:
            await asyncio.wait([self._early])
            if _addresses() != self._addresses:
                for instance in _instances():
                    _close(instance)
        called_off = [instance for instance in _instances() if not instance.is_running]
        ctx.options.update(server=True)
        await server.setup_servers()  # waits for the one that the option has started
        for instance in called_off:
            await _start(instance)
        for instance in _instances():
            if not instance.is_running:
                return _trouble(instance)
        if self._local:
            await self._listen_on_ipv6()
        self._watch = asyncio.create_task(self._keep_open())
        return ""

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def _listen_on_ipv6(self) -> None:
        for instance in _instances():
            for address in list(instance.listen_addrs) if instance.mode.custom_listen_host is None else []:
                if address[0] != HOST:
                    continue
                try:
                    more = await asyncio.start_server(instance.handle_stream, HOST_6, address[1])
                except OSError as error:  # no IPv6 here, or another program has the port there
                    logger.debug("Not listening on %s: %s", HOST_6, error)
                else:
                    instance._servers.append(more)

    async def _keep_open(self) -> None:
        """On Windows the system closes a listener when a client resets too early or the machine sleeps, and asyncio
        leaves it closed (python/cpython#93821)."""
        while True:
            await asyncio.sleep(LOOK)
            for instance in _instances():
                if any(socket.fileno() == -1 for server in instance._servers for socket in _sockets(server)):
                    logger.warning("The system closed the listener at port %s; listening again.", port())
                    _close(instance)
                    await _start(instance)
                    if self._local:
                        await self._listen_on_ipv6()


def _proxyserver() -> Proxyserver | None:
    addon = ctx.master.addons.get("proxyserver")
    return addon if isinstance(addon, Proxyserver) else None


def _instances() -> Iterator[Instance]:
    server = _proxyserver()
    for instance in list(server.servers) if server is not None else []:
        if isinstance(instance, AsyncioServerInstance):
            yield instance


def _addresses() -> list[tuple[str, int | None]]:
    modes = [mode_specs.ProxyMode.parse(mode) for mode in ctx.options.mode]
    return [(m.listen_host(ctx.options.listen_host), m.listen_port(ctx.options.listen_port)) for m in modes]


def _is_address(listener: tuple[str, int | None]) -> bool:
    try:
        ip_address(listener[0])
    except ValueError:
        return False
    return True


def _sockets(server: Any) -> tuple[Any, ...]:
    return tuple(getattr(server, "sockets", ()))  # a UDP server has none


def _close(instance: Instance) -> None:
    """As `instance.stop`, but for sockets that may be closed already."""
    for server in instance._servers:
        with contextlib.suppress(ValueError, OSError):
            server.close()
    instance._servers = []


async def _start(instance: Instance) -> None:
    try:
        if not instance.is_running:
            await instance.start()
    except OSError as error:
        logger.error("%s", error)


def _trouble(instance: Instance) -> str:
    number = instance.mode.listen_port(ctx.options.listen_port)
    text = (
        f"port {number} could not be opened: another program has it, or the system keeps it. Set PROXY_PORT to another."
    )
    reason = instance.last_exception
    return f"{text} ({getattr(reason, 'strerror', None) or reason})" if reason else text


def _start_in_progress() -> "asyncio.Task[object] | None":
    server = _proxyserver()
    if server is None or server.is_running or not server.servers.is_updating:
        return None
    name = Proxyserver.setup_servers.__qualname__
    return next((task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == name), None)
