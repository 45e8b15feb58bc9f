"""Google offline: an emulator of its OAuth, Code Assist and public Gemini API, for tests, demo and benchmark.

It imports nothing of the proxy, so that a mistake the two share cannot pass a test.
"""

from gemini_proxy.emulator.answers import FAULTS, Answer
from gemini_proxy.emulator.errors import GoogleError
from gemini_proxy.emulator.google import Google
from gemini_proxy.emulator.messages import Reply, Request
from gemini_proxy.emulator.server import Emulator
from gemini_proxy.emulator.settings import Settings

__all__ = ["FAULTS", "Answer", "Emulator", "Google", "GoogleError", "Reply", "Request", "Settings"]
