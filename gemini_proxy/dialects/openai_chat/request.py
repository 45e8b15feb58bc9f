"""A chat completion request in Gemini's words (mapping B.2 and B.3). Pure; each function is named by what it makes."""

from dataclasses import dataclass, field

from gemini_proxy.dialects.openai_chat.wire import ChatRequest, ContentPart, Message, bad_request
from gemini_proxy.gemini.wire import Content, GenerateContentRequest, GenerationConfig, Part

# Mapping B.2, "ignore": dropped in silence, because they cannot change what the answer means.
IGNORED = {"prediction", "service_tier", "user", "safety_identifier", "prompt_cache_key", "metadata", "store"}
# What would change the answer in a way that looks right is refused.
REFUSED = {"project": "The Google Cloud project is a setting of the proxy (GOOGLE_CLOUD_PROJECT), not of a request."}
MAX_STOPS = 5  # Google's limit of stopSequences


@dataclass
class Translation:
    """What becomes of one request: the hub's request, and what it could not say."""

    request: GenerateContentRequest
    warnings: list[str] = field(default_factory=list)


def translated(chat: ChatRequest) -> Translation:
    """Raises ProxyError 400 for what Gemini cannot do and what must not be left out."""
    translation = Translation({"contents": contents_from(chat.messages)}, unknown_fields(chat))
    if instruction := system_instruction_from(chat.messages):
        translation.request["systemInstruction"] = instruction
    if config := generation_config_from(chat):
        translation.request["generationConfig"] = config
    return translation


def unknown_fields(chat: ChatRequest) -> list[str]:
    """A warning for each member that is not honoured (C204)."""
    names = [name for name, value in (chat.model_extra or {}).items() if value is not None and name not in IGNORED]
    if refused := next((name for name in names if name in REFUSED), None):
        raise bad_request(REFUSED[refused], refused, "unsupported_parameter")
    return [f"{name} is not supported and was ignored" for name in names]


def generation_config_from(chat: ChatRequest) -> GenerationConfig:
    """Only what the client set: a default of ours would replace Google's (C186)."""
    limit = chat.max_completion_tokens if chat.max_completion_tokens is not None else chat.max_tokens  # C188
    values: GenerationConfig = {}
    if chat.temperature is not None:
        values["temperature"] = chat.temperature
    if chat.top_p is not None:
        values["topP"] = chat.top_p
    if limit is not None:
        values["maxOutputTokens"] = limit
    if stops := stop_sequences_from(chat.stop):
        values["stopSequences"] = stops
    if chat.seed is not None:
        values["seed"] = chat.seed
    if chat.n is not None and chat.n > 1:
        values["candidateCount"] = chat.n
    return values


def stop_sequences_from(stop: str | list[str] | None) -> list[str]:
    """Without empties and duplicates, which Google refuses and which mean nothing (C191)."""
    stops = [stop] if isinstance(stop, str) else stop or []
    stops = [text for text in dict.fromkeys(stops) if text]
    if len(stops) > MAX_STOPS:  # leaving some out would change where the answer ends
        raise bad_request(f"Gemini takes at most {MAX_STOPS} stop sequences.", "stop")
    return stops


def system_instruction_from(messages: list[Message]) -> Content | None:
    """The system and developer messages at the head of the conversation, in order (C99, C100)."""
    head = messages[: _conversation_start(messages)]
    parts = [part for place, message in enumerate(head) for part in parts_from(message, place)]
    return {"role": "user", "parts": parts} if parts else None


def contents_from(messages: list[Message]) -> list[Content]:
    """Turns that alternate between user and model: neighbours of one role are merged, their parts kept (C104)."""
    contents: list[Content] = []
    start = _conversation_start(messages)
    for place, message in enumerate(messages[start:], start):
        role = "model" if message.role == "assistant" else "user"
        if not (parts := parts_from(message, place)):
            continue  # C106, C107: Google refuses empty turns
        if message.role in ("system", "developer"):
            parts = [{"text": "[system]\n"}, *parts]  # C101: its place in the conversation is part of its meaning
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    if not contents or contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": " "}]})  # C102: a conversation starts with the user
    return contents


def parts_from(message: Message, place: int) -> list[Part]:
    """The parts of one message; `place` is its index, for errors."""
    if isinstance(message.content, str):
        return [{"text": message.content}] if message.content else []
    parts = (part_from(part, f"messages[{place}].content[{i}]") for i, part in enumerate(message.content or []))
    return [part for part in parts if part]


def part_from(part: ContentPart, param: str) -> Part | None:
    """One content part; None where there is nothing in it."""
    if part.type != "text":
        raise bad_request(f"Content parts of type {part.type!r} are not supported.", f"{param}.type", "unsupported_value")
    return {"text": part.text} if part.text else None


def _conversation_start(messages: list[Message]) -> int:
    return next((i for i, m in enumerate(messages) if m.role not in ("system", "developer")), len(messages))
