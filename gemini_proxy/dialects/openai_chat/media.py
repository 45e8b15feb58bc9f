"""Content parts that are not text: https://platform.openai.com/docs/guides/images-vision and its neighbours."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.request import media
from gemini_proxy.gemini.request.media import RemoteUrl
from gemini_proxy.gemini.wire import Part


def media_part(part: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    """A content part that is not text. Raises ProxyError 400 that names the place, `param` and what is below it."""
    kind = part.get("type")
    read = READERS.get(kind) if isinstance(kind, str) else None
    if read is None or not isinstance(kind, str):
        text = f"Content parts of type {kind!r:.60} are not known. Use: {', '.join(['text', *READERS])}."
        raise bad_request(text, f"{param}.type", "unsupported_value")
    value, at = part.get(kind), f"{param}.{kind}"
    if isinstance(value, str):
        value = {"url": value}
    if not isinstance(value, Mapping):
        raise bad_request(f"A part of type {kind} has an object {kind!r}.", at, "missing_required_parameter")
    return read(value, at)


def detail(part: Mapping[str, Any]) -> str | None:
    """How closely to look at an image: low, high or auto; other words mean nothing here."""
    value = part.get("image_url")
    word = value.get("detail") if isinstance(value, Mapping) else part.get("detail")
    return word if word in ("low", "high", "auto") else None


def _image(value: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    return media.from_address(_string(value, "url", param), "image", f"{param}.url", _hint(value, param))


def _audio(value: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    """input_audio and audio_url: `data` or `url`, each as bare base64 or as any address."""
    name = "data" if "data" in value else "url"
    text, hint = _string(value, name, param), _hint(value, param, media.SOUNDS)
    return media.from_data_or_address(text, "audio", f"{param}.{name}", hint)


def _video(value: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    name = "data" if "data" in value else "url"
    text, hint = _string(value, name, param), _hint(value, param)
    found = media.from_data_or_address(text, "video", f"{param}.{name}", hint)
    metadata = video_metadata_from(value, param)
    if isinstance(found, RemoteUrl):
        return replace(found, video_metadata=metadata)
    return media.with_metadata(found, metadata)


def _file(value: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    """The name tells the type where nothing better does."""
    address = value.get("file_id")
    if "file_data" not in value and isinstance(address, str) and media.is_googles(address):
        return media.from_address(address, "file", f"{param}.file_id", _hint(value, param))
    if "file_data" not in value and address is not None:
        text = "Files cannot be uploaded to this proxy. Send the content as file_data, a data URI or base64."
        raise bad_request(text, f"{param}.file_id", "unsupported_value")
    hint = _hint(value, param) or media.type_by_suffix(value.get("filename"))
    return media.from_data_or_address(_string(value, "file_data", param), "file", f"{param}.file_data", hint)


def video_metadata_from(value: Mapping[str, Any], param: str) -> dict[str, Any] | None:
    """fps, and where to start and end, beside the address or in `video_metadata`."""
    given = {**value, **nested} if isinstance(nested := value.get("video_metadata"), Mapping) else value
    found: dict[str, Any] = {}
    if (fps := given.get("fps")) is not None:
        found["fps"] = media.fps_from(fps, f"{param}.fps")
    for ours, names in (("startOffset", ("start_offset", "start")), ("endOffset", ("end_offset", "end"))):
        for name in names:
            if given.get(name) is not None and ours not in found:
                found[ours] = media.offset_from(given[name], f"{param}.{name}")
    return found or None


def _hint(value: Mapping[str, Any], param: str, words: Mapping[str, str] = media.SUFFIXES) -> str:
    """The type that the client says, "" for none."""
    name = next((name for name in ("format", "mime_type") if value.get(name)), "")
    return media.type_named(str(value.get(name, "")), f"{param}.{name}", words)


def _string(value: Mapping[str, Any], name: str, param: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise bad_request(f"{name} must be a text that is not empty.", f"{param}.{name}", "missing_required_parameter")
    return text


Reader = Callable[[Mapping[str, Any], str], Part | RemoteUrl]
READERS: dict[str, Reader] = {
    "image_url": _image,
    "input_audio": _audio,
    "audio_url": _audio,
    "video_url": _video,
    "input_video": _video,
    "file": _file,
}
