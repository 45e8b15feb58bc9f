"""Settings as mitmproxy options: on the command line, in config.yaml, in the options editor."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy import exceptions, optmanager
from mitmproxy.addonmanager import Loader
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from gemini_proxy.mitm.options import add_options, settings_from_options, target
from gemini_proxy.settings import OURS, Settings

CODE_ASSIST = "reverse:https://cloudcode-pa.googleapis.com"


class Scene:
    def __init__(self, context: taddons.context) -> None:
        self.master, self.options = context.master, context.options
        self.options.update(mode=[CODE_ASSIST])

    def start(self, *arguments: str, yaml: str = "") -> Settings:
        """As mitmproxy does: the command line, config.yaml, the script's options, then its configuration."""
        self.options.set(*arguments, defer=True)
        optmanager.load(self.options, yaml)
        add_options(Loader(self.master))
        self.options.process_deferred()
        return settings_from_options()


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith((*OURS, "GOOGLE_"))]:
        monkeypatch.delenv(name)
    with taddons.context(Proxyserver()) as context:
        yield Scene(context)


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", "True", ""])
async def test_flags_are_read_like_the_environment(scene: Scene, word: str) -> None:
    assert scene.start(f"gemini_demo={word}" if word else "gemini_demo").demo is True


@pytest.mark.parametrize("word", ["false", "0", "no", "off"])
async def test_false_overrides_the_environment(scene: Scene, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("GEMINI_REMOTE_MEDIA", "true")
    assert scene.start(f"gemini_remote_media={word}").remote_media is False


async def test_an_option_that_nobody_sets_leaves_it_to_the_environment(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_REMOTE_MEDIA", "true")
    assert scene.start().remote_media is True


async def test_numbers_and_booleans_of_config_yaml(scene: Scene) -> None:
    yaml = (
        "gemini_first_byte_limit: 60\ngemini_idle_limit: 1.5\ngemini_port: 8000\ngemini_demo: true\ngemini_aliases:\n"
    )
    settings = scene.start(yaml=yaml)
    assert (settings.first_byte_limit, settings.idle_limit, settings.port, settings.demo) == (60, 1.5, 8000, True)
    assert settings.aliases == {}


@pytest.mark.parametrize(
    ("arguments", "yaml", "words"),
    [
        ([], "gemini_api_key: 0123", "gemini_api_key must be text: put its value in config.yaml in quotes."),
        ([], "gemini_aliases: {a: b}", "gemini_aliases must be text"),
        ([], "gemini_allowed_hosts: [a, b]", "gemini_allowed_hosts must be text"),
        ([], "gemini_port: true", "gemini_port must be text"),
        ([], "gemini_demo: maybe", "gemini_demo must be true or false, not 'maybe'."),
        ([], "gemini_dmo: true", "There is no option gemini_dmo. Did you mean gemini_demo?"),
        (["gemini_dmo=true"], "", "There is no option gemini_dmo. Did you mean gemini_demo?"),
        (["gemini-demo=true"], "", "There is no option gemini-demo. Did you mean gemini_demo?"),
        (["PROXY_PORT=1"], "", "There is no option PROXY_PORT. Did you mean gemini_port?"),
        (["gemini_zzzzzzzzzzzz=1"], "", "There is no option gemini_zzzzzzzzzzzz. README.md lists them."),
        (["gemini_port=1", "gemini_port=2"], "", "gemini_port is set more than once."),
        (["gemini_port"], "", "gemini_port needs a value: --set gemini_port=VALUE."),
        (["gemini_port=abc"], "", "gemini_port must be a number from 0 to 65535, not 'abc'."),
        (["stream_large_bodies=1k"], "", "stream_large_bodies would send requests"),
    ],
)
async def test_what_cannot_work_is_one_sentence(scene: Scene, arguments: list[str], yaml: str, words: str) -> None:
    with pytest.raises(exceptions.OptionsError) as caught:
        scene.start(*arguments, yaml=yaml)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_options_of_others_may_wait(scene: Scene) -> None:
    assert scene.start("web_open_browser=false", "my_own_option=1", yaml="view_order: time").port == 3000


async def test_the_options_editor(scene: Scene) -> None:
    scene.start()
    scene.options.update(gemini_idle_limit="5", gemini_demo="no")
    assert (settings_from_options().idle_limit, settings_from_options().demo) == (5, False)
    scene.options.update(gemini_idle_limit="")
    assert settings_from_options().idle_limit == 300


@pytest.mark.parametrize(
    ("modes", "url"),
    [
        ([CODE_ASSIST], "https://cloudcode-pa.googleapis.com:443"),
        ([CODE_ASSIST, f"{CODE_ASSIST}@8001"], "https://cloudcode-pa.googleapis.com:443"),
        (["regular"], ""),
        (["regular@8001", "reverse:http://[::1]:8099"], "http://[::1]:8099"),
    ],
)
async def test_the_target(scene: Scene, modes: list[str], url: str) -> None:
    scene.options.update(mode=modes)
    assert target() == url


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ([CODE_ASSIST, "reverse:https://generativelanguage.googleapis.com@8001"], "One proxy has one target"),
        (["reverse:http://cloudcode-pa.googleapis.com"], "Plain http would send your Google credentials unprotected"),
        (["reverse:tcp://127.0.0.1:80"], "Use reverse:https://HOST"),
        (["reverse:https://gemini.google.com"], "gemini.google.com is not one of Google's hosts"),
        (["reverse:https://cloudcode-pa.googleapis.co"], "your Google sign-in would be sent there"),
    ],
)
async def test_targets_that_are_refused(scene: Scene, modes: list[str], words: str) -> None:
    scene.options.update(mode=modes)
    with pytest.raises(exceptions.OptionsError, match=words):
        scene.start()


async def test_the_demo_has_a_target_of_its_own(scene: Scene) -> None:
    scene.options.update(mode=["reverse:https://gemini.example.com"])
    assert scene.start("gemini_demo=true").demo is True
