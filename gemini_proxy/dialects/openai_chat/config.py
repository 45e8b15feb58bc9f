"""The parameters of a request in Gemini's words (mapping B.1 and B.2, conformance J)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from gemini_proxy.dialects.openai_chat.extensions import Extensions
from gemini_proxy.dialects.openai_chat.wire import ChatRequest, bad_request
from gemini_proxy.gemini.family import Budget, Family, Levels, thinking_config
from gemini_proxy.gemini.schema import typed
from gemini_proxy.gemini.wire import GenerationConfig

MAX_STOPS = 5  # Google's limit of stopSequences
MODALITIES = {"text": "TEXT", "image": "IMAGE", "audio": "AUDIO"}
DIRECT = {
    "temperature": "temperature",
    "top_p": "topP",
    "n": "candidateCount",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
IMAGES = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}
SMALL = 1_024  # output tokens; thinking alone takes as many at the least effort (mapping B.1)
PENALTIES = {"frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty"}


@dataclass
class Parameters:
    """Translates the parameters of one request; what Gemini cannot do of it is in `unsupported`."""

    chat: ChatRequest
    family: Family
    extensions: Extensions
    effort: str | None = None  # what the model's name asks for
    has_tools: bool = False
    unsupported: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def generation_config(self) -> GenerationConfig:
        """Only what the client set: a default of ours would replace Google's (C186)."""
        values = {theirs: value for ours, theirs in DIRECT.items() if (value := getattr(self.chat, ours)) is not None}
        if self.chat.n == 1:
            del values["candidateCount"]
        values |= self._sampling() | self._penalties() | self._limits() | self._output() | self._format()
        if thinking := self._thinking(values):
            values["thinkingConfig"] = thinking
        return cast(GenerationConfig, values)

    def _sampling(self) -> dict[str, Any]:
        chat = self.chat
        if chat.top_logprobs is not None and not chat.logprobs:
            raise bad_request("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs")
        if chat.temperature is not None and chat.temperature < 1 and isinstance(self.family.thinking, Levels):
            self.remarks.append("Google advises against a temperature below 1 with this model")
        values: dict[str, Any] = {"topK": chat.top_k} if chat.top_k else {}  # 0 means off elsewhere, a 400 to Google
        if chat.seed is not None:
            values["seed"] = (
                chat.seed & 0x7FFF_FFFF
            )  # OpenAI's have 64 bits, Google's 32: the same one is still the same
        return values

    def _penalties(self) -> dict[str, Any]:
        asked = {theirs: value for ours, theirs in PENALTIES.items() if (value := getattr(self.chat, ours)) is not None}
        if not self.family.penalties:
            if any(asked.values()):
                self.unsupported.append(
                    "this model refuses frequency and presence penalties; they were left out"
                )  # C193
            return {}
        return {name: min(value, 1.99) for name, value in asked.items()}  # Google's range ends below 2

    def _limits(self) -> dict[str, Any]:
        chat = self.chat
        limit = chat.max_completion_tokens if chat.max_completion_tokens is not None else chat.max_tokens  # C188
        values: dict[str, Any] = {}
        if limit is not None:
            most = self.family.output_tokens
            if limit > most:  # C189
                self.unsupported.append(f"the model writes {most} tokens at the most; the limit was lowered")
            values["maxOutputTokens"] = min(limit, most)
        if stops := stop_sequences_from(chat.stop):
            values["stopSequences"] = stops
        return values

    def _output(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for place, modality in enumerate(self.chat.modalities or []):
            if modality not in MODALITIES:
                raise bad_request(f"Gemini has no output of the kind {modality!r}.", f"modalities[{place}]")
            values.setdefault("responseModalities", []).append(MODALITIES[modality])
        if values.get("responseModalities") == ["TEXT"]:
            values = {}
        if self.chat.audio:
            values |= speech_from(self.chat.audio)
        if image := {name: value for name, value in (self.chat.image_config or {}).items() if value is not None}:
            values["imageConfig"] = {IMAGES[name]: value for name, value in image.items() if name in IMAGES}
            unknown = [f"image_config.{name} is not supported and was ignored" for name in image if name not in IMAGES]
            self.unsupported += unknown
        if resolution := self.extensions.media_resolution:
            values["mediaResolution"] = resolution
        return values

    def _format(self) -> dict[str, Any]:
        form = self.chat.response_format
        if form is None or form.type == "text":
            return {}
        if self.has_tools and not self.family.json_with_tools:
            text = "This model cannot use tools and response_format together: leave one of them out."
            raise bad_request(text, "response_format", "unsupported_value")  # C199
        values: dict[str, Any] = {"responseMimeType": "application/json"}
        if form.type == "json_schema":
            values |= schema_from(form.json_schema.schema_ if form.json_schema else None)
        return values

    def _thinking(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        asked = self._effort()
        own = self.extensions.thinking_config
        if own is not None and asked is not None:
            text = "Give either reasoning_effort or google.thinking_config: Google takes one of them."
            raise bad_request(text, "reasoning_effort")  # C201
        if own is not None:
            return own
        config, warnings = thinking_config(self.family, asked or self.effort)
        self.unsupported += warnings
        return self._affordable(config, values.get("maxOutputTokens"))

    def _effort(self) -> str | None:
        given, reasoning = self.chat.reasoning_effort, self.chat.reasoning
        other = reasoning.effort if reasoning else None
        if given and other and given != other:
            raise bad_request("'reasoning_effort' and 'reasoning.effort' say different things.", "reasoning_effort")
        for name, value in ((reasoning.model_extra or {}) if reasoning else {}).items():
            if value is not None:
                self.unsupported.append(f"reasoning.{name} is not supported and was ignored")
        return given or other

    def _affordable(self, config: dict[str, Any] | None, limit: int | None) -> dict[str, Any] | None:
        """C190: thinking counts as output, and nothing would be left to answer with."""
        budget = config.get("thinkingBudget") if config else None
        if config is None or limit is None or budget == 0:
            return config
        if isinstance(self.family.thinking, Budget) and budget is not None:
            lower = max(self.family.thinking.minimum, limit // 2)
            if limit <= budget and lower < budget:
                self.remarks.append("the thinking budget was lowered below the limit of output tokens")
                return {**config, "thinkingBudget": lower}
        elif limit < SMALL:
            self.remarks.append(
                f"thinking counts as output: a limit of {limit} tokens may leave nothing for the answer"
            )
        return config


def speech_from(audio: dict[str, Any]) -> dict[str, Any]:
    if audio.get("format") not in (None, "pcm16"):  # anything else would be played as noise
        raise bad_request("Gemini speaks in the format 'pcm16' only.", "audio.format", "unsupported_value")
    voice = audio.get("voice")
    if voice is None:
        return {}
    if not isinstance(voice, str):
        raise bad_request("'audio.voice' must be the name of a voice.", "audio.voice")
    return {"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}}


def stop_sequences_from(stop: str | list[str] | None) -> list[str]:
    """Without empties and duplicates, which Google refuses and which mean nothing (C191)."""
    stops = [stop] if isinstance(stop, str) else stop or []
    stops = [text for text in dict.fromkeys(stops) if text]
    if len(stops) > MAX_STOPS:  # leaving some out would change where the answer ends
        raise bad_request(f"Gemini takes at most {MAX_STOPS} stop sequences.", "stop")
    return stops


def schema_from(schema: dict[str, Any] | None) -> dict[str, Any]:
    """The typed form wherever it loses nothing: it is enforced where the other one was seen to be ignored
    ("Structured-output trap" in conformance.md)."""
    if schema is None:
        raise bad_request(
            "A response_format of type 'json_schema' needs 'json_schema.schema'.", "response_format.json_schema.schema"
        )
    form = typed(schema)
    return {"responseSchema": form} if form is not None else {"responseJsonSchema": schema}
