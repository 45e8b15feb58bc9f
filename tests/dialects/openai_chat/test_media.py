"""Media in content parts."""

import base64
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.dialects.openai_chat.media import detail, media_part
from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.request.media import RemoteUrl, inline, normalised
from gemini_proxy.gemini.wire import Part

PNG = b"\x89PNG\r\n\x1a\n\xfb\xff\xbe"  # with + and / in its base64
PNG64 = base64.b64encode(PNG).decode()
PARAM = "messages[0].content[1]"


def image(url: Any, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def audio(**value: Any) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": value}


def file(**value: Any) -> dict[str, Any]:
    return {"type": "file", "file": value}


def video(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url, **more}}


def blob(mime: str, data: str = PNG64) -> Part:
    return {"inlineData": {"mimeType": mime, "data": data}}


def link(uri: str, mime: str = "") -> Part:
    return {"fileData": {"mimeType": mime, "fileUri": uri} if mime else {"fileUri": uri}}


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


GS = "gs://bucket/a%20b/photo.JPG"
FILE_API = "https://generativelanguage.googleapis.com/v1beta/files/abc-123"
YOUTUBE = "https://www.youtube.com/watch?v=9hE5-98ZeCg"

ROWS = [
    pytest.param(image(f"data:image/png;base64,{PNG64}"), blob("image/png"), id="plain"),
    pytest.param(image(f"DATA:image/PNG;BASE64,{PNG64}"), blob("image/png"), id="case"),
    pytest.param(image(f"data:image/png;charset=utf-8;base64,{PNG64}"), blob("image/png"), id="charset"),
    pytest.param(image(f"data:image/png;name=a.png;base64,{PNG64}"), blob("image/png"), id="name"),
    pytest.param(image(f" data:image/png; base64,{PNG64}\n"), blob("image/png"), id="spaces-around"),
    pytest.param(image("data:text/plain,a%20%C3%A9"), blob("text/plain", coded("a é".encode())), id="percent"),
    pytest.param(image("data:text/plain,a é"), blob("text/plain", coded("a é".encode())), id="raw"),
    pytest.param(image(f"data:image/png;base64,{PNG64[:7]}\r\n {PNG64[7:]}"), blob("image/png"), id="whitespace"),
    pytest.param(
        image(f"data:image/png;base64,{base64.urlsafe_b64encode(PNG).decode()}"), blob("image/png"), id="url-safe"
    ),
    pytest.param(image(f"data:image/png;base64,{PNG64.rstrip('=')}"), blob("image/png"), id="no-padding"),
    pytest.param(
        image(f"data:image/png;base64,{PNG64.replace('+', '%2B').replace('=', '%3D')}"),
        blob("image/png"),
        id="percent",
    ),
    pytest.param(image(f"data:;base64,{PNG64}"), blob("image/png"), id="no-type"),
    pytest.param(image(f"data:base64,{PNG64}"), blob("image/png"), id="no-type-no-semicolon"),
    pytest.param(image(f"data:application/octet-stream;base64,{PNG64}"), blob("image/png"), id="octet-stream"),
    pytest.param(image("data:;base64,AAAA", format="webp"), blob("image/webp", "AAAA"), id="format-helps"),
    pytest.param(image("data:image/jpg;base64,AAAA"), blob("image/jpeg", "AAAA"), id="jpg"),
    pytest.param(
        image("https://example.com/a.png"),
        RemoteUrl("https://example.com/a.png", "image", f"{PARAM}.image_url.url"),
        id="remote",
    ),
    pytest.param(
        image("HTTP://example.com"), RemoteUrl("HTTP://example.com", "image", f"{PARAM}.image_url.url"), id="http"
    ),
    pytest.param(image(GS), link(GS, "image/jpeg"), id="gs"),
    pytest.param(
        image("gs://bucket/photo", format="image/jpg"), link("gs://bucket/photo", "image/jpeg"), id="gs-format"
    ),
    pytest.param(image(FILE_API), link(FILE_API), id="file-api"),
    pytest.param(
        file(file_id=FILE_API, format="application/pdf"), link(FILE_API, "application/pdf"), id="file-api-as-id"
    ),
    pytest.param(file(file_data="gs://b/a.md"), link("gs://b/a.md", "text/plain"), id="gs-file"),
    pytest.param(video(YOUTUBE), link(YOUTUBE, "video/mp4"), id="youtube"),
    pytest.param(video("https://youtu.be/9hE5-98ZeCg"), link("https://youtu.be/9hE5-98ZeCg", "video/mp4"), id="short"),
    pytest.param(
        video("https://youtube.com.example.org/watch?v=1"),
        RemoteUrl("https://youtube.com.example.org/watch?v=1", "video", f"{PARAM}.video_url.url"),
        id="not-youtube",
    ),
    pytest.param(
        image("https://generativelanguage.googleapis.com.example.org/v1beta/files/a"),
        RemoteUrl(
            "https://generativelanguage.googleapis.com.example.org/v1beta/files/a", "image", f"{PARAM}.image_url.url"
        ),
        id="not-the-file-api",
    ),
    pytest.param({"type": "image_url", "image_url": f"data:image/png;base64,{PNG64}"}, blob("image/png"), id="string"),
    pytest.param(audio(data=PNG64, format="wav"), blob("audio/wav"), id="wav"),
    pytest.param(audio(data=PNG64, format="mp3"), blob("audio/mpeg"), id="mp3"),
    pytest.param(audio(data=PNG64, format="FLAC"), blob("audio/flac"), id="flac"),
    pytest.param(audio(data=PNG64, format="ogg"), blob("audio/ogg"), id="ogg"),
    pytest.param(audio(data=PNG64, format="m4a"), blob("audio/m4a"), id="m4a"),
    pytest.param(audio(data=PNG64, format="mp4"), blob("audio/mp4"), id="mp4-is-sound-here"),
    pytest.param(audio(data=PNG64, format="audio/mp3"), blob("audio/mp3"), id="any-mime"),
    pytest.param(audio(data=PNG64, format="audio/x-wav; rate=1"), blob("audio/wav"), id="mime-with-parameter"),
    pytest.param(audio(data=f"data:audio/ogg;base64,{PNG64}", format="wav"), blob("audio/ogg"), id="data-uri"),
    pytest.param(audio(data=f"data:;base64,{PNG64}", format="wav"), blob("audio/wav"), id="data-uri-without-type"),
    pytest.param(audio(data=coded(b"fLaC....")), blob("audio/flac", coded(b"fLaC....")), id="sniffed"),
    pytest.param(
        {"type": "audio_url", "audio_url": {"url": "https://example.com/a.mp3"}},
        RemoteUrl("https://example.com/a.mp3", "audio", f"{PARAM}.audio_url.url"),
        id="audio-url",
    ),
    pytest.param(
        file(file_data=f"data:application/pdf;base64,{PNG64}", filename="a.txt"),
        blob("application/pdf"),
        id="data-uri",
    ),
    pytest.param(file(file_data=PNG64, filename="Report.PDF"), blob("application/pdf"), id="bare-with-name"),
    pytest.param(file(file_data=coded(b"%PDF-1.7")), blob("application/pdf", coded(b"%PDF-1.7")), id="sniffed"),
    pytest.param(file(file_data=PNG64, filename="clip.mp4"), blob("video/mp4"), id="video"),
    pytest.param(
        file(file_data="https://example.com/a.pdf"),
        RemoteUrl("https://example.com/a.pdf", "file", f"{PARAM}.file.file_data"),
        id="remote",
    ),
    pytest.param(file(file_data=PNG64, filename="notes.md"), blob("text/plain"), id="markdown"),
    pytest.param(file(file_data=f"data:text/csv;base64,{PNG64}"), blob("text/plain"), id="csv"),
    pytest.param(file(file_data=f"data:application/json;base64,{PNG64}"), blob("text/plain"), id="json"),
    pytest.param(file(file_data=f"data:application/ld+json;base64,{PNG64}"), blob("text/plain"), id="some-json"),
    pytest.param(
        file(file_data=f"data:application/octet-stream;base64,{PNG64}", filename="a.py"),
        blob("text/plain"),
        id="source",
    ),
    pytest.param(
        video(f"data:video/mp4;base64,{PNG64}", fps=2, start=1.5, end="10s"),
        {**blob("video/mp4"), "videoMetadata": {"fps": 2, "startOffset": "1.5s", "endOffset": "10s"}},
        id="metadata",
    ),
    pytest.param(
        video(YOUTUBE, video_metadata={"start_offset": "40s"}),
        {**link(YOUTUBE, "video/mp4"), "videoMetadata": {"startOffset": "40s"}},
        id="nested-metadata",
    ),
    pytest.param(
        video("https://example.com/a.mp4", fps=1),
        RemoteUrl("https://example.com/a.mp4", "video", f"{PARAM}.video_url.url", "", {"fps": 1}),
        id="remote",
    ),
    pytest.param(
        {"type": "input_video", "input_video": {"data": PNG64, "format": "mp4"}},
        blob("video/mp4"),
        id="input-video",
    ),
]


