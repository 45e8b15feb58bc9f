"""Files that other programs may have open: reading, replacing and removing them.

Windows neither replaces nor removes a file that somebody has open, and virus scanners, indexers, backups and other
processes of ours open any file for a moment. So there it is tried for about a second, in the thread that asks.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

WINDOWS = os.name == "nt"
PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.6)  # seconds between attempts

T = TypeVar("T")


def read(path: Path) -> tuple[bytes, os.stat_result]:
    """The content, and the state of the very file that had it. Raises OSError."""
    return _insisting(lambda: _read(path))


def replace(source: Path, target: Path) -> None:
    """Raises OSError."""
    _insisting(lambda: os.replace(source, target))


def remove(path: Path) -> None:
    """Does nothing where there is no such file. Raises OSError."""
    _insisting(lambda: path.unlink(missing_ok=True))


def in_use(error: OSError) -> bool:
    """Whether the likely reason is a program that has the file open."""
    return WINDOWS and isinstance(error, PermissionError)


def readable_by_others(path: Path) -> bool:
    """Whether the mode of a file lets others read it, as on a file system that keeps no modes. Windows' modes say
    nothing of that."""
    try:
        return not WINDOWS and bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    with path.open("rb") as file:
        return file.read(), os.fstat(file.fileno())


def _insisting(step: Callable[[], T]) -> T:
    for pause in PAUSES if WINDOWS else ():
        try:
            return step()
        except PermissionError:
            time.sleep(pause)
    return step()
