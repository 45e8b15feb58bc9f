"""The settings as mitmproxy options: `--set gemini_...`, config.yaml and mitmweb's options editor."""

from typing import Any, Optional, cast

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import mode_specs

from gemini_proxy.setting_values import SettingsError, is_loopback
from gemini_proxy.settings import SETTINGS, Settings, environment, resolve

OPTIONAL_STR = cast(type, Optional[str])  # noqa: UP045 - the spelling that mitmproxy knows


def add_options(loader: Loader) -> None:
    """Registers a row of the table as an option each. None means "not set": the environment decides then."""
    for row in SETTINGS:
        words = f"{row.help} Environment: {', '.join(row.environment)}."
        if row.default == "false":
            loader.add_option(row.option, bool, False, words)
        else:
            loader.add_option(row.option, OPTIONAL_STR, None, words)


def settings_from_options() -> Settings:
    """Raises OptionsError, which mitmproxy shows to the user, for a value that cannot work."""
    options: dict[str, Any] = {row.field: getattr(ctx.options, row.option) for row in SETTINGS}
    options = {
        name: ("true" if value else None) if isinstance(value, bool) else value for name, value in options.items()
    }
    try:
        settings = resolve(environment(), options)
    except SettingsError as error:
        raise exceptions.OptionsError(str(error)) from error
    if ctx.options.stream_large_bodies:
        raise exceptions.OptionsError(
            "stream_large_bodies would send what a client says to Google before it is translated. Remove that option; "
            "gemini-proxy streams answers by itself."
        )
    return settings


def target() -> str:
    """Base URL of the reverse mode's target; empty in any other mode."""
    for mode in map(mode_specs.ProxyMode.parse, ctx.options.mode):
        if isinstance(mode, mode_specs.ReverseMode):
            return _url(mode)
    return ""


def _url(mode: mode_specs.ReverseMode) -> str:
    host, port = mode.address
    if mode.scheme not in ("http", "https"):
        raise exceptions.OptionsError(f"Use reverse:https://HOST, not reverse:{mode.scheme}://.")
    if mode.scheme == "http" and not is_loopback(host):
        raise exceptions.OptionsError("Plain http would send your Google credential unprotected: use reverse:https://.")
    return f"{mode.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
