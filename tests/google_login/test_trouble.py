"""What the disk can do to a sign-in: a proxy that runs goes on with what it has, and everybody hears in words why."""

import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token
from tests.google_login.scripted import GOOGLE, Clock, ScriptedGoogle, granted, read, token

Trouble = Callable[[pytest.MonkeyPatch, Path], None]


def full_disk(patch: pytest.MonkeyPatch, path: Path) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(os, "fsync", full)


def read_only(patch: pytest.MonkeyPatch, path: Path) -> None:
    real = os.open

    def refuse(name: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(name, flags, *more, **named)

    patch.setattr(os, "open", refuse)


def unreadable(patch: pytest.MonkeyPatch, path: Path) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    patch.setattr(Path, "open", refuse)
    os.utime(path)  # somebody touched it: it is read anew


def directory(patch: pytest.MonkeyPatch, path: Path) -> None:
    path.unlink()
    path.mkdir()


class Scene:
    def __init__(self, path: Path) -> None:
        self.path, self.store, self.clock = path, TokenStore(path), Clock()
        self.google = ScriptedGoogle(token=[granted("second"), granted("third")])
        self.http = HttpClient(httpx.MockTransport(self.google.handle))
        self.source = self.another()

    def another(self) -> TokenSource:
        return TokenSource(self.store, GOOGLE, self.http, "http://127.0.0.1:3000/auth/login", self.clock)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "tokens.json")
    scene.store.save(token(3000, "first"))
    yield scene
    await scene.http.aclose()


TROUBLES = [
    pytest.param(full_disk, "the disk is full", id="full-disk"),
    pytest.param(read_only, "Read-only file system", id="read-only"),
    pytest.param(unreadable, "Permission denied", id="unreadable"),
    pytest.param(directory, "Is a directory", id="directory"),
]


@pytest.mark.parametrize(("trouble", "words"), TROUBLES)
async def test_a_running_proxy_goes_on(
    scene: Scene, trouble: Trouble, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.source.token()
    with monkeypatch.context() as patch:
        trouble(patch, scene.path)
        assert (await scene.source.token()).access_token == "ya29.first"
        scene.clock.now += 2900
        for _ in range(20):
            assert (await scene.source.token()).access_token == "ya29.second"
        assert len(scene.google.requests) == 1
        assert words in caplog.text or trouble is unreadable
        assert len(caplog.records) <= 3
        assert "ya29" not in caplog.text
    if scene.path.is_dir():
        scene.path.rmdir()
        scene.store.save(token(0))  # or there would be no sign-in any more: a file that is gone is a sign-out
        return
    scene.clock.now += 3400
    assert (await scene.source.token()).access_token == "ya29.third"
    assert read(scene.path)["access_token"] == "ya29.third"  # and keeps it once it can


@pytest.mark.parametrize(("trouble", "words"), TROUBLES[2:])
async def test_a_proxy_that_starts_says_why(
    scene: Scene, trouble: Trouble, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble(monkeypatch, scene.path)
    for ask in (scene.source.token, scene.source.current):
        with pytest.raises(ProxyError) as caught:
            await ask()
        assert caught.value.code == "token_store_error"
        assert words in caught.value.message
        assert str(scene.path) in caught.value.message
    problem = await scene.source.problem()
    assert problem is not None
    assert problem.code == "token_store_error"


@pytest.mark.parametrize(("trouble", "words"), [p for p in TROUBLES if p.id != "unreadable"])
async def test_a_sign_in_that_cannot_be_kept_says_why(
    scene: Scene, trouble: Trouble, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble(monkeypatch, scene.path)
    async with scene.store.locked():
        with pytest.raises(ProxyError, match=words) as caught:
            scene.store.save(Token("ya29.new"))
    assert caught.value.code == "token_store_error"


def test_before_the_user_is_sent_to_google(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.store.check_writable()
    directory(monkeypatch, scene.path)
    with pytest.raises(ProxyError, match="Is a directory"):
        scene.store.check_writable()
