"""Request bodies that a client compressed. Pure."""

from gemini_proxy import content_coding
from gemini_proxy.errors import ProxyError


def decoded(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before Content-Encoding. Raises ProxyError: 400 for a broken one, 413, 415."""
    try:
        return content_coding.unpacked(body, encoding, limit)
    except content_coding.Unsupported as error:
        text = "Content-Encoding of a request must be gzip, deflate or identity."
        headers = {"accept-encoding": "gzip"}
        raise ProxyError(415, "unsupported_content_encoding", text, retry=False, headers=headers) from error
    except content_coding.TooLarge as error:
        text = f"The request body is larger than {limit} bytes. mitmproxy's option body_size_limit sets the limit."
        raise ProxyError(413, "request_too_large", text, retry=False) from error
    except content_coding.Damaged as error:
        text = f"The request body is not what Content-Encoding: {error} announces."
        raise ProxyError(400, "invalid_body", text, retry=False) from error
