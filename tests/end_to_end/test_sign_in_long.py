"""The load of test_sign_in_shared.py for half a minute each. `pytest -m long` runs it."""

from pathlib import Path

import pytest

from gemini_proxy.emulator import Emulator
from tests.end_to_end.shared_file import LIFETIME, Load, one_proxy_and_others_that_are_killed, two_proxies_and_login

pytestmark = pytest.mark.long


async def test_two_proxies_and_ten_logins(tmp_path: Path) -> None:
    with Emulator(token_lifetime=LIFETIME) as google:
        load = Load(tmp_path, google)
        load.check(await two_proxies_and_login(load, seconds=30, runs=10))


async def test_proxies_that_are_killed_all_the_time(tmp_path: Path) -> None:
    with Emulator(token_lifetime=LIFETIME) as google:
        load = Load(tmp_path, google)
        load.check(await one_proxy_and_others_that_are_killed(load, seconds=30, others=5))  # about one kill each second
