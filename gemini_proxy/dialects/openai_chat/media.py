"""Content parts with images, sound, video and files as Gemini's parts. Pure."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.wire import Part

_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n\f\v"

# Types, and what file names and input_audio call them. Text of any kind is plain text to Gemini.
TYPES = {
    "image/png": "png",
    "image/jpeg": "jpg jpeg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/avif": "avif",
    "image/svg+xml": "svg",
    "image/bmp": "bmp",
    "image/tiff": "tif tiff",
    "image/x-icon": "ico",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg oga opus",
    "audio/m4a": "m4a",
    "audio/aac": "aac",
    "audio/aiff": "aiff aif",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/mpeg": "mpeg mpg",
    "video/x-msvideo": "avi",
    "video/x-ms-wmv": "wmv",
    "video/x-flv": "flv",
    "video/3gpp": "3gp",
    "application/pdf": "pdf",
    "text/plain": "txt md markdown csv tsv log html htm css xml json jsonl yaml yml toml ini py js ts java c h cpp go rs sh",
}
SUFFIXES = {suffix: mime for mime, suffixes in TYPES.items() for suffix in suffixes.split()}
SOUNDS = {"mp4": "audio/mp4", "webm": "audio/webm", "mpeg": "audio/mpeg", "pcm16": "audio/pcm", "pcm": "audio/pcm"}
ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-m4a": "audio/m4a",
    "audio/x-flac": "audio/flac",
    "audio/x-aiff": "audio/aiff",
    "application/x-pdf": "application/pdf",
}
UNSUPPORTED = ("image/svg", "image/bmp", "image/x-ms-bmp", "image/tiff", "image/x-icon", "image/vnd.")
TEXTS = ("json", "xml", "yaml", "javascript", "toml", "sql", "x-sh")  # application/... that is plain text
PRIVATE = ("local", "localhost", "internal", "lan", "home", "corp", "intranet", "arpa", "test", "invalid")  # endings
UNKNOWN = ("", "application/octet-stream", "binary/octet-stream")

# The first bytes of a file, and what it then is; "." is any byte.
MAGIC = tuple(
    (re.compile(pattern, re.DOTALL), mime)
    for pattern, mime in (
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"RIFF....WAVE", "audio/wav"),
        (rb"RIFF....AVI ", "video/x-msvideo"),
        (rb"....ftyp(hei[cx]|hev[cx])", "image/heic"),
        (rb"....ftyp(mif1|msf1)", "image/heif"),
        (rb"....ftypavif", "image/avif"),
        (rb"....ftypM4A ", "audio/m4a"),
        (rb"....ftypqt  ", "video/quicktime"),
        (rb"....ftyp", "video/mp4"),
        (rb"%PDF-", "application/pdf"),
        (rb"ID3|\xff[\xfb\xf3\xf2]", "audio/mpeg"),
        (rb"\xff[\xf1\xf9]", "audio/aac"),
        (rb"fLaC", "audio/flac"),
        (rb"OggS", "audio/ogg"),
        (rb"FORM....AIF", "audio/aiff"),
        (rb"\x1aE\xdf\xa3", "video/webm"),
        (rb"BM", "image/bmp"),
        (rb"II\*\0|MM\0\*", "image/tiff"),
        (rb"\s*<svg", "image/svg+xml"),
    )
)
# Types that their first bytes leave no doubt of; HEIC and AVIF share theirs with others.
PLAIN_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/tiff")
_FILE_API = re.compile(r"https://generativelanguage\.googleapis\.com/v1(alpha|beta)?/files/[\w-]+", re.IGNORECASE)
_YOUTUBE = re.compile(
    r"https?://((www|m|music)\.)?(youtube\.com/(watch\?|shorts/|embed/|live/|v/)|youtu\.be/)\S", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """Media that somebody has to fetch first; `kind` is image, audio, video or file, `param` the place in the request."""

    url: str
    kind: str
    param: str
    hint: str = ""  # the type that the client says
    video_metadata: Mapping[str, Any] | None = None

    def link(self) -> Part | None:
        """The part where Google fetches it, None for an address that only somebody near may know. Its type is optional:
        it goes with it where the client or the name tells it."""
        if not _is_public(self.url):
            return None
        mime = self.hint or _by_suffix(self.url.partition("#")[0].partition("?")[0])
        link = {"mimeType": _supported(mime, self.param)} if mime else {}
        return _with_metadata({"fileData": {**link, "fileUri": self.url}}, self.video_metadata)

    def part(self, data: bytes, mime: str) -> Part:
        """The part once it is fetched; `mime` is what the server says it is."""
        return _with_metadata(_inline(base64.b64encode(data).decode(), mime, self.param), self.video_metadata)


def media_part(part: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    """A content part that is not text. Raises ProxyError 400 that names the place, `param` and what is below it."""
    kind = part.get("type")
    read = READERS.get(kind) if isinstance(kind, str) else None
    if read is None or not isinstance(kind, str):
        known = ", ".join(["text", *READERS])
        raise _refusal(
            "unsupported_value", f"Content parts of type {kind!r:.60} are not known. Use: {known}.", f"{param}.type"
        )
    value, at = part.get(kind), f"{param}.{kind}"
    if isinstance(value, str):
        value = {"url": value}
    if not isinstance(value, Mapping):
        raise _refusal("missing_required_parameter", f"A part of type {kind} has an object {kind!r}.", at)
    return read(value, at)


def inline(data: bytes, mime: str) -> Part:
    """Raises ProxyError 400 where Gemini does not take the type."""
    return _inline(base64.b64encode(data).decode(), mime, None)


def detail(part: Mapping[str, Any]) -> str | None:
    """How closely to look at an image: low, high or auto; other words mean nothing here."""
    value = part.get("image_url")
    word = value.get("detail") if isinstance(value, Mapping) else part.get("detail")
    return word if word in ("low", "high", "auto") else None


def _image(value: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    return _from_url(_string(value, "url", param), "image", f"{param}.url", _hint(value, param))


def _audio(value: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    """input_audio and audio_url: `data` or `url`, each as bare base64 or as any address."""
    name = "data" if "data" in value else "url"
    return _from_any(_string(value, name, param), "audio", f"{param}.{name}", _hint(value, param, SOUNDS))


def _video(value: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    name = "data" if "data" in value else "url"
    found = _from_any(_string(value, name, param), "video", f"{param}.{name}", _hint(value, param))
    metadata = video_metadata_from(value, param)
    return replace(found, video_metadata=metadata) if isinstance(found, RemoteUrl) else _with_metadata(found, metadata)


def _file(value: Mapping[str, Any], param: str) -> Part | RemoteUrl:
    """The name tells the type where nothing better does."""
    address = value.get("file_id")
    if "file_data" not in value and isinstance(address, str) and _is_googles(address):
        return _from_url(address, "file", f"{param}.file_id", _hint(value, param))
    if "file_data" not in value and address is not None:
        text = "Files cannot be uploaded to this proxy. Send the content as file_data, a data URI or base64."
        raise _refusal("unsupported_value", text, f"{param}.file_id")
    hint = _hint(value, param) or _by_suffix(value.get("filename"))
    return _from_any(_string(value, "file_data", param), "file", f"{param}.file_data", hint)


def video_metadata_from(value: Mapping[str, Any], param: str) -> dict[str, Any] | None:
    """fps, and where to start and end, in seconds or as Google writes them, "1.5s"."""
    given = {**value, **nested} if isinstance(nested := value.get("video_metadata"), Mapping) else value
    found: dict[str, Any] = {}
    if (fps := given.get("fps")) is not None:
        if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= 24:
            raise _refusal("invalid_value", "fps must be a number above 0, at most 24.", f"{param}.fps")
        found["fps"] = fps
    for ours, names in (("startOffset", ("start_offset", "start")), ("endOffset", ("end_offset", "end"))):
        for name in names:
            if given.get(name) is not None and ours not in found:
                found[ours] = _seconds(given[name], f"{param}.{name}")
    return found or None


def _seconds(value: Any, param: str) -> str:
    text = str(value).removesuffix("s")
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        raise _refusal("invalid_value", 'Give a number of seconds, or a text like "1.5s".', param)
    return f"{text}s"


def _from_any(text: str, kind: str, param: str, hint: str) -> Part | RemoteUrl:
    """An address of any kind, or the bare base64."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text[:40].lstrip()):
        return _from_url(text, kind, param, hint)
    return _inline(normalised(text, param), hint, param)


