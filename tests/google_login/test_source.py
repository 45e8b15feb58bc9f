import asyncio
import os
import stat
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from filelock import FileLock

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.sign_out import sign_out
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.store import TokenStore
from tests.google_login.scripted import GOOGLE, NOW, REVOKED, Clock, Script, ScriptedGoogle, granted, read, token

LOGIN = "http://127.0.0.1:3000/auth/login"
DOWN = httpx.ConnectError("no network")


class Scene:
    """A source with its file, its Google and its clock."""

    def __init__(self, path: Path) -> None:
        self.store = TokenStore(path)
        self.lock = path.with_name(f"{path.name}.lock")
        self.clock = Clock()
        self.google = ScriptedGoogle(token=granted())
        self.clients: list[HttpClient] = []
        self.source = self.another_source()

    def another_source(self) -> TokenSource:
        self.clients.append(HttpClient(httpx.MockTransport(lambda request: self.google.handle(request))))
        return TokenSource(self.store, GOOGLE, self.clients[-1], LOGIN, self.clock)

    def says(self, *answers: Script) -> None:
        self.google.scripts["token"] = list(answers)

    @property
    def refreshes(self) -> int:
        return len(self.google.requests)

    async def refusal(self) -> ProxyError:
        with pytest.raises(ProxyError) as caught:
            await self.source.token()
        return caught.value


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path / "tokens.json")
    yield scene
    for client in scene.clients:
        await client.aclose()


@pytest.mark.parametrize(("left", "refreshes"), [(3599, 0), (300.001, 0), (300, 1), (299, 1), (0, 1), (-5000, 1)])
async def test_refreshed_five_minutes_before_the_end(scene: Scene, left: float, refreshes: int) -> None:
    scene.store.save(token(left))
    got = await scene.source.token()
    assert scene.refreshes == refreshes
    assert got.access_token == ("ya29.new" if refreshes else "ya29.old")


async def test_fifty_callers_one_refresh(scene: Scene) -> None:
    scene.store.save(token(-1))
    tokens = await asyncio.gather(*(scene.source.token() for _ in range(50)))
    assert {token.access_token for token in tokens} == {"ya29.new"}
    assert scene.refreshes == 1
    assert scene.google.forms()[0] == GOOGLE.refresh_form("1//old")


async def test_what_google_sent_is_kept_in_the_file(scene: Scene) -> None:
    scene.store.save(token(-1, email="user@example.com", project_id="p", extra={"x": 1}))
    await scene.source.token()
    assert read(scene.store.path) == {
        "access_token": "ya29.new",
        "token_type": "Bearer",
        "refresh_token": "1//old",
        "email": "user@example.com",
        "project_id": "p",
        "expiry_date": int((NOW + 3599) * 1000),
        "issued_at": int(NOW * 1000),
        "x": 1,
    }
    await scene.source.token()
    assert scene.refreshes == 1


async def test_nobody_signed_in(scene: Scene) -> None:
    error = await scene.refusal()
    assert (error.status, error.code, error.retry) == (401, "google_login_required", False)
    assert LOGIN in error.message
    assert scene.refreshes == 0


async def test_a_sign_in_takes_effect_at_once_and_a_sign_out_too(scene: Scene) -> None:
    await scene.refusal()
    scene.store.save(token(3000))
    assert (await scene.source.token()).access_token == "ya29.old"
    scene.store.save(token(3000, "other"))
    assert (await scene.source.token()).access_token == "ya29.other"
    scene.store.delete()
    assert (await scene.refusal()).code == "google_login_required"


async def test_the_refresh_of_another_process_is_taken_over(scene: Scene) -> None:
    scene.store.save(token(3000))
    await scene.source.token()
    scene.clock.now += 2800
    scene.store.save(token(6000, "theirs"))
    assert (await scene.source.token()).access_token == "ya29.theirs"
    assert scene.refreshes == 0