@pytest.mark.parametrize(("part", "expected"), ROWS)
def test_media_part(part: dict[str, Any], expected: Part | RemoteUrl) -> None:
    assert media_part(part, PARAM) == expected


REFUSALS = [
    pytest.param(image("data:image/png;base64,a*b="), "image_url.url", "base64", id="not-base64"),
    pytest.param(image("data:image/png;base64,abcde"), "image_url.url", "base64", id="truncated"),
    pytest.param(image("data:image/png;base64,QQ==QQ=="), "image_url.url", "base64", id="concatenated"),
    pytest.param(image("data:image/png;base64,\ud800abc"), "image_url.url", "base64", id="lone-surrogate"),
    pytest.param(image("data:image/png;base64,"), "image_url.url", "no data", id="empty"),
    pytest.param(image("data:image/png;base64"), "image_url.url", "comma", id="no-comma"),
    pytest.param(image("data:;base64,AAAA"), "image_url.url", "type", id="cannot-tell"),
    pytest.param(image("data:image/svg+xml;base64,AAAA"), "image_url.url", "image/svg", id="svg"),
    pytest.param(image("data:image/bmp;base64,AAAA"), "image_url.url", "image/bmp", id="bmp"),
    pytest.param(image("data:image/tiff;base64,AAAA"), "image_url.url", "image/tiff", id="tiff"),
    pytest.param(image(f"data:;base64,{coded(b'BM12')}"), "image_url.url", "image/bmp", id="sniffed"),
    pytest.param(image(f"data:application/zip;base64,{PNG64}"), "image_url.url", "application/zip", id="zip"),
    pytest.param(image("file:///etc/passwd"), "image_url.url", "data URI", id="file"),
    pytest.param(image("/etc/passwd"), "image_url.url", "data URI", id="path"),
    pytest.param(image(""), "image_url.url", "url", id="empty"),
    pytest.param(image(None), "image_url.url", "url", id="null"),
    pytest.param({"type": "image_url"}, "image_url", "object", id="missing"),
    pytest.param({"type": "image_url", "image_url": [1]}, "image_url", "object", id="list"),
    pytest.param(image("gs://[bucket"), "image_url.url", "ending", id="gs-garbage"),
    pytest.param(image("gs://bucket/photo"), "image_url.url", "ending", id="gs-cannot-tell"),
    pytest.param(image("gs://bucket/a.bmp"), "image_url.url", "image/bmp", id="gs-unsupported"),
    pytest.param(audio(data=PNG64, format="xyz"), "input_audio.format", "xyz", id="unknown-format"),
    pytest.param(audio(format="wav"), "input_audio.url", "url", id="no-data"),
    pytest.param(audio(data="", format="wav"), "input_audio.data", "data", id="empty"),
    pytest.param(file(file_id="file-abc"), "file.file_id", "file_data", id="file-id"),
    pytest.param(file(filename="a.pdf"), "file.file_data", "file_data", id="no-data"),
    pytest.param(file(file_data=PNG64[1:]), "file.file_data", "base64", id="broken"),
    pytest.param(file(file_data=coded(b"PK\3\4"), filename="a.docx"), "file.file_data", "type", id="office"),
    pytest.param(video(YOUTUBE, fps=0), "video_url.fps", "fps", id="fps-zero"),
    pytest.param(video(YOUTUBE, fps=True), "video_url.fps", "fps", id="fps-boolean"),
    pytest.param(video(YOUTUBE, start="soon"), "video_url.start", "seconds", id="start"),
    pytest.param(video(YOUTUBE, end=-1), "video_url.end", "seconds", id="end"),
    pytest.param({"type": "hologram"}, "type", "hologram", id="unknown"),
    pytest.param({"type": ["image_url"]}, "type", "image_url", id="type-is-a-list"),
    pytest.param({}, "type", "None", id="no-type"),
]


