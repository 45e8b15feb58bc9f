"""One line for each request: what was asked for and what came of it, never who asked or what was said."""

import json
import logging
from collections.abc import Mapping

logger = logging.getLogger("gemini_proxy.requests")
QUIET = ("/health", "/health/ready")  # asked every few seconds where something watches


def write(path: str, record: Mapping[str, object], *, as_json: bool) -> None:
    level = logging.DEBUG if path in QUIET else logging.INFO
    if as_json:
        logger.log(level, "%s", json.dumps(record))
    else:
        logger.log(level, "%s", " ".join(f"{name}={_word(value)}" for name, value in record.items()))


def warn(path: str, remarks: str) -> None:
    """What a client asked for or Google said that could not be honoured: a stream's headers may have left before."""
    logger.warning("%s: %s", path, "".join(c if c.isprintable() else "?" for c in remarks)[:1000])


def _word(value: object) -> str:
    """A client writes methods, paths and models: no line breaks, no blanks, and not without end."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(c if c.isprintable() and c != " " else "?" for c in text)[:200]
