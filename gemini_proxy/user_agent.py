"""Who we say we are to Google: this project, in the layout of the Gemini CLI's User-Agent."""

import os
import re
import sys
import sysconfig

from gemini_proxy.version import VERSION

UNAME = getattr(os, "uname", None)  # not on Windows

# Node's spellings of what Python finds; what is not here is spelt alike in both.
ARCHITECTURES = {
    "x86_64": "x64",
    "amd64": "x64",
    "aarch64": "arm64",
    "i386": "ia32",
    "i686": "ia32",
    "x86": "ia32",
    "win32": "ia32",
    "armv6l": "arm",
    "armv7l": "arm",
    "ppc64le": "ppc64",
    "loongarch64": "loong64",
}
PLATFORMS = ("linux", "darwin", "win32", "freebsd", "openbsd", "aix", "sunos")  # sys.platform may add a version
UNSAFE = re.compile(r"[^A-Za-z0-9._:@+-]")  # the model is the client's word, and becomes part of a header
LONGEST = 100


def user_agent(model: str, override: str = "") -> str:
    """`gemini-proxy/VERSION/MODEL (platform; arch; mitmproxy)`, or `override` where the user set one.

    Calls that concern no model, such as those of the sign-in, leave `model` empty.
    """
    if override:
        return override
    named = f"/{UNSAFE.sub('_', model[:LONGEST])}" if model else ""
    return f"gemini-proxy/{VERSION}{named} ({node_platform(sys.platform)}; {node_arch(machine())}; mitmproxy)"


def machine() -> str:
    """The processor, from whom it costs nothing: `platform.machine()` asks Windows' WMI, which may take seconds."""
    return UNAME().machine if UNAME else sysconfig.get_platform().removeprefix("win-")


def node_platform(name: str) -> str:
    """`process.platform` of Node for a `sys.platform`."""
    return next((known for known in PLATFORMS if name.startswith(known)), name)


def node_arch(machine: str) -> str:
    """`process.arch` of Node for a `platform.machine()`."""
    machine = machine.lower()
    return ARCHITECTURES.get(machine, machine) or "unknown"
