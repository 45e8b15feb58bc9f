"""The command that signs in, as it works in a terminal of this machine."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "login.py"


def login_command(*options: str) -> str:
    """With the interpreter that has the packages, in the folder whose `.env` and token file we use, quoted for a shell.

    It is for somebody at this machine: others need not know its folders.
    """
    words = [sys.executable or "python", str(SCRIPT), "-C", os.getcwd(), *options]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
