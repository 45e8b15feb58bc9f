"""The settings as mitmproxy options: `--set gemini_...`, config.yaml and mitmweb's options editor.

All are text and read like the environment: mitmproxy gives up an addon whose option has a value of another type.
"""

from typing import Any, Optional, cast

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import mode_specs

from gemini_proxy.outbound import Outbound, Trust, system_proxies, trusted
from gemini_proxy.setting_values import SettingsError, flag, is_loopback, port, seconds
from gemini_proxy.settings import ROWS, SETTINGS, Setting, Settings, environment, nearest_option, resolve
from gemini_proxy.upstreams import choose, endpoint_of

OPTIONAL_STR = cast(type, Optional[str])  # noqa: UP045 - the spelling that mitmproxy knows
TRUSTED_CA, TRUSTED_CONFDIR = "ssl_verify_upstream_trusted_ca", "ssl_verify_upstream_trusted_confdir"
NUMBERS = (port, seconds)  # what reads them takes a number of config.yaml's as it is


def add_options(loader: Loader) -> None:
    """Registers a row of the table as an option each; None means "not set", and the environment decides.

    Raises OptionsError for a value that waits for its option and is no text.
    """
    waiting = ctx.options.deferred
    for row in SETTINGS:
        if row.option in waiting:
            waiting[row.option] = _text(row, waiting[row.option])
    for row in SETTINGS:
        words = f"{row.help} Environment: {', '.join(row.environment)}."
        loader.add_option(row.option, OPTIONAL_STR, None, words)


def settings_from_options() -> Settings:
    """Raises OptionsError, which mitmproxy shows to the user, for whatever cannot work."""
    _refuse_unknown()
    options = {row.field: getattr(ctx.options, row.option) for row in SETTINGS}
    for row in SETTINGS:
        if not isinstance(options[row.field], str | None):
            raise exceptions.OptionsError(f"Another script has an option {row.option} too: rename it there.")
    try:
        settings = resolve(environment(), options)
        if not settings.demo:
            endpoint_of(choose(settings, target()), target(), settings)
    except SettingsError as error:
        raise exceptions.OptionsError(str(error)) from error
    if ctx.options.stream_large_bodies:
        raise exceptions.OptionsError(
            "stream_large_bodies would send requests to Google before they are translated. Remove that option; "
            "gemini-proxy streams answers by itself."
        )
    return settings


def outbound_from_options() -> Outbound:
    """The way to the internet: as the environment says, with mitmproxy's own options about certificates before it."""
    env = environment()
    file, folder = ctx.options.ssl_verify_upstream_trusted_ca, ctx.options.ssl_verify_upstream_trusted_confdir
    trust = trusted(env)
    if ctx.options.ssl_insecure:
        trust = Trust(verify=False, source="ssl_insecure")
    elif (file or "", folder or "") not in (("", ""), (trust.file, trust.folder)):
        trust = Trust(file or "", folder or "", source=TRUSTED_CA if file else TRUSTED_CONFDIR)
    return Outbound.from_environment(env, trust, system_proxies())


def target() -> str:
    """Base URL of the reverse mode's target; empty in any other mode. Raises OptionsError for two of them."""
    modes = map(mode_specs.ProxyMode.parse, ctx.options.mode)
    urls = list(dict.fromkeys(_url(mode) for mode in modes if isinstance(mode, mode_specs.ReverseMode)))
    if len(urls) > 1:
        raise exceptions.OptionsError(
            f"One proxy has one target, not {' and '.join(urls)}: start another one for the second reverse mode."
        )
    return urls[0] if urls else ""


def _url(mode: mode_specs.ReverseMode) -> str:
    host, port = mode.address
    if mode.scheme not in ("http", "https"):
        raise exceptions.OptionsError(f"Use reverse:https://HOST, not reverse:{mode.scheme}://.")
    if mode.scheme == "http" and not is_loopback(host):
        raise exceptions.OptionsError(
            "Plain http would send your Google credentials unprotected: use reverse:https://."
        )
    return f"{mode.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _text(row: Setting, value: Any) -> Any:
    """What is left of a value of the command line's or of config.yaml's once mitmproxy has made an option of it."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(written := getattr(value, "val", None), list):  # --set, once for each value
        if len(written) > 1:
            raise exceptions.OptionsError(f"{row.option} is set more than once.")
        if not written and row.read is not flag:
            raise exceptions.OptionsError(f"{row.option} needs a value: --set {row.option}=VALUE.")
        return written[0] if written else "true"
    if isinstance(value, bool) and row.read is flag:
        return str(value).lower()
    if isinstance(value, int | float) and not isinstance(value, bool) and row.read in NUMBERS:
        return str(value)
    # 0123 and 1e3 are other numbers by now, so what was meant cannot be told
    raise exceptions.OptionsError(f"{row.option} must be text: put its value in config.yaml in quotes.")


def _refuse_unknown() -> None:
    """mitmproxy keeps options that nobody has registered, in case that somebody will."""
    for name in ctx.options.deferred:
        if name.lower().startswith("gemini") or name.upper() in ROWS:
            near = nearest_option(name)
            meant = f" Did you mean {near}?" if near else " README.md lists them."
            raise exceptions.OptionsError(f"There is no option {name}.{meant}")
