"""Where the proxy listens: loopback and our own port, unless the user chose otherwise.

With Python 3.11 a script is loaded before the listeners open, so setting mitmproxy's options is enough. With Python
3.12 and later the start of the listeners has already read the options when the script is loaded (its task is started
eagerly): that start is called off and done again, so that nothing ever listens on all interfaces.
"""

import asyncio
import logging

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.optmanager import unset
from mitmproxy.proxy import mode_specs

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"


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
    """Applies our address; `restart` is to be awaited in the `running` hook if there is something to wait for."""

    def __init__(self) -> None:
        self._early: asyncio.Task[object] | None = None

    def move_to(self, port: int) -> None:
        """Setting the options calls every `configure` again, ours too: callers must be ready for that."""
        before, start = _addresses(), _start_in_progress()
        choose(listen_host=HOST, listen_port=port)
        if start is None or _addresses() == before:
            return
        self._early = start
        if not any(host for host, _ in before):
            start.cancel()  # still looking up "all interfaces" in a thread: no socket is open yet

    @property
    def needs_restart(self) -> bool:
        return self._early is not None

    async def restart(self) -> None:
        server = _proxyserver()
        if server is None or self._early is None:
            return
        await asyncio.wait([self._early])
        self._early = None
        for instance in server.servers:
            try:
                if instance.is_running:
                    await instance.stop()
                await instance.start()
            except OSError as error:
                logger.error("%s", error)


def _proxyserver() -> Proxyserver | None:
    addon = ctx.master.addons.get("proxyserver")
    return addon if isinstance(addon, Proxyserver) else None


def _addresses() -> list[tuple[str, int | None]]:
    modes = [mode_specs.ProxyMode.parse(mode) for mode in ctx.options.mode]
    return [(m.listen_host(ctx.options.listen_host), m.listen_port(ctx.options.listen_port)) for m in modes]


def _start_in_progress() -> asyncio.Task[object] | None:
    server = _proxyserver()
    if server is None or server.is_running or not server.servers.is_updating:
        return None
    name = Proxyserver.setup_servers.__qualname__
    return next((task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == name), None)
