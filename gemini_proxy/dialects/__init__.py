"""The wire protocols that clients may speak: a folder each, blind to its siblings. A new one is a line here."""

from collections.abc import Callable, Sequence

from gemini_proxy.dialects.openai_chat.dialect import OpenAIChat
from gemini_proxy.dialects.openai_embeddings.dialect import OpenAIEmbeddings
from gemini_proxy.exchange import Dialect
from gemini_proxy.gemini.models import Model
from gemini_proxy.gemini.signatures import SignatureMemory
from gemini_proxy.settings import Settings


def dialects(settings: Settings, memory: SignatureMemory, models: Callable[[], Sequence[Model]]) -> tuple[Dialect, ...]:
    """All of them. Where two have a route for the same path, the earlier one takes precedence."""
    return (
        OpenAIChat(memory, settings.aliases, settings.unsupported, models),
        OpenAIEmbeddings(settings.aliases, settings.unsupported),
    )
