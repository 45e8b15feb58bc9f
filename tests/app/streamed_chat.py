"""A whole streamed chat, printed. Run as a program it proves that nothing of it needs mitmproxy."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from gemini_proxy.emulator import Emulator
from tests.app.apps import app_in, serving, told
from tests.exchanges import chat_request


async def chat(folder: Path, google: Emulator) -> bytes:
    async with serving(app_in(folder, google)) as app:
        return (await told(app, chat_request(stream=True))).body


if __name__ == "__main__":
    with TemporaryDirectory() as folder, Emulator() as google:
        sys.stdout.buffer.write(asyncio.run(chat(Path(folder), google)))
    assert not [name for name in sys.modules if name.partition(".")[0] == "mitmproxy"]
