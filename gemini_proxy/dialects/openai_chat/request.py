"""A chat completion request in Gemini's words: the parts of the translation joined (mapping B.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gemini_proxy.dialects.openai_chat.config import Parameters
from gemini_proxy.dialects.openai_chat.extensions import extensions_from
from gemini_proxy.dialects.openai_chat.media import check_inline_size
from gemini_proxy.dialects.openai_chat.messages import Conversation
from gemini_proxy.dialects.openai_chat.model_names import ModelName
from gemini_proxy.dialects.openai_chat.signed import Signatures
from gemini_proxy.dialects.openai_chat.tools import declared_names, tools_from
from gemini_proxy.dialects.openai_chat.wire import ChatRequest, bad_request
from gemini_proxy.exchange import RemoteMedia
from gemini_proxy.gemini.family import family_of
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.signatures import Remembered
from gemini_proxy.gemini.wire import GenerateContentRequest

# Mapping B.2, "ignore": dropped in silence, because they cannot change what the answer means.
IGNORED = {"prediction", "user", "safety_identifier", "prompt_cache_key", "metadata", "store"}
# What would change the answer in a way that looks right is refused.
REFUSED = {"project": "The Google Cloud project is a setting of the proxy (GOOGLE_CLOUD_PROJECT), not of a request."}


@dataclass
class Translation:
    """What becomes of one request: the hub's request, what Gemini cannot do of it (`unsupported`), what is worth
    knowing besides (`remarks`), and what has yet to be fetched."""

    request: GenerateContentRequest
    names: ToolNames
    must_call: bool = False
    unsupported: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    remote: list[RemoteMedia] = field(default_factory=list)


def translated(
    chat: ChatRequest, model: ModelName, remembered: Mapping[str, Remembered], texts: Mapping[int, str]
) -> Translation:
    """Raises ProxyError 400 for what Gemini cannot do and what must not be left out."""
    family = family_of(model.id)
    names = ToolNames(declared_names(chat))
    extensions = extensions_from(chat)
    tools = tools_from(chat, names, family, model.search, extensions)
    signatures = Signatures(family.name, remembered, texts)
    conversation = Conversation(chat, family, names, signatures)
    request: GenerateContentRequest = {"contents": conversation.contents()}
    if system := conversation.system():
        request["systemInstruction"] = system
    check_inline_size(part for content in [*request["contents"], system or {}] for part in content.get("parts", []))
    if on_the_wire := tools.on_the_wire():
        request["tools"] = on_the_wire
    if tools.config:
        request["toolConfig"] = tools.config
    if extensions.safety_settings:
        request["safetySettings"] = extensions.safety_settings
    if extensions.cached_content:
        request["cachedContent"] = extensions.cached_content
    extensions.media_resolution = extensions.media_resolution or conversation.media_resolution()
    parameters = Parameters(chat, family, extensions, model.effort, bool(on_the_wire))
    if config := parameters.generation_config():
        request["generationConfig"] = config
    tellers = (extensions, tools, parameters, conversation)
    return Translation(
        request,
        names,
        tools.must_call,
        unsupported=[*_unsupported(chat), *(text for teller in tellers for text in teller.unsupported)],
        remarks=[*tools.remarks, *parameters.remarks, *conversation.remarks, *dict.fromkeys(signatures.warnings)],
        remote=conversation.remote,
    )


def _unsupported(chat: ChatRequest) -> list[str]:
    """A warning for each member that is not honoured (C204)."""
    names = [name for name, value in (chat.model_extra or {}).items() if value is not None and name not in IGNORED]
    if refused := next((name for name in names if name in REFUSED), None):
        raise bad_request(REFUSED[refused], refused, "unsupported_parameter")
    if chat.logit_bias:
        names.append("logit_bias")
    if chat.service_tier == "priority":
        names.append("service_tier")
    return [f"{name} is not supported and was ignored" for name in names]
