"""requirements.txt on the platforms that it is for: each package that a platform needs is pinned there, once.

pip works markers out for the machine that it runs on, so a pin that only Windows needs is missed elsewhere.
"""

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_docs import ROOT

PLATFORMS = {
    "linux-x64": {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux", "platform_machine": "x86_64"},
    "linux-arm64": {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux", "platform_machine": "aarch64"},
    "macos-arm64": {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin", "platform_machine": "arm64"},
    "macos-x64": {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin", "platform_machine": "x86_64"},
    "windows-x64": {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows", "platform_machine": "AMD64"},
}  # fmt: skip
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def environment(platform: str, python: str) -> dict[str, str]:
    mine = {name: str(value) for name, value in default_environment().items()}
    return {**mine, **PLATFORMS[platform], "python_version": python, "python_full_version": f"{python}.0", "extra": ""}


def pins(file: Path, platform: str, python: str) -> list[Requirement]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith(("#", "-"))]
    env = environment(platform, python)
    return [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate(env)]


def needed(platform: str, python: str) -> Iterator[tuple[str, Requirement]]:
    """Who needs what, from the metadata of what is installed here."""
    env, seen, waiting = (
        environment(platform, python),
        set(),
        [("gemini-proxy", Requirement(wanted)) for wanted in PROJECT["dependencies"]],
    )
    while waiting:
        who, wanted = waiting.pop()
        yield who, wanted
        name = canonicalize_name(wanted.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # another platform's
            continue
        more = [r for r in map(Requirement, requires) if r.marker is None or r.marker.evaluate(env)]
        waiting += [(name, requirement) for requirement in more]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_nothing_is_pinned_twice(file: str, python: str, platform: str) -> None:
    names = [canonicalize_name(pin.name) for pin in pins(ROOT / file, platform, python)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_everything_is_pinned_to_a_version_that_fits(platform: str) -> None:
    python = "{}.{}".format(*sys.version_info)
    pinned = {canonicalize_name(pin.name): pin for pin in pins(ROOT / "requirements.txt", platform, python)}
    for who, wanted in needed(platform, python):
        pin = pinned.get(canonicalize_name(wanted.name))
        assert pin is not None, f"{who} needs {wanted} on {platform}, which is not pinned"
        [version] = [specifier.version for specifier in pin.specifier]
        assert wanted.specifier.contains(version, prereleases=True), f"{who} needs {wanted}, and {version} is pinned"