async def test_a_dead_sign_in_is_asked_for_once(scene: Scene) -> None:
    scene.says(REVOKED)
    scene.store.save(token(-1))
    assert (await scene.refusal()).code == "google_login_required"
    assert LOGIN in (await scene.refusal()).message
    assert scene.refreshes == 1
    assert await scene.source.current() is None
    scene.says(granted())
    scene.store.save(token(-1, "again"))
    assert (await scene.source.token()).access_token == "ya29.new"


async def test_dead_for_all_who_wait(scene: Scene) -> None:
    scene.says(REVOKED)
    scene.store.save(token(-1))
    answers = await asyncio.gather(*(scene.source.token() for _ in range(20)), return_exceptions=True)
    assert {getattr(answer, "code", None) for answer in answers} == {"google_login_required"}
    assert scene.refreshes == 1


async def test_without_a_refresh_token_it_ends_with_the_access_token(scene: Scene) -> None:
    scene.store.save(token(400, refresh_token=""))
    await scene.source.token()
    scene.clock.now += 100
    assert (await scene.refusal()).code == "google_login_required"
    assert await scene.source.current() is not None  # it works for five minutes yet
    scene.clock.now += 300
    assert await scene.source.current() is None
    assert scene.refreshes == 0


async def test_no_network_and_a_token_that_is_still_good(scene: Scene) -> None:
    scene.says(DOWN, DOWN, granted())
    scene.store.save(token(200))
    assert (await scene.source.token()).access_token == "ya29.old"
    assert (await scene.source.token()).access_token == "ya29.old"
    assert scene.refreshes == 1  # not with every request
    scene.clock.now += 15
    assert (await scene.source.token()).access_token == "ya29.old"
    scene.clock.now += 15
    assert (await scene.source.token()).access_token == "ya29.new"
    assert scene.refreshes == 3


@pytest.mark.parametrize("answer", [DOWN, (500, b"oops"), (429, {"error": "slow_down"})])
async def test_no_network_and_a_token_that_is_over(scene: Scene, answer: Script) -> None:
    scene.says(answer, granted())
    scene.store.save(token(0))
    error = await scene.refusal()
    assert (error.status, error.retry) == (503, True)
    assert (await scene.source.token()).access_token == "ya29.new"


async def test_a_caller_that_goes_away_does_not_take_the_refresh_along(scene: Scene) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slowly(_: httpx.Request) -> object:
        asked.set()
        await go.wait()
        return granted()

    scene.says(slowly)
    scene.store.save(token(-1))
    first = asyncio.create_task(scene.source.token())
    second = asyncio.create_task(scene.source.token())
    await asked.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert (await second).access_token == "ya29.new"
    assert scene.refreshes == 1


@pytest.mark.parametrize("answer", [granted(), REVOKED, DOWN])
async def test_all_callers_go_away(scene: Scene, answer: Script) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slowly(_: httpx.Request) -> object:
        asked.set()
        await go.wait()
        return answer

    scene.says(slowly)
    scene.store.save(token(-1))
    caller = asyncio.create_task(scene.source.token())
    await asked.wait()
    caller.cancel()
    go.set()
    await scene.source.aclose()  # waits until what Google gave is in the file
    assert read(scene.store.path)["access_token"] == ("ya29.new" if answer == granted() else "ya29.old")


async def test_one_refresh_for_all_who_were_refused(scene: Scene) -> None:
    scene.store.save(token(3000))
    refused = (await scene.source.token()).access_token
    tokens = await asyncio.gather(*(scene.source.refresh_after_rejection(refused) for _ in range(20)))
    assert {token.access_token for token in tokens} == {"ya29.new"}
    assert (await scene.source.refresh_after_rejection(refused)).access_token == "ya29.new"
    assert scene.refreshes == 1


async def test_refused_while_the_file_is_being_read(scene: Scene) -> None:
    scene.store.save(token(3000))
    first = asyncio.create_task(scene.source.token())
    await asyncio.sleep(0)
    assert (await scene.source.refresh_after_rejection("ya29.old")).access_token == "ya29.new"
    await first
    assert scene.refreshes == 1


