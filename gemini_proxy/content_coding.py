"""Content-Encoding undone. A small body can unpack to anything, so it is done with a bound."""

import zlib
from collections.abc import AsyncIterable

WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}  # some send deflate without zlib's wrapping
LAYERS = 2  # of compression; more is nobody's


class Unsupported(ValueError):
    """An encoding that is not unpacked here."""


class TooLarge(ValueError):
    """There is more than was wanted."""


class Damaged(ValueError):
    """The body is not what its encoding announces."""


async def read(pieces: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """A body that comes in pieces, unpacked; it is read no further than `limit` bytes. Raises one of the three."""
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > limit:
            raise TooLarge
    return unpacked(bytes(data), encoding, limit)


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before Content-Encoding. Raises one of the three."""
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if len(names) > LAYERS or not all(name in WINDOWS for name in names):
        raise Unsupported(encoding)
    for name in reversed(names):
        body = _unpacked(body, name, limit)
    if len(body) > limit:
        raise TooLarge
    return body


def _unpacked(body: bytes, name: str, limit: int) -> bytes:
    for window in WINDOWS[name]:
        unpacker = zlib.decompressobj(window)
        try:
            plain = unpacker.decompress(body, limit + 1)
        except zlib.error:
            continue
        if len(plain) > limit:
            raise TooLarge
        if unpacker.eof and not unpacker.unused_data:
            return plain
    raise Damaged(name)
