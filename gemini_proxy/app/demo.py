"""The demo: the emulator in a thread of this process, and a sign-in to it in a folder that goes with it.

The one place outside of tests that knows the emulator. All the rest runs as it would with Google.
"""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gemini_proxy.emulator import Emulator
from gemini_proxy.google_login.store import TokenStore
from gemini_proxy.google_login.token import Token
from gemini_proxy.settings import Settings

PACE = 0.06  # seconds between chunks, so that a person sees a stream


class Demo:
    """`settings` are the user's with the emulator in Google's places, `url` is where it is."""

    def __init__(self, settings: Settings) -> None:
        self._emulator = Emulator(pace=PACE).start()
        self.url = self._emulator.url
        self._folder = TemporaryDirectory(prefix="gemini-proxy-demo-")
        self.settings = replace(
            settings,
            code_assist_endpoint=self.url,
            google_url=self.url,
            google_api_key=self._emulator.api_key(),
            token_store=Path(self._folder.name) / "tokens.json",
            project="",
            access_token="",
        )
        google = self._emulator.settings
        token = Token.from_answer(self._emulator.grant(settings.client_id), time.time())
        TokenStore(self.settings.token_store).save(replace(token, email=google.email, project_id=google.project))

    def close(self) -> None:
        self._emulator.stop()
        self._folder.cleanup()
