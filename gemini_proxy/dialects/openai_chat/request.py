"""A chat completion request in Gemini's words: the parts of the translation joined."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gemini_proxy.dialects.openai_chat.config import Parameters
from gemini_proxy.dialects.openai_chat.extensions import extensions_from
from gemini_proxy.dialects.openai_chat.messages import Conversation
from gemini_proxy.dialects.openai_chat.tools import declared_names, tools_from
from gemini_proxy.dialects.openai_chat.wire import ChatRequest, ResponseFormat
from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.family import Family, family_of
from gemini_proxy.gemini.model_names import ModelName
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.request.remote import RemoteMedia
from gemini_proxy.gemini.request.signing import Signatures
from gemini_proxy.gemini.request.structured import Structured, structured
from gemini_proxy.gemini.request.tools import Tools
from gemini_proxy.gemini.request.unmet import Unmet
from gemini_proxy.gemini.signatures import Remembered
from gemini_proxy.gemini.wire import GenerateContentRequest

# Dropped in silence, because they cannot change what the answer means; the usage is told without being asked for.
IGNORED = {"prediction", "user", "safety_identifier", "prompt_cache_key", "metadata", "store", "usage"}
# What would change the answer in a way that looks right is refused.
REFUSED = {"project": "The Google Cloud project is a setting of the proxy (GOOGLE_CLOUD_PROJECT), not of a request."}


@dataclass
class Translation:
    """What becomes of one request: the hub's request, what Gemini cannot do of it (`unsupported`), what is worth
    knowing besides (`remarks`), and what has yet to be fetched. `answer` is the function whose call is the answer."""

    request: GenerateContentRequest
    names: ToolNames
    must_call: bool = False
    answer: str = ""
    unsupported: list[Unmet] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    remote: list[RemoteMedia] = field(default_factory=list)


def translated(
    chat: ChatRequest, model: ModelName, remembered: Mapping[str, Remembered], text_ids: dict[int, str]
) -> Translation:
    """Raises ProxyError 400 for what Gemini cannot do and what must not be left out."""
    family = family_of(model.id)
    names = ToolNames(declared_names(chat))
    extensions = extensions_from(chat)
    tools = tools_from(chat, names, family, model.search, extensions)
    must_call = tools.must_call
    form = _structured(chat.response_format, tools, family)
    signatures = Signatures(family.name, remembered)
    conversation = Conversation(chat.messages, family, names, signatures, text_ids)
    request: GenerateContentRequest = {"contents": conversation.contents()}
    if conversation.system_instruction:
        request["systemInstruction"] = conversation.system_instruction
    if on_the_wire := tools.on_the_wire():
        request["tools"] = on_the_wire
    if tools.config:
        request["toolConfig"] = tools.config
    if extensions.safety_settings:
        request["safetySettings"] = extensions.safety_settings
    if extensions.cached_content:
        request["cachedContent"] = extensions.cached_content
    extensions.media_resolution = extensions.media_resolution or conversation.media.resolution("image_url.detail")
    parameters = Parameters(chat, family, extensions, model.effort)
    config = parameters.generation_config()
    config.update(form.config)
    if config:
        request["generationConfig"] = config
    tellers = (extensions, tools, form, parameters, conversation, conversation.media)
    return Translation(
        request,
        names,
        must_call,
        form.answer,
        unsupported=[*_unsupported(chat), *(unmet for teller in tellers for unmet in teller.unsupported)],
        remarks=[*tools.remarks, *parameters.remarks, *conversation.remarks, *dict.fromkeys(signatures.warnings)],
        remote=conversation.media.remote,
    )


def _structured(form: ResponseFormat | None, tools: Tools, family: Family) -> Structured:
    if form is None or form.type == "text":
        return Structured()
    schema = form.wanted
    if schema is None and form.type == "json_schema":
        text = "A response_format of type 'json_schema' needs 'json_schema.schema'."
        raise bad_request(text, "response_format.json_schema.schema")
    found = structured(schema, tools, family, "response_format")
    members = (form.model_extra or {}).items()
    found.unsupported += [Unmet(f"response_format.{name}") for name, value in members if value is not None]
    return found


def _unsupported(chat: ChatRequest) -> list[Unmet]:
    """The members that are not honoured."""
    names = [name for name, value in (chat.model_extra or {}).items() if value is not None and name not in IGNORED]
    if refused := next((name for name in names if name in REFUSED), None):
        raise bad_request(REFUSED[refused], refused, "unsupported_parameter")
    if chat.logit_bias:
        names.append("logit_bias")
    if chat.service_tier == "priority":
        names.append("service_tier")
    return [Unmet(name) for name in names]
