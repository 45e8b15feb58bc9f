"""Images, sound, video and files as Gemini's parts: from data URIs, bare base64 or addresses.

`param` is always the place in the client's request, for errors.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from gemini_proxy.errors import bad_request
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
        mime = self.hint or type_by_suffix(self.url.partition("#")[0].partition("?")[0])
        link = {"mimeType": _supported(mime, self.param)} if mime else {}
        return with_metadata({"fileData": {**link, "fileUri": self.url}}, self.video_metadata)

    def part(self, data: bytes, mime: str) -> Part:
        """The part once it is fetched; `mime` is what the server says it is."""
        return with_metadata(inline(base64.b64encode(data).decode(), mime, self.param), self.video_metadata)


def fps_from(value: Any, param: str) -> float:
    """How many frames of a video are looked at in a second."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 24:
        raise bad_request("fps must be a number above 0, at most 24.", param)
    return value


def offset_from(value: Any, param: str) -> str:
    """Where a video starts or ends, as Google writes it (\"1.5s\"), from such a text or a number of seconds."""
    text = str(value).removesuffix("s")
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        raise bad_request('Give a number of seconds, or a text like "1.5s".', param)
    return f"{text}s"


def from_data_or_address(text: str, kind: str, param: str, hint: str) -> Part | RemoteUrl:
    """An address of any kind, or the bare base64."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text[:40].lstrip()):
        return from_address(text, kind, param, hint)
    return inline(normalised(text, param), hint, param)


def from_address(text: str, kind: str, param: str, hint: str = "") -> Part | RemoteUrl:
    url = text.strip()
    scheme = url[:10].partition(":")[0].lower()
    if scheme == "data":
        return _from_data_uri(url, param, hint)
    if is_googles(url) or _YOUTUBE.match(url):
        return _linked(url, hint, param)
    if scheme in ("http", "https"):
        return RemoteUrl(url, kind, param, hint)
    raise bad_request("Give a data URI with base64, or an address with https, http or gs.", param)


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


def is_googles(url: str) -> bool:
    return url[:5].lower() == "gs://" or _FILE_API.match(url) is not None


def _linked(url: str, hint: str, param: str) -> Part:
    """What Google fetches itself; it knows the type of what was uploaded to its File API."""
    mime = hint or ("video/mp4" if _YOUTUBE.match(url) else type_by_suffix(url.partition("?")[0]))
    if not mime and url[:5].lower() == "gs://":
        text = "The name does not tell the type of the file. Use one with an ending like .png, or add format."
        raise bad_request(text, param)
    link = {"mimeType": _supported(mime, param)} if mime else {}
    return {"fileData": {**link, "fileUri": url}}


def _from_data_uri(uri: str, param: str, hint: str) -> Part:
    """data:[type][;name=value]*[;base64],... in all its spellings."""
    head, comma, data = uri.partition(",")
    if not comma:
        raise bad_request("The data URI has no comma, and so no data.", param)
    mime, *parameters = (word.strip().lower() for word in head[len("data:") :].split(";"))
    if "/" not in mime:
        parameters, mime = [mime, *parameters], ""
    if "base64" in parameters:
        text = normalised(data, param)
    else:
        text = base64.b64encode(unquote_to_bytes(data.encode("utf-8", "replace"))).decode()
    return inline(text, hint if mime in UNKNOWN else mime, param)


def normalised(text: str, param: str) -> str:
    """Standard base64. What is so already, as nearly everything is, is looked through once and not copied."""
    data = text.encode("ascii", "replace")
    rest = data.translate(None, _STANDARD)
    if not (len(data) % 4 == 0 and rest in (b"", b"=", b"==") and data.endswith(rest)):
        data = unquote_to_bytes(data) if b"%" in rest else data
        data = data.translate(_URL_SAFE, _SPACE).rstrip(b"=")
        if data.translate(None, _STANDARD) or len(data) % 4 == 1:
            raise bad_request("This is not valid base64.", param)
        text = (data + b"=" * (-len(data) % 4)).decode()
    if not text:
        raise bad_request("There is no data.", param)
    return text


def inline(data: str, mime: str, param: str) -> Part:
    """With the type that the bytes tell, where they do: many clients call every picture a JPEG, and Gemini's image
    models refuse a wrong type."""
    word = mime.partition(";")[0].strip().lower()
    seen = _sniffed(data) if word in UNKNOWN or word.startswith("image/") else ""
    if word in UNKNOWN and not seen:
        raise bad_request("The type of the data is not given. Say it: data:image/png;base64,...", param)
    if word in UNKNOWN or seen in PLAIN_IMAGES:
        mime = seen
    return {"inlineData": {"mimeType": _supported(mime, param), "data": data}}


def _sniffed(data: str) -> str:
    """The type that the first bytes tell, "" where they do not."""
    head = base64.b64decode(data[:64])
    return next((mime for pattern, mime in MAGIC if pattern.match(head)), "")


def _supported(given: str, param: str) -> str:
    """The type in Google's spelling. Raises ProxyError 400 for one that Gemini cannot look at."""
    mime = given.partition(";")[0].strip().lower()
    mime = ALIASES.get(mime, mime)
    family, _, name = mime.partition("/")
    if mime.startswith(UNSUPPORTED):
        raise bad_request(
            f"Gemini cannot read {mime}. Convert it to image/png or image/jpeg.", param, "unsupported_value"
        )
    if family == "text" or (family == "application" and name.rpartition("+")[2].removeprefix("x-") in TEXTS):
        return "text/plain"
    if (family in ("image", "audio", "video") and name) or mime == "application/pdf":
        return mime
    text = f"Gemini cannot read {mime[:80]!r}. It takes images, sound, video, PDF and plain text."
    raise bad_request(text, param, "unsupported_value")


def type_named(name: str, param: str, words: Mapping[str, str] = SUFFIXES) -> str:
    """The type that a client names by a MIME type or a short word like "png"; "" for none."""
    word = name.strip().lower().removeprefix(".")
    if not word or "/" in word:
        return word
    if found := words.get(word) or SUFFIXES.get(word):
        return found
    raise bad_request(f"Unknown format {word!r:.40}. Give a MIME type.", param)


def type_by_suffix(name: object) -> str:
    return SUFFIXES.get(name.rpartition(".")[2].lower(), "") if isinstance(name, str) else ""


def with_metadata(found: Part, metadata: Mapping[str, Any] | None) -> Part:
    return {**found, "videoMetadata": dict(metadata)} if metadata else found
