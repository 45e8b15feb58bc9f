"""What Google's own OpenAI layer adds to a request, under `google`, nested once or twice."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.dialects.openai_chat.wire import ChatRequest
from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.request.unmet import Unmet

# The member's name on the wire, and the type it has to have.
THINKING: dict[str, tuple[str, type]] = {
    "include_thoughts": ("includeThoughts", bool),
    "thinking_budget": ("thinkingBudget", int),
    "thinking_level": ("thinkingLevel", str),
}
RESOLUTION = "MEDIA_RESOLUTION_"


@dataclass
class Extensions:
    thinking_config: dict[str, Any] | None = None
    safety_settings: list[dict[str, Any]] | None = None
    media_resolution: str | None = None
    cached_content: str | None = None
    stream_arguments: bool = False
    tools: list[dict[str, Any]] = field(default_factory=list)
    unsupported: list[Unmet] = field(default_factory=list)


def extensions_from(chat: ChatRequest) -> Extensions:
    """Raises ProxyError 400 for what has the wrong form."""
    found = Extensions(safety_settings=chat.safety_settings)
    for name, value in _google(chat, found).items():
        if value is None:
            continue
        if reader := READERS.get(name):
            field_name, read = reader
            setattr(found, field_name, read(value, f"google.{name}"))
        else:
            found.unsupported.append(Unmet(f"google.{name}"))
    return found


def _google(chat: ChatRequest, found: Extensions) -> dict[str, Any]:
    """The OpenAI SDK merges `extra_body` into the body, and users nest it once more to be sure."""
    given = dict(chat.google or {})
    place, where = chat.extra_body, "extra_body"
    while place is not None:
        google = place.get("google")
        given |= _object(google, f"{where}.google") if google is not None else {}
        others = [name for name, value in place.items() if name not in ("google", "extra_body") and value is not None]
        found.unsupported += [Unmet(f"{where}.{name}") for name in others]
        inner = place.get("extra_body")
        where = f"{where}.extra_body"
        place = _object(inner, where) if inner is not None else None
    return given


def _thinking(value: object, param: str) -> dict[str, Any]:
    config = {}
    for name, setting in _object(value, param).items():
        ours = next((ours for ours, (theirs, _) in THINKING.items() if name in (ours, theirs)), None)
        if ours is None:
            raise bad_request(f"Known are {', '.join(THINKING)}.", f"{param}.{name}")
        wire, kind = THINKING[ours]
        if setting is None:
            continue
        if not isinstance(setting, kind) or (kind is int and isinstance(setting, bool)):
            raise bad_request(f"'{param}.{name}' is not a {kind.__name__}.", f"{param}.{name}")
        config[wire] = setting.upper() if isinstance(setting, str) else setting
    if config.get("thinkingBudget") == 0:
        config.pop("includeThoughts", None)  # Google refuses the two together (docs/protocol.md, P-511)
    return config


def _resolution(value: object, param: str) -> str:
    if not isinstance(value, str):
        raise bad_request(f"'{param}' must be a word: low, medium or high.", param)
    return RESOLUTION + value.upper().removeprefix(RESOLUTION)


def _name(value: object, param: str) -> str:
    if not isinstance(value, str) or not value:
        raise bad_request(f"'{param}' must be a name.", param)
    return value


def _flag(value: object, param: str) -> bool:
    if not isinstance(value, bool):
        raise bad_request(f"'{param}' must be true or false.", param)
    return value


def _object(value: object, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request(f"'{param}' must be an object.", param)
    return value


def _objects(value: object, param: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise bad_request(f"'{param}' must be a list of objects.", param)
    return value


READERS: dict[str, tuple[str, Callable[[object, str], Any]]] = {
    "thinking_config": ("thinking_config", _thinking),
    "safety_settings": ("safety_settings", _objects),
    "media_resolution": ("media_resolution", _resolution),
    "cached_content": ("cached_content", _name),
    "stream_function_call_arguments": ("stream_arguments", _flag),
    "tools": ("tools", _objects),
}