@pytest.mark.parametrize(("part", "place", "word"), REFUSALS)
def test_a_refusal_names_the_place(part: dict[str, Any], place: str, word: str) -> None:
    with pytest.raises(ProxyError) as caught:
        media_part(part, PARAM)
    assert caught.value.status == 400
    assert caught.value.param == f"{PARAM}.{place}"
    assert word in caught.value.message


MAGIC = [
    ("image/jpeg", b"\xff\xd8\xff\xe0"),
    ("image/gif", b"GIF89a"),
    ("image/webp", b"RIFF\x00\x01\n\x03WEBPVP8 "),
    ("image/heic", b"\0\0\0\x18ftypheic"),
    ("image/avif", b"\0\0\0\x18ftypavif"),
    ("video/mp4", b"\0\0\0\x18ftypisom"),
    ("video/webm", b"\x1aE\xdf\xa3"),
    ("audio/wav", b"RIFF\x00\x00\x00\x00WAVEfmt "),
    ("audio/mpeg", b"ID3\x04"),
    ("audio/ogg", b"OggS"),
]


@pytest.mark.parametrize(("mime", "head"), MAGIC)
def test_the_first_bytes_tell_the_type(mime: str, head: bytes) -> None:
    data = coded(head + bytes(100))
    assert media_part(image(f"data:;base64,{data}"), PARAM) == blob(mime, data)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        pytest.param(image("x", detail="low"), "low", id="low"),
        pytest.param(image("x", detail="high"), "high", id="high"),
        pytest.param(image("x", detail="auto"), "auto", id="auto"),
        pytest.param(image("x"), None, id="unset"),
        pytest.param(image("x", detail="huge"), None, id="unknown"),
        pytest.param(image("x", detail=[]), None, id="no-word"),
        pytest.param({"type": "image_url", "image_url": "x", "detail": "low"}, "low", id="beside-a-string"),
        pytest.param(audio(data="x"), None, id="no-image"),
    ],
)
def test_detail(part: dict[str, Any], expected: str | None) -> None:
    assert detail(part) == expected


