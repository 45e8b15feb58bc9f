"""The wire protocols that clients may speak: a folder each, blind to its siblings. A new one is a line here."""

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.exchange import Dialect

DIALECTS: tuple[Dialect, ...] = (OpenAIChat(),)
