"""One emulator and one mitmdump for most of the tests: starting them is what takes time."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gemini_proxy.emulator import Emulator
from tests.end_to_end.proxy import Proxy, running, sign_in


@pytest.fixture(scope="session")
def _google() -> Iterator[Emulator]:
    with Emulator() as google:
        yield google


@pytest.fixture
def google(_google: Emulator) -> Emulator:
    """The emulator without scripts and memories of other tests."""
    _google.clear()
    return _google


@pytest.fixture(scope="session")
def proxy(_google: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy without a key, signed in."""
    folder: Path = tmp_path_factory.mktemp("proxy")
    sign_in(_google, folder / "tokens.json")
    with running(folder, _google) as proxy:
        yield proxy


@pytest.fixture
def http(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=20) as client:
        yield client