def test_what_was_fetched() -> None:
    assert inline("Pw==", "image/jpg; charset=x", PARAM) == blob("image/jpeg", "Pw==")
    assert inline(PNG64, "", PARAM) == blob("image/png")
    with pytest.raises(ProxyError, match="image/tiff") as caught:
        inline("Pw==", "image/tiff", PARAM)
    assert caught.value.param == PARAM
    remote = RemoteUrl("https://example.com", "video", "messages[0].content[0].video_url.url", "", {"fps": 1})
    assert remote.part(PNG, "video/mp4") == {**blob("video/mp4"), "videoMetadata": {"fps": 1}}
    with pytest.raises(ProxyError) as caught:
        remote.part(PNG, "application/zip")
    assert caught.value.param == remote.param


PICTURES: list[Any] = [
    ("image/jpeg", b"RIFF\x1a\x00\x00\x00WEBPVP8L", "image/webp"),
    ("image/jpeg", b"\x89PNG\r\n\x1a\n", "image/png"),
    ("image/svg+xml", b"\xff\xd8\xff\xe0", "image/jpeg"),
    ("image/avif", b"\0\0\0\x1cftypmif1", "image/avif"),  # others share these bytes
    ("image/jpeg", b"who knows", "image/jpeg"),
    ("audio/mp4", b"\0\0\0\x1cftypmp42", "audio/mp4"),
    ("application/pdf", b"\x89PNG\r\n\x1a\n", "application/pdf"),
]


