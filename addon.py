"""What `mitmdump -s addon.py` loads: the proxy, or nothing at all.

mitmproxy goes on without a script that fails to load, as a plain reverse proxy that sends what clients say, their keys
included, to the upstream. So what goes wrong in the first start ends the process, before anything else gets a turn;
what goes wrong later, when the script is loaded again, leaves the gate in place that the first start has put there.
"""

import os
import sys

from mitmproxy import ctx

try:
    if sys.version_info < (3, 11):  # noqa: UP036 - mitmproxy itself runs on older ones
        raise RuntimeError("it needs Python 3.11 or newer; this is {}.{}.".format(*sys.version_info[:2]))
    from gemini_proxy.mitm.addon import GeminiProxy
    from gemini_proxy.mitm.gate import Gate

    addons = [GeminiProxy(Gate.install())]
except Exception as error:
    if getattr(ctx.master.addons.lookup.get("gemini-gate"), "started", False):
        raise
    problem = str(error)
    if isinstance(error, ModuleNotFoundError):
        problem = f"{error}. Install its packages: {sys.executable} -m pip install -r requirements.txt"
    sys.stdout.flush()
    print(f"gemini-proxy cannot start: {problem}", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(1)
