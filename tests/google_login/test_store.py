import errno
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gemini_proxy import files as system
from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token

GOOD = Token("ya29.a", "1//r", email="user@example.com")
WRITER = """
import sys
from pathlib import Path
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token
store, n = TokenStore(Path(sys.argv[1])), 0
print("ready", flush=True)
while True:
    n += 1
    store.save(Token(f"ya29.{n}", "1//r" * 5000))
"""


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens.json")


def files(store: TokenStore) -> list[str]:
    return sorted(path.name for path in store.path.parent.iterdir())


def test_what_is_saved_is_loaded(store: TokenStore) -> None:
    store.save(GOOD)
    assert store.load() == GOOD
    assert files(store) == ["tokens.json"]


def test_no_file_is_no_sign_in(store: TokenStore) -> None:
    assert store.load() is None
    assert store.version() is None


def test_a_file_that_was_only_touched_is_no_sign_in(store: TokenStore) -> None:
    store.path.touch()
    assert store.load() is None
    assert files(store) == ["tokens.json"]


def test_only_the_owner_may_read_it_from_the_first_byte(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    real = os.fsync

    def watching(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watching)
    before = os.umask(0)
    try:
        store.path.write_bytes(b"{}")  # 0666
        store.save(GOOD)
    finally:
        os.umask(before)
    assert modes[0] == 0o600
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_directories_that_are_missing_are_made_for_the_owner(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "new" / "tokens.json")
    store.save(GOOD)
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_a_directory_that_is_there_keeps_its_mode(store: TokenStore) -> None:
    store.path.parent.chmod(0o750)
    store.save(GOOD)
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o750


def test_a_symbolic_link_stays_one(store: TokenStore, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.json"
    store.path.symlink_to(target)
    store.save(GOOD)
    assert store.path.is_symlink()
    assert store.load() == GOOD
    store.delete()
    assert not target.exists()


def test_the_version_changes_with_every_write(store: TokenStore) -> None:
    seen = store.version()
    for _ in range(20):
        version = store.save(GOOD)
        assert seen != version == store.version()
        seen = version


def test_delete_forgets_everything(store: TokenStore) -> None:
    store.save(GOOD)
    store.path.with_name(".tokens.json.abcd.tmp").write_bytes(b"half")
    store.delete()
    store.delete()
    assert files(store) == []


def test_damaged_files_are_kept_and_reported_once(store: TokenStore, caplog: pytest.LogCaptureFixture) -> None:
    for n, text in enumerate((b'{"access_token": "ya29.secret', b"[1]", b"[" * 100_000), start=1):
        store.path.write_bytes(text)
        with pytest.raises(ProxyError) as caught:
            store.load()
        assert (caught.value.status, caught.value.code) == (401, "google_login_required")
        assert f"tokens.json.corrupt-{n}" in caught.value.message
        assert store.path.with_name(f"tokens.json.corrupt-{n}").read_bytes() == text
        assert store.load() is None
    assert "corrupt-1" in caplog.text
    assert "secret" not in caplog.text


def test_a_damaged_file_in_a_directory_that_is_read_only(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "read-only")

    store.path.write_bytes(b"x")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(ProxyError, match=r"is damaged\. Sign in again"):
        store.load()
    assert files(store) == ["tokens.json"]


def test_a_good_file_that_came_meanwhile_is_not_set_aside(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.path.write_bytes(b"x")

    def meanwhile(_: bytes) -> Token:
        store.save(GOOD)
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(Token, "from_json", meanwhile)
        with pytest.raises(ProxyError):
            store.load()
    assert files(store) == ["tokens.json"]
    assert store.load() == GOOD


def test_a_path_that_cannot_be_looked_at(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / ("x" * 300))
    assert store.version() is not None  # so that it is read, and the reason heard
    with pytest.raises(ProxyError, match="File name too long"):
        store.load()


def test_old_leftovers_go_and_fresh_ones_stay(store: TokenStore) -> None:
    old, fresh = (store.path.with_name(f".tokens.json.{name}.tmp") for name in ("old", "fresh"))
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3600,) * 2)
    store.save(GOOD)
    assert files(store) == [".tokens.json.fresh.tmp", "tokens.json"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(GOOD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProxyError) as caught:
        store.save(Token("ya29.b"))
    assert "disk is full" in caught.value.message
    assert store.load() == GOOD
    assert files(store) == ["tokens.json"]


@pytest.mark.parametrize("do", ["load", "save", "delete"])
def test_a_directory_in_the_files_place(store: TokenStore, do: str) -> None:
    store.path.mkdir()
    arguments = [GOOD] if do == "save" else []
    with pytest.raises(ProxyError) as caught:
        getattr(store, do)(*arguments)
    assert caught.value.code == "token_store_error"
    assert str(store.path) in caught.value.message
    assert files(store) == ["tokens.json"]


def test_a_file_in_the_directorys_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = TokenStore(tmp_path / "file" / "tokens.json")
    assert store.version() is None
    assert store.load() is None
    store.delete()
    with pytest.raises(ProxyError, match="cannot be written"):
        store.save(GOOD)


def test_a_file_of_somebody_else(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(GOOD)

    def refused(*arguments: object) -> None:  # as the system does; root, as whom containers run tests, may read all
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ProxyError, match="Permission denied"):
        store.load()


def test_kill_at_any_moment_leaves_a_readable_file(store: TokenStore) -> None:
    store.save(GOOD)
    root = Path(__file__).parents[2]
    seen = set()
    for n in range(6):
        command = [sys.executable, "-c", WRITER, str(store.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            before = store.version()
            deadline = time.monotonic() + 5
            while store.version() == before and time.monotonic() < deadline:  # until it is in full swing
                pass
            time.sleep(0.0007 * n)  # another moment of a write each time
            writer.kill()
        token = store.load()
        assert token is not None
        seen.add(token.access_token)
        assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert seen - {GOOD.access_token}
    leftovers = [path for path in store.path.parent.iterdir() if path != store.path]
    assert all(path.name.endswith(".tmp") and stat.S_IMODE(path.stat().st_mode) == 0o600 for path in leftovers)
    assert json.loads(store.path.read_bytes())


# A system like Windows, where a file that somebody has open can be neither replaced nor removed -----------------------


class InUse:
    """Another program that lets go of a file after some attempts of ours."""

    def __init__(self, patch: pytest.MonkeyPatch, attempts: float) -> None:
        self.left = attempts
        self.pauses: list[float] = []
        patch.setattr(system, "WINDOWS", True)
        patch.setattr(time, "sleep", self.pauses.append)
        for owner, name in ((os, "replace"), (Path, "unlink"), (Path, "open")):
            patch.setattr(owner, name, self.held(getattr(owner, name)))

    def held(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def attempt(*arguments: Any, **named: Any) -> Any:
            if ".tmp" in str(arguments[-1]):
                return real(*arguments, **named)
            self.left -= 1
            if self.left >= 0:
                raise PermissionError(errno.EACCES, "Access is denied")
            return real(*arguments, **named)

        return attempt


@pytest.mark.parametrize("do", ["load", "save", "delete"])
def test_a_file_in_use_is_waited_for(store: TokenStore, monkeypatch: pytest.MonkeyPatch, do: str) -> None:
    store.save(GOOD)
    with monkeypatch.context() as patch:
        held = InUse(patch, 5)
        getattr(store, do)(*([Token("ya29.b")] if do == "save" else []))
        assert held.pauses == sorted(held.pauses)
        assert len(held.pauses) == 5
        assert sum(held.pauses) < 1.5
    assert store.load() == {"load": GOOD, "save": Token("ya29.b"), "delete": None}[do]
    assert files(store) == ([] if do == "delete" else ["tokens.json"])


@pytest.mark.parametrize(("do", "what"), [("load", "read"), ("save", "written"), ("delete", "deleted")])
def test_a_file_that_stays_in_use_is_named(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch, do: str, what: str
) -> None:
    store.save(GOOD)
    with monkeypatch.context() as patch:
        InUse(patch, float("inf"))
        with pytest.raises(ProxyError) as caught:
            getattr(store, do)(*([Token("ya29.b")] if do == "save" else []))
    assert f"{store.path} cannot be {what}: Permission denied. Another program may have it open" in caught.value.message
    assert store.load() == GOOD
    assert files(store) == ["tokens.json"]


def test_elsewhere_a_refusal_is_final(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(GOOD)
    held = InUse(monkeypatch, 1)
    monkeypatch.setattr(system, "WINDOWS", False)
    with pytest.raises(ProxyError, match="TOKEN_STORE_PATH"):
        store.delete()
    assert held.pauses == []


# Who else may read it -------------------------------------------------------------------------------------------------


def test_a_file_that_others_may_read_is_told_once(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(system, "WINDOWS", False)
    store.save(GOOD)
    store.load()
    assert caplog.text == ""
    store.path.chmod(0o644)
    for _ in range(2):
        store.load()
    assert caplog.text.count(f"may be able to read {store.path}") == 1


def test_a_file_system_without_modes_is_told(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = os.fdopen

    def without_modes(descriptor: int, *more: Any) -> Any:
        os.fchmod(descriptor, 0o777)
        return real(descriptor, *more)

    monkeypatch.setattr(system, "WINDOWS", False)
    monkeypatch.setattr(os, "fdopen", without_modes)
    store.save(GOOD)
    assert "file system that keeps modes" in caplog.text
