"""Why a host could not be reached, in words that name the host, the proxy in between, and what to set. Pure.

Two libraries open connections here and each has words of its own for what went wrong; both are read into a `Cause`.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from typing import Literal

import httpx

from gemini_proxy.outbound import Proxy, is_here

Cause = Literal["name", "connection", "certificate", "tls", "proxy"]
FINAL: tuple[Cause, ...] = ("certificate", "proxy")  # the same until somebody changes a setting
TRUST = (
    "Something stands in between, such as a company's firewall that inspects TLS: let SSL_CERT_FILE, or mitmproxy's "
    "option ssl_verify_upstream_trusted_ca, name a PEM file with the root certificate that it uses."
)
THROUGH_A_PROXY = "Where the internet is reached through a proxy, set HTTPS_PROXY."
LONGEST = 200  # characters of a library's own words


def why(error: httpx.HTTPError) -> tuple[Cause, str]:
    """The cause of an error of httpx's, and the detail for `sentence`."""
    if isinstance(error, httpx.ProxyError):  # "407 Proxy Authentication Required": the words are the proxy's own
        return "proxy", str(error)[:3]
    for origin in _origins(error):
        if isinstance(origin, socket.gaierror):
            return "name", ""
        if isinstance(origin, ssl.SSLCertVerificationError):
            return "certificate", origin.verify_message
        if isinstance(origin, ssl.SSLError):
            return "tls", origin.reason or ""
        if isinstance(origin, OSError) and origin.errno:
            return "connection", reason(origin.errno, origin.strerror or "")
    return "connection", type(error).__name__


def reason(number: int, text: str) -> str:
    """The system's word for an error number, which is better than asyncio's `Connect call failed (...)`."""
    word = os.strerror(number)
    return text if word.startswith("Unknown") else word


def sentence(cause: Cause, host: str, proxy: Proxy | None, detail: str = "") -> str:
    """`detail` is what the system or the library said; for `proxy` the status with which the proxy refused."""
    said = f" ({detail[:LONGEST]})" if detail else ""
    if cause == "certificate":
        return f"The certificate of {host} is not trusted here{said}. {TRUST}"
    if cause == "tls":
        return f"No TLS connection to {host} came about{said}. Check what stands between this machine and it."
    if cause == "proxy":
        return _refused(host, proxy, detail)
    if proxy is not None:
        problem = "cannot be found" if cause == "name" else f"cannot be reached{said}"
        return f"{_named(proxy)} {problem}: check {proxy.variable} and this machine's network."
    advice = "" if is_here(host) else f" {THROUGH_A_PROXY}"
    if cause == "name":
        return f"{host} cannot be found: check this machine's DNS and network.{advice}"
    return f"{host} cannot be reached{said}: check this machine's network and firewall.{advice}"


def too_slow(host: str, proxy: Proxy | None, seconds: float) -> str:
    return f"{host} did not answer{through(proxy)} within {seconds:.0f} seconds. Check this machine's network, then try again."


def through(proxy: Proxy | None) -> str:
    return f" through the proxy {proxy.address}, from {proxy.variable}," if proxy else ""


def _named(proxy: Proxy | None) -> str:
    return f"The proxy {proxy.address}, from {proxy.variable}," if proxy else "The proxy in between"


def _refused(host: str, proxy: Proxy | None, status: str) -> str:
    if status != "407" or proxy is None:
        return f"{_named(proxy)} opens no connection to {host} ({status}): ask whoever runs it."
    if proxy.authorization:
        return f"{_named(proxy)} does not accept the user name and password in there (407)."
    return f"{_named(proxy)} wants a user name and a password (407): set HTTPS_PROXY to http://USER:PASSWORD@{proxy.address}."


def _origins(error: BaseException) -> Iterator[BaseException]:
    """What an error was raised from, the first cause first; of several attempts the first one counts."""
    below = error.__cause__ or error.__context__
    if below is not None:
        yield from _origins(below)
    if isinstance(error, BaseExceptionGroup):
        yield from _origins(error.exceptions[0])
    yield error