async def test_refused_while_it_is_being_written(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, writing, go, real = asyncio.get_running_loop(), asyncio.Event(), threading.Event(), os.fsync

    def slow(descriptor: int) -> None:
        loop.call_soon_threadsafe(writing.set)
        go.wait(5)
        real(descriptor)

    scene.says(granted("second"), granted("third"))
    scene.store.save(token(-1))
    monkeypatch.setattr(os, "fsync", slow)
    first = asyncio.create_task(scene.source.token())
    await writing.wait()
    assert (await scene.source.token()).access_token == "ya29.second"  # nobody waits for the disk
    again = asyncio.create_task(scene.source.refresh_after_rejection("ya29.second"))
    await asyncio.sleep(0)
    go.set()
    assert (await again).access_token == "ya29.third"
    await first


async def test_refused_and_no_network(scene: Scene) -> None:
    scene.says(DOWN)
    scene.store.save(token(3000))
    with pytest.raises(ProxyError) as caught:
        await scene.source.refresh_after_rejection("ya29.old")
    assert caught.value.status == 503


async def test_the_same_token_again_is_not_asked_for_without_end(scene: Scene) -> None:
    scene.says(granted("old"))
    scene.store.save(token(3000))
    assert (await scene.source.refresh_after_rejection("ya29.old")).access_token == "ya29.old"
    assert scene.refreshes == 1


async def test_a_sign_out_during_a_refresh_stays_a_sign_out(scene: Scene) -> None:
    async def meanwhile(_: httpx.Request) -> object:
        scene.store.delete()
        return granted()

    scene.says(meanwhile)
    scene.store.save(token(-1))
    await scene.source.token()
    assert not scene.store.path.exists()
    assert (await scene.refusal()).code == "google_login_required"


async def test_a_sign_in_during_a_refresh_wins(scene: Scene) -> None:
    async def meanwhile(_: httpx.Request) -> object:
        scene.store.save(token(3000, "other"))
        return granted()

    scene.says(meanwhile)
    scene.store.save(token(-1))
    await scene.source.token()
    assert (await scene.source.token()).access_token == "ya29.other"


async def test_a_disk_that_cannot_be_written_does_not_stop_the_proxy(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "full")

    scene.store.save(token(-1))
    monkeypatch.setattr(os, "fsync", full)
    for _ in range(3):
        assert (await scene.source.token()).access_token == "ya29.new"
    assert scene.refreshes == 1
    assert caplog.text.count("only in memory until it can be written") == 1
    assert "ya29" not in caplog.text


async def test_a_file_that_gets_damaged_does_not_stop_the_proxy(scene: Scene) -> None:
    scene.store.save(token(3000))
    await scene.source.token()
    scene.store.path.write_bytes(b"{")
    for _ in range(2):
        assert (await scene.source.token()).access_token == "ya29.old"
    assert scene.store.path.with_name("tokens.json.corrupt-1").exists()
    scene.clock.now += 2900
    await scene.source.token()
    assert read(scene.store.path)["access_token"] == "ya29.new"


async def test_a_damaged_file_at_the_start(scene: Scene) -> None:
    scene.store.path.write_bytes(b"{")
    assert "corrupt-1" in (await scene.refusal()).message
    assert LOGIN in (await scene.refusal()).message


async def test_the_disk_never_holds_up_the_loop(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, real = [], os.fsync

    def watching(descriptor: int) -> None:
        threads.append(threading.current_thread())
        real(descriptor)

    scene.store.save(token(-1))
    monkeypatch.setattr(os, "fsync", watching)
    await scene.source.token()
    assert threads
    assert threading.current_thread() not in threads


async def test_a_file_that_was_written_anew_is_given_another_chance(scene: Scene) -> None:
    scene.says(REVOKED, granted())
    scene.store.save(token(-1))
    await scene.refusal()
    scene.store.save(token(-1))
    assert (await scene.source.token()).access_token == "ya29.new"


# Several processes on one file -----------------------------------------------------------------------------------------


async def test_two_proxies_on_one_file(scene: Scene) -> None:
    other = scene.another_source()
    scene.store.save(token(-1))
    await scene.source.token()
    assert (await other.token()).access_token == "ya29.new"
    assert scene.refreshes == 1


async def test_ten_processes_and_one_refresh(scene: Scene) -> None:
    sources = [scene.another_source() for _ in range(10)]
    scene.store.save(token(-1))
    tokens = await asyncio.gather(*(source.token() for source in sources for _ in range(5)))
    assert {token.access_token for token in tokens} == {"ya29.new"}
    assert scene.refreshes == 1
    assert stat.S_IMODE(scene.lock.stat().st_mode) == 0o600


async def test_a_refresh_token_that_google_changes_is_never_lost(scene: Scene) -> None:
    def rotated(n: int) -> Script:
        return granted(str(n), refresh_token=f"1//{n}", expires_in=-1)

    scene.says(*map(rotated, range(20)))
    sources = [scene.another_source() for _ in range(10)]
    scene.store.save(token(-1, "first"))
    await asyncio.gather(*(source.token() for source in sources))
    used = [form["refresh_token"] for form in scene.google.forms()]
    assert used == ["1//first", *(f"1//{n}" for n in range(len(used) - 1))]
    assert read(scene.store.path)["refresh_token"] == f"1//{len(used) - 1}"


async def test_the_loop_runs_on_while_another_process_holds_the_lock(scene: Scene) -> None:
    scene.store.save(token(-1))
    code = (
        "import sys, filelock as f; lock = f.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); sys.stdin.read()"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(scene.lock), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    waiting = asyncio.create_task(scene.source.token())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert scene.refreshes == 0
    process.kill()  # the lock goes with it
    assert (await waiting).access_token == "ya29.new"
    await process.wait()


async def test_a_lock_that_is_never_given_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gemini_proxy.google_login.lock.WAIT", 0.05)
    scene.store.save(token(-1))
    with FileLock(scene.lock):
        assert (await scene.source.token()).access_token == "ya29.new"
    assert "without a lock" in caplog.text


async def test_where_there_can_be_no_lock_it_is_said_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.lock.mkdir()
    scene.says(granted(expires_in=-1))
    scene.store.save(token(-1))
    for _ in range(3):
        assert (await scene.source.token()).access_token == "ya29.new"
    assert scene.refreshes == 3
    assert caplog.text.count("without a lock") == 1


async def test_renewed_by_another_process_while_google_refuses_the_old_refresh_token(scene: Scene) -> None:
    async def meanwhile(_: httpx.Request) -> object:
        scene.store.save(token(3000, "theirs"))
        return REVOKED

    scene.says(meanwhile)
    scene.store.save(token(-1))
    assert (await scene.source.token()).access_token == "ya29.theirs"


# Clocks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lifetime", "early"), [(3599, 300), (600, 300), (300, 150), (2, 1)])
async def test_a_short_lived_token_is_renewed_at_half_its_life(scene: Scene, lifetime: float, early: float) -> None:
    scene.says(granted("short", expires_in=lifetime))
    scene.store.save(token(-1))
    await scene.source.token()
    scene.clock.now += lifetime - early - 0.01
    await scene.source.token()
    assert scene.refreshes == 1
    scene.clock.now += 0.02
    await scene.source.token()
    assert scene.refreshes == 2


async def test_a_machine_that_slept(scene: Scene) -> None:
    scene.store.save(token(3000))
    await scene.source.token()
    scene.clock.now += 8 * 3600
    assert (await scene.source.token()).access_token == "ya29.new"


async def test_a_file_from_the_future(scene: Scene) -> None:
    """The clock was a year ahead when it was written: the token is long over, whatever its date says."""
    year = 365 * 86400
    scene.store.save(token(year + 3599, issued_at=int((NOW + year) * 1000)))
    assert (await scene.source.token()).access_token == "ya29.new"
    assert (await scene.source.token()).access_token == "ya29.new"
    assert scene.refreshes == 1


async def test_the_clock_of_another_machine_that_is_a_little_ahead(scene: Scene) -> None:
    scene.store.save(token(3700, issued_at=int((NOW + 100) * 1000)))
    assert (await scene.source.token()).access_token == "ya29.old"


async def test_a_clock_that_is_set_back_after_a_failure(scene: Scene) -> None:
    scene.says(DOWN, granted())
    scene.store.save(token(200))
    await scene.source.token()
    scene.clock.now -= 86400
    scene.store.save(token(200 - 86400))
    assert (await scene.source.token()).access_token == "ya29.new"


# What is known to stand in the way -------------------------------------------------------------------------------------

REFUSED = ProxyError(403, "account_not_eligible", "No.")


async def test_a_refused_account_is_known_until_a_call_works_or_another_signs_in(scene: Scene) -> None:
    scene.store.save(token(-1))
    await scene.source.token()
    assert await scene.source.problem() is None
    scene.source.note(REFUSED)
    scene.clock.now += 3599
    await scene.source.token()  # renewed, and still the same account
    assert await scene.source.problem() is REFUSED
    assert await scene.source.problem(within=60) is None
    scene.source.note(None)
    assert await scene.source.problem() is None
    scene.source.note(REFUSED)
    scene.store.save(token(3000, "other"))
    assert await scene.source.problem() is None


async def test_nobody_is_no_problem_and_a_dead_sign_in_is_one(scene: Scene) -> None:
    assert await scene.source.problem() is None
    scene.says(REVOKED)
    scene.store.save(token(-1))
    assert await scene.source.problem() is None
    await scene.refusal()
    problem = await scene.source.problem()
    assert problem is not None
    assert problem.code == "google_login_required"


async def test_a_failed_refresh_is_a_problem_for_a_minute(scene: Scene) -> None:
    scene.says(DOWN)
    scene.store.save(token(200))
    await scene.source.token()
    assert await scene.source.problem() is None  # the old one works yet
    scene.clock.now += 201
    await scene.refusal()
    problem = await scene.source.problem()
    assert problem is not None
    assert problem.code == "google_unreachable"
    scene.clock.now += 61
    assert await scene.source.problem() is None


async def test_a_damaged_file_is_a_problem(scene: Scene) -> None:
    scene.store.path.write_bytes(b"{")
    problem = await scene.source.problem()
    assert problem is not None
    assert "damaged" in problem.message


async def test_current_asks_nothing_of_google(scene: Scene) -> None:
    assert await scene.source.current() is None
    scene.store.save(token(-1))
    assert await scene.source.current() == scene.store.load()
    assert scene.refreshes == 0


async def test_aclose_before_anything_happened(scene: Scene) -> None:
    await scene.source.aclose()


@pytest.mark.parametrize(
    ("answer", "outcome"), [((200, {}), "revoked"), (REVOKED, "deleted"), (DOWN, "deleted")]
)  # fmt: skip
async def test_sign_out_deletes_whatever_google_says(scene: Scene, answer: Script, outcome: str) -> None:
    scene.google.scripts["revoke"] = [answer]
    scene.store.save(token(3000))
    assert await sign_out(scene.store, GOOGLE, scene.clients[0]) == outcome
    assert scene.google.forms() == [{"token": "1//old"}]
    assert scene.google.requests[0].url.query == b""
    assert not scene.store.path.exists()


async def test_sign_out_of_an_access_token_alone(scene: Scene) -> None:
    scene.google.scripts["revoke"] = [(200, {})]
    scene.store.save(replace(token(3000), refresh_token=""))
    assert await sign_out(scene.store, GOOGLE, scene.clients[0]) == "revoked"
    assert scene.google.forms() == [{"token": "ya29.old"}]


@pytest.mark.parametrize("damaged", [False, True])
async def test_sign_out_of_nothing(scene: Scene, damaged: bool) -> None:
    if damaged:
        scene.store.path.write_bytes(b"{")
    assert await sign_out(scene.store, GOOGLE, scene.clients[0]) == "absent"
    assert scene.refreshes == 0


async def test_a_hint_for_whoever_has_to_sign_in(tmp_path: Path) -> None:
    http = ScriptedGoogle().client()
    source = TokenSource(
        TokenStore(tmp_path / "t.json"), GOOGLE, http, "http://127.0.0.1:1/auth/login", hint="A key is set."
    )
    assert "A key is set. To sign in, open http://127.0.0.1:1/auth/login" in source.nobody().message
    await http.aclose()
