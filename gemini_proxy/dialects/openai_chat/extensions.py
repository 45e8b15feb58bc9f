"""What Google's own OpenAI layer adds to a request, under `google`, nested once or twice (C205, mapping A.2)."""

from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.dialects.openai_chat.wire import ChatRequest, bad_request

THINKING = {
    "include_thoughts": "includeThoughts",
    "thinking_budget": "thinkingBudget",
    "thinking_level": "thinkingLevel",
}


@dataclass
class Extensions:
    thinking_config: dict[str, Any] | None = None
    safety_settings: list[dict[str, Any]] | None = None
    media_resolution: str | None = None
    unknown: list[str] = field(default_factory=list)


def extensions_from(chat: ChatRequest) -> Extensions:
    """Raises ProxyError 400 for what Code Assist does not have."""
    given = _google(chat)
    found = Extensions(safety_settings=chat.safety_settings)
    for name, value in given.items():
        if value is None:
            continue
        match name:
            case "thinking_config":
                found.thinking_config = _thinking(value)
            case "safety_settings":
                found.safety_settings = _objects(value, name)
            case "media_resolution":
                found.media_resolution = str(value)
            case "cached_content":
                raise bad_request(
                    "Cached content is not available with Code Assist.",
                    "google.cached_content",
                    "unsupported_parameter",
                )
            case _:
                found.unknown.append(f"google.{name} is not supported and was ignored")
    return found


def _google(chat: ChatRequest) -> dict[str, Any]:
    """The OpenAI SDK merges `extra_body` into the body, and users nest it once more to be sure."""
    given: dict[str, Any] = {}
    outer = chat.extra_body or {}
    inner = outer.get("extra_body")
    for place in (chat.google, outer.get("google"), inner.get("google") if isinstance(inner, dict) else None):
        if isinstance(place, dict):
            given |= place
    return given


def _thinking(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request("'google.thinking_config' must be an object.", "google.thinking_config")
    config = {THINKING.get(str(name), str(name)): setting for name, setting in value.items() if setting is not None}
    if config.get("thinkingBudget") == 0:
        config.pop("includeThoughts", None)  # Google refuses the two together (C202)
    if isinstance(level := config.get("thinkingLevel"), str):
        config["thinkingLevel"] = level.upper()
    return config


def _objects(value: object, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise bad_request(f"'google.{name}' must be a list of objects.", f"google.{name}")
    return value