def _from_url(text: str, kind: str, param: str, hint: str = "") -> Part | RemoteUrl:
    url = text.strip()
    scheme = url[:10].partition(":")[0].lower()
    if scheme == "data":
        return _from_data_uri(url, param, hint)
    if _is_googles(url) or _YOUTUBE.match(url):
        return _linked(url, hint, param)
    if scheme in ("http", "https"):
        return RemoteUrl(url, kind, param, hint)
    raise _refusal("invalid_value", "Give a data URI with base64, or an address with https, http or gs.", param)


def _is_public(url: str) -> bool:
    """Whether this looks like an address that anybody can fetch: https, a full name or a public address, no password."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme != "https" or parts.port not in (None, 443) or parts.username is not None:
            return False
    except ValueError:
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        last = host.rpartition(".")[2]  # no top-level domain ends with a digit; 127.1 and 0x7f.1 are addresses
        return "." in host and not last[-1:].isdigit() and last not in PRIVATE


def _is_googles(url: str) -> bool:
    return url[:5].lower() == "gs://" or _FILE_API.match(url) is not None


def _linked(url: str, hint: str, param: str) -> Part:
    """What Google fetches itself; it knows the type of what was uploaded to its File API."""
    mime = hint or ("video/mp4" if _YOUTUBE.match(url) else _by_suffix(url.partition("?")[0]))
    if not mime and url[:5].lower() == "gs://":
        text = "The name does not tell the type of the file. Use one with an ending like .png, or add format."
        raise _refusal("invalid_value", text, param)
    link = {"mimeType": _supported(mime, param)} if mime else {}
    return {"fileData": {**link, "fileUri": url}}


def _from_data_uri(uri: str, param: str, hint: str) -> Part:
    """data:[type][;name=value]*[;base64],... in all its spellings."""
    head, comma, data = uri.partition(",")
    if not comma:
        raise _refusal("invalid_value", "The data URI has no comma, and so no data.", param)
    mime, *parameters = (word.strip().lower() for word in head[len("data:") :].split(";"))
    if "/" not in mime:
        parameters, mime = [mime, *parameters], ""
    if "base64" in parameters:
        text = normalised(data, param)
    else:
        text = base64.b64encode(unquote_to_bytes(data.encode("utf-8", "replace"))).decode()
    return _inline(text, hint if mime in UNKNOWN else mime, param)


def normalised(text: str, param: str) -> str:
    """Standard base64. What is so already, as nearly everything is, is looked through once and not copied."""
    data = text.encode("ascii", "replace")
    rest = data.translate(None, _STANDARD)
    if not (len(data) % 4 == 0 and rest in (b"", b"=", b"==") and data.endswith(rest)):
        data = unquote_to_bytes(data) if b"%" in rest else data
        data = data.translate(_URL_SAFE, _SPACE).rstrip(b"=")
        if data.translate(None, _STANDARD) or len(data) % 4 == 1:
            raise _refusal("invalid_value", "This is not valid base64.", param)
        text = (data + b"=" * (-len(data) % 4)).decode()
    if not text:
        raise _refusal("invalid_value", "There is no data.", param)
    return text


def _inline(data: str, mime: str, param: str | None) -> Part:
    """With the type that the bytes tell, where they do: many clients call every picture a JPEG, and Gemini's image
    models refuse a wrong type."""
    word = mime.partition(";")[0].strip().lower()
    seen = _sniffed(data) if word in UNKNOWN or word.startswith("image/") else ""
    if word in UNKNOWN and not seen:
        raise _refusal("invalid_value", "The type of the data is not given. Say it: data:image/png;base64,...", param)
    if word in UNKNOWN or seen in PLAIN_IMAGES:
        mime = seen
    return {"inlineData": {"mimeType": _supported(mime, param), "data": data}}


def _sniffed(data: str) -> str:
    """The type that the first bytes tell, "" where they do not."""
    head = base64.b64decode(data[:64])
    return next((mime for pattern, mime in MAGIC if pattern.match(head)), "")


def _supported(given: str, param: str | None) -> str:
    """The type in Google's spelling. Raises ProxyError 400 for one that Gemini cannot look at."""
    mime = given.partition(";")[0].strip().lower()
    mime = ALIASES.get(mime, mime)
    family, _, name = mime.partition("/")
    if mime.startswith(UNSUPPORTED):
        raise _refusal("unsupported_value", f"Gemini cannot read {mime}. Convert it to image/png or image/jpeg.", param)
    if family == "text" or (family == "application" and name.rpartition("+")[2].removeprefix("x-") in TEXTS):
        return "text/plain"
    if (family in ("image", "audio", "video") and name) or mime == "application/pdf":
        return mime
    text = f"Gemini cannot read {mime[:80]!r}. It takes images, sound, video, PDF and plain text."
    raise _refusal("unsupported_value", text, param)


