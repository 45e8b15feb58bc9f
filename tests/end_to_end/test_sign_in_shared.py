"""Several processes on one token file (issue: two proxies, login.py, tokens that live two seconds)."""

from pathlib import Path

from gemini_proxy.emulator import Emulator
from tests.end_to_end.shared_file import (
    LIFETIME,
    Load,
    one_proxy_and_others_that_are_killed,
    two_proxies_and_login,
)


async def test_two_proxies_and_login_share_a_file(tmp_path: Path) -> None:
    with Emulator(token_lifetime=LIFETIME) as google:
        load = Load(tmp_path, google)
        load.check(await two_proxies_and_login(load, seconds=3.5, runs=4))


async def test_a_proxy_that_is_killed_takes_nothing_along(tmp_path: Path) -> None:
    with Emulator(token_lifetime=LIFETIME) as google:
        load = Load(tmp_path, google)
        load.check(await one_proxy_and_others_that_are_killed(load, seconds=2.5))
