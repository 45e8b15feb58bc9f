"""Request bodies that a client compressed. Pure; a small body can unpack to anything, so it is done with a bound."""

import zlib

from gemini_proxy.errors import ProxyError

WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}  # some send deflate without zlib's wrapping
LAYERS = 2  # of compression; more is no client's


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before Content-Encoding. Raises ProxyError: 400 for a broken one, 413, 415."""
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if len(names) > LAYERS or not all(name in WINDOWS for name in names):
        text = "Content-Encoding of a request must be gzip, deflate or identity."
        raise ProxyError(415, "unsupported_content_encoding", text, retry=False, headers={"accept-encoding": "gzip"})
    for name in reversed(names):
        body = _unpacked(body, name, limit)
    return body


def too_large(limit: int) -> ProxyError:
    text = f"The request body is larger than {limit} bytes. mitmproxy's option body_size_limit sets the limit."
    return ProxyError(413, "request_too_large", text, retry=False)


def _unpacked(body: bytes, name: str, limit: int) -> bytes:
    for window in WINDOWS[name]:
        unpacker = zlib.decompressobj(window)
        try:
            plain = unpacker.decompress(body, limit + 1)
        except zlib.error:
            continue
        if len(plain) > limit:
            raise too_large(limit)
        if unpacker.eof and not unpacker.unused_data:
            return plain
    text = f"The request body is not what Content-Encoding: {name} announces."
    raise ProxyError(400, "invalid_body", text, retry=False)