@pytest.mark.parametrize(("given", "head", "mime"), PICTURES)
def test_the_bytes_of_a_picture_tell_its_type(given: str, head: bytes, mime: str) -> None:
    data = coded(head + bytes(60))
    assert media_part(image(f"data:{given};base64,{data}"), PARAM) == blob(mime, data)


def test_a_picture_of_a_kind_that_gemini_cannot_read_whatever_it_calls_itself() -> None:
    with pytest.raises(ProxyError, match="image/bmp"):
        media_part(image(f"data:image/png;base64,{coded(b'BM' + bytes(60))}"), PARAM)


LINKS: list[Any] = [
    ("https://example.com/a.png", "image/png"),
    ("https://example.com/a.JPG?size=2#top", "image/jpeg"),
    ("https://example.com/picture", None),
    ("https://example.com:443/x.webp", "image/webp"),
    ("https://8.8.8.8/a.png", "image/png"),
    ("https://[2001:4860:4860::8888]/a.png", "image/png"),
]


@pytest.mark.parametrize(("url", "mime"), LINKS)
def test_a_public_address_can_go_as_it_is(url: str, mime: str | None) -> None:
    found = media_part(image(url), PARAM)
    assert isinstance(found, RemoteUrl)
    assert found.link() == {"fileData": {**({"mimeType": mime} if mime else {}), "fileUri": url}}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "https://localhost/a.png",
        "https://router/a.png",
        "https://nas.local/a.png",
        "https://metadata.google.internal/a",
        "https://10.0.0.1/a.png",
        "https://127.1/a.png",
        "https://0x7f.1/a.png",
        "https://[::1]/a.png",
        "https://[fd00::1]/a.png",
        "https://user:secret@example.com/a.png",
        "https://example.com:8443/a.png",
        "https://[::1/a.png",
    ],
)
def test_an_address_that_only_somebody_near_may_know_goes_to_nobody(url: str) -> None:
    found = media_part(image(url), PARAM)
    assert isinstance(found, RemoteUrl)
    assert found.link() is None


def test_a_link_says_what_the_client_says() -> None:
    found = media_part({"type": "video_url", "video_url": {"url": "https://e.org/v", "format": "mp4", "fps": 2}}, PARAM)
    assert isinstance(found, RemoteUrl)
    link = {"mimeType": "video/mp4", "fileUri": "https://e.org/v"}
    assert found.link() == {"fileData": link, "videoMetadata": {"fps": 2}}
    with pytest.raises(ProxyError, match="svg"):
        cast(RemoteUrl, media_part(image("https://example.com/a.svg"), PARAM)).link()


def test_standard_base64_is_not_copied() -> None:
    assert normalised(PNG64, "") is PNG64


@given(st.binary(min_size=1), st.booleans(), st.booleans(), st.lists(st.integers(0, 200)))
def test_every_spelling_of_base64_is_the_same(data: bytes, url_safe: bool, padded: bool, cuts: list[int]) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    text = text if padded else text.rstrip("=")
    for cut in cuts:
        text = f"{text[:cut]}\n{text[cut:]}"
    assert normalised(text, "") == coded(data)


@given(st.text() | st.text("abAB01+/-_=% \n", max_size=12))
def test_what_is_taken_for_base64_is_base64(text: str) -> None:
    try:
        found = normalised(text, "")
    except ProxyError:
        return
    base64.b64decode(found, validate=True)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["data:", "gs://a", YOUTUBE, PNG64, "wav"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["url", "data", "format", "file_data", "file_id", "filename", "fps", "start", "video_metadata"]
            ),
            inner,
        )
    ),
    max_leaves=6,
)


@given(st.sampled_from(["image_url", "input_audio", "audio_url", "video_url", "input_video", "file"]), anything)
def test_whatever_a_part_holds_it_is_a_part_or_a_refusal(kind: str, value: Any) -> None:
    refusal = None
    try:
        media_part({"type": kind, kind: value}, PARAM)
    except ProxyError as error:
        refusal = error
    assert refusal is None or (refusal.status == 400 and str(refusal.param).startswith(PARAM))
