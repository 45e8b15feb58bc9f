"""What the disk can do to a sign-in: a proxy that runs goes on with what it has, and everybody hears in words why."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.source import SAVE_AGAIN, TokenSource
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


ROTATED = granted("second", refresh_token="1//rotated")


async def unsaved(scene: Scene, patch: pytest.MonkeyPatch, trouble: Trouble = full_disk) -> None:
    """A refresh that brings a new refresh token, which the file does not get."""
    scene.google.scripts["token"] = [ROTATED, granted("third")]
    await scene.source.token()
    scene.clock.now += 2900
    trouble(patch, scene.path)
    await scene.source.token()
    assert read(scene.path)["refresh_token"] == "1//first"


async def next_request(scene: Scene, later: float = SAVE_AGAIN) -> None:
    """One some seconds later; the writing goes on beside it."""
    scene.clock.now += later
    await scene.source.token()
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


@pytest.mark.parametrize("trouble", [full_disk, read_only])
async def test_what_could_not_be_written_is_written_with_a_later_request(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: Trouble
) -> None:
    with monkeypatch.context() as patch:
        await unsaved(scene, patch, trouble)
        for _ in range(5):
            await next_request(scene)  # still no room
    assert read(scene.path)["refresh_token"] == "1//first"
    await next_request(scene, SAVE_AGAIN - 5)  # too soon after the last attempt
    assert read(scene.path)["refresh_token"] == "1//first"
    await next_request(scene)
    assert read(scene.path)["refresh_token"] == "1//rotated"
    assert len(scene.google.requests) == 1
    assert caplog.text.count("only in memory") == 1


async def test_what_could_not_be_written_is_written_at_the_end(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        await unsaved(scene, patch)
    await scene.source.aclose()
    assert read(scene.path)["refresh_token"] == "1//rotated"


async def test_the_first_of_two_that_could_not_be_written_is_not_forgotten(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        await unsaved(scene, patch)
        scene.clock.now += 3400
        assert (await scene.source.token()).access_token == "ya29.third"
    os.utime(scene.path, (1, 1))  # it is read anew
    await next_request(scene)
    assert (read(scene.path)["access_token"], read(scene.path)["refresh_token"]) == ("ya29.third", "1//rotated")


@pytest.mark.parametrize("how", ["a request", "the end"])
async def test_what_somebody_else_wrote_meanwhile_stays(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    with monkeypatch.context() as patch:
        await unsaved(scene, patch)
    scene.store.save(token(9000, "theirs"))
    await (next_request(scene) if how == "a request" else scene.source.aclose())
    assert read(scene.path)["refresh_token"] == "1//theirs"
    assert (await scene.source.token()).refresh_token == "1//theirs"


async def test_a_sign_out_meanwhile_stays_one(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        await unsaved(scene, patch)
    scene.store.delete()
    await scene.source.aclose()
    assert not scene.path.exists()


@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize("seen_again", ["touched", "unreadable for a while"])
async def test_a_file_that_still_holds_the_old_sign_in_does_not_replace_the_new_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, seen_again: str, at_the_end: bool
) -> None:
    """The network drive was away: what comes back is what Google may not take any more."""
    with monkeypatch.context() as patch:
        await unsaved(scene, patch)
        if seen_again != "touched":
            unreadable(patch, scene.path)
            await scene.source.token()
    os.utime(scene.path, (1, 1))
    if not at_the_end:
        assert (await scene.source.token()).refresh_token == "1//rotated"
        await next_request(scene)
    else:
        await scene.source.aclose()
    assert read(scene.path)["refresh_token"] == "1//rotated"


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
