"""A pytest plugin (`pytest -p tests.windows_like`): what the package asks of the system is answered as Windows would.

Only calls of the package's own are touched, so that pytest and the tests see the system that is there: no signal
handlers in the event loop, no opening of folders, `os.access` says yes to everything, and a file that somebody reads
cannot be replaced (here: the first attempt at each name fails).
"""

import asyncio.unix_events
import errno
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from gemini_proxy import files

PACKAGE = str(Path(__file__).parents[1] / "gemini_proxy") + os.sep
TESTS = str(Path(__file__).parent) + os.sep

_open, _replace, _access = os.open, os.replace, os.access
_refused: set[str] = set()


def _asked_by_the_package() -> bool:
    """Whether the innermost code of ours or of the tests that led to a call is ours."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith((PACKAGE, TESTS)):
            return name.startswith(PACKAGE)
        frame = frame.f_back
    return False


def _no_handler(*_: Any) -> None:
    raise NotImplementedError


def _open_no_folder(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
    if _asked_by_the_package() and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied")
    return _open(path, flags, mode, **more)


def _replace_in_use(source: Any, target: Any, **more: Any) -> None:
    if _asked_by_the_package() and os.path.exists(target) and str(target) not in _refused:
        _refused.add(str(target))
        raise PermissionError(errno.EACCES, "Access is denied")
    _refused.discard(str(target))
    _replace(source, target, **more)


def _access_granted(path: Any, mode: int, **more: Any) -> bool:
    return True if _asked_by_the_package() else _access(path, mode, **more)


def pytest_configure() -> None:
    setattr(asyncio.unix_events._UnixSelectorEventLoop, "add_signal_handler", _no_handler)  # noqa: B010
    files.WINDOWS = True
    os.open, os.replace, os.access = _open_no_folder, _replace_in_use, _access_granted  # type: ignore[assignment]