def _hint(value: Mapping[str, Any], param: str, words: Mapping[str, str] = SUFFIXES) -> str:
    """The type that the client says: a MIME type or a short word, "" for none."""
    name = next((name for name in ("format", "mime_type") if value.get(name)), "")
    word = str(value.get(name, "")).strip().lower().removeprefix(".")
    if not word or "/" in word:
        return word
    if found := words.get(word) or SUFFIXES.get(word):
        return found
    raise _refusal("invalid_value", f"Unknown format {word!r:.40}. Give a MIME type.", f"{param}.{name}")


def _by_suffix(name: object) -> str:
    return SUFFIXES.get(name.rpartition(".")[2].lower(), "") if isinstance(name, str) else ""


def _with_metadata(found: Part, metadata: Mapping[str, Any] | None) -> Part:
    return {**found, "videoMetadata": dict(metadata)} if metadata else found


def _string(value: Mapping[str, Any], name: str, param: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise _refusal("missing_required_parameter", f"{name} must be a text that is not empty.", f"{param}.{name}")
    return text


def _refusal(code: str, message: str, param: str | None) -> ProxyError:
    return ProxyError(400, code, message, param=param)


Reader = Callable[[Mapping[str, Any], str], Part | RemoteUrl]
READERS: dict[str, Reader] = {
    "image_url": _image,
    "input_audio": _audio,
    "audio_url": _audio,
    "video_url": _video,
    "input_video": _video,
    "file": _file,
}
