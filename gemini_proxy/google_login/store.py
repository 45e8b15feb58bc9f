"""The file that keeps the sign-in: its owner's alone, and whole at every moment."""

import contextlib
import errno
import logging
import os
import secrets
import time
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path

from gemini_proxy import files
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.lock import ProcessLock
from gemini_proxy.google_login.token import Token

logger = logging.getLogger(__name__)

Version = tuple[int, int, int]
ABANDONED = 60.0  # seconds after which a temporary file has no writer any more


class TokenStore:
    """One token file. Several processes may read and write it: a change by one shows in `version` of the others."""

    advice = ""  # what to do when the sign-in is over, where that is not to sign in again

    def __init__(self, path: Path) -> None:
        self.path = path
        target = self._target()
        self._warned = False
        self._lock = ProcessLock(target.with_name(f"{target.name}.lock"))

    def locked(self) -> AbstractAsyncContextManager[None]:
        """To be held around reading and writing where the one depends on the other."""
        return self._lock.held()

    def version(self) -> Version | None:
        """What changes with every write (mtime, inode, size), None while there is no file."""
        try:
            return _version(os.stat(self.path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:  # `load` says what is wrong
            return (0, 0, -(error.errno or 1))

    def load(self) -> Token | None:
        """The sign-in, None where there is none.

        A file that holds none is set aside, never overwritten, and reported once as ProxyError
        `google_login_required`; one that cannot be read is ProxyError `token_store_error`.
        """
        try:
            text, state = files.read(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._trouble("read", error) from error
        self._warn_of_readers()
        try:
            return Token.from_json(text) if text.strip() else None  # a file that was only touched
        except ValueError as error:
            raise self._damaged(_version(state), error) from error

    def save(self, token: Token) -> Version:
        """Replaces the file in one step; returns its new version. Raises ProxyError `token_store_error`."""
        try:
            path = self._target()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep(ABANDONED)
            version = _replace(path, token.to_json())
        except OSError as error:
            raise self._trouble("written", error) from error
        self._warn_of_readers()
        return version

    def check_writable(self) -> None:
        """Raises ProxyError where a sign-in could not be kept whatever Google says."""
        if self.path.is_dir():
            raise self._trouble("written", IsADirectoryError(errno.EISDIR, ""))
        folder = self._target().parent
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise self._trouble("written", PermissionError(errno.EACCES, ""))

    def delete(self) -> None:
        """Forgets the sign-in. Raises ProxyError `token_store_error`."""
        try:
            files.remove(self._target())
            self._sweep(0)
        except NotADirectoryError:
            return
        except OSError as error:
            raise self._trouble("deleted", error) from error

    def _target(self) -> Path:
        """The file behind a symbolic link, which stays a link."""
        return Path(os.path.realpath(self.path))

    def _sweep(self, age: float) -> None:
        """Removes what a writer left that was killed before its last step."""
        path = self._target()
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            with contextlib.suppress(OSError):
                if leftover.stat().st_mtime <= time.time() - age:
                    leftover.unlink()

    def _damaged(self, version: Version, reason: ValueError) -> ProxyError:
        kept = self._set_aside(version)
        where = f" It is kept as {kept}." if kept else ""
        logger.warning("%s holds no sign-in (%s).%s", self.path, type(reason).__name__, where)
        text = f"The token file {self.path} is damaged.{where} Sign in again."
        return ProxyError(401, "google_login_required", text, retry=False)

    def _set_aside(self, version: Version) -> Path | None:
        path = self._target()
        names = (path.with_name(f"{path.name}.corrupt-{n}") for n in count(1))
        kept = next(name for name in names if not name.exists())
        if self.version() != version:  # somebody has just written a good one
            return None
        with contextlib.suppress(OSError):
            files.replace(path, kept)
            return kept
        return None

    def _warn_of_readers(self) -> None:
        """Once: the file is made for its owner alone, but not every file system heeds that."""
        if not self._warned and files.readable_by_others(self._target()):
            self._warned = True
            logger.warning(
                "Other users of this machine may be able to read %s: its mode should be 0600, on a file system that keeps "
                "modes.",
                self.path,
            )

    def _trouble(self, what: str, error: OSError) -> ProxyError:
        reason = os.strerror(error.errno) if error.errno else "unknown reason"
        text = (
            f"The token file {self.path} cannot be {what}: {reason}. "
            "Let TOKEN_STORE_PATH name a file in a directory that you own."
        )
        if error.errno == errno.ENOSPC:
            text = f"The token file {self.path} cannot be {what}: the disk is full."
        if files.in_use(error):
            text = (
                f"The token file {self.path} cannot be {what}: {reason}. Another program may have it open, such as an "
                "editor, a virus scanner or a backup: try again in a moment. If it stays, let TOKEN_STORE_PATH name a "
                "file in a folder of your own."
            )
        return ProxyError(500, "token_store_error", text, retry=False)


def _replace(path: Path, text: bytes) -> Version:
    """Writes beside the file, then moves over it: a kill at any moment leaves the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            version = _version(os.fstat(descriptor))
        files.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path.parent)
    return version  # of what we wrote: a stat now could already see another's


def _sync_directory(directory: Path) -> None:
    with contextlib.suppress(OSError):  # not every system lets a directory be opened
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _version(stat: os.stat_result) -> Version:
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)
