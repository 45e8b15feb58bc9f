"""aider's command line, which must be told by `openai/` to use the base URL."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from scenario import API_KEY, BASE_URL, FLASH, SAID, run

OPTIONS = (
    *("--no-check-update", "--no-show-release-notes", "--analytics-disable", "--no-show-model-warnings"),
    *("--no-auto-commits", "--no-pretty", "--no-fancy-input", "--no-suggest-shell-commands", "--yes-always"),
    *("--no-gitignore", "--no-git", "--map-tokens", "0", "--no-detect-urls"),
)


def message() -> None:
    for more in ((), ("--no-stream",)):
        with TemporaryDirectory() as folder:
            done = subprocess.run(
                [
                    Path(sys.executable).with_name("aider"),
                    "--model",
                    f"openai/{FLASH}",
                    "--message",
                    "hi",
                    *OPTIONS,
                    *more,
                ],
                cwd=folder,
                env={**os.environ, "OPENAI_API_BASE": BASE_URL, "OPENAI_API_KEY": API_KEY, "HOME": folder},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=90,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        assert SAID.format("hi")[:40] in " ".join(done.stdout.split()), done.stdout + done.stderr


run("aider-chat", message)
