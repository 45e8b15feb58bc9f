"""Compressed request bodies: unpacked with a bound, refused where they are broken."""

import gzip
import zlib

import pytest

from gemini_proxy.app.bodies import decoded
from gemini_proxy.errors import ProxyError

PLAIN = b'{"a": 1}' * 100
DEFLATE = zlib.compress(PLAIN)
RAW = zlib.compressobj(wbits=-15)
RAW_DEFLATE = RAW.compress(PLAIN) + RAW.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (PLAIN, ""),
        (PLAIN, "identity"),
        (gzip.compress(PLAIN), "gzip"),
        (gzip.compress(PLAIN), " X-GZIP "),
        (DEFLATE, "deflate"),
        (RAW_DEFLATE, "deflate"),
        (gzip.compress(DEFLATE), "deflate, gzip"),
    ],
)
def test_it_is_unpacked(body: bytes, encoding: str) -> None:
    assert decoded(body, encoding, 10_000) == PLAIN


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (PLAIN, "gzip", 400),
        (gzip.compress(PLAIN)[:-9], "gzip", 400),
        (gzip.compress(PLAIN) + b"x", "gzip", 400),
        (b"", "gzip", 400),
        (PLAIN, "br", 415),
        (PLAIN, "gzip, gzip, gzip", 415),
        (gzip.compress(bytes(50_000_000)), "gzip", 413),
    ],
)
def test_it_is_refused(body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(ProxyError) as caught:
        decoded(body, encoding, 10_000)
    assert caught.value.status == status
