"""The parameters of a request in Gemini's words (mapping B.1 and B.2, conformance J)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from gemini_proxy.dialects.openai_chat.extensions import Extensions
from gemini_proxy.dialects.openai_chat.wire import ChatRequest, bad_request
from gemini_proxy.gemini.family import Budget, Family, thinking_config
from gemini_proxy.gemini.schema import typed
from gemini_proxy.gemini.wire import GenerationConfig

MAX_STOPS = 5  # Google's limit of stopSequences
MODALITIES = {"text": "TEXT", "image": "IMAGE", "audio": "AUDIO"}
DIRECT = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "n": "candidateCount",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
PENALTIES = {"frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty"}


@dataclass
class Parameters:
    """Translates the parameters of one request; what it could not say is in `warnings`."""

    chat: ChatRequest
    family: Family
    extensions: Extensions
    effort: str | None = None  # what the model's name asks for
    has_functions: bool = False
    warnings: list[str] = field(default_factory=list)

    def generation_config(self) -> GenerationConfig:
        """Only what the client set: a default of ours would replace Google's (C186)."""
        values = {theirs: value for ours, theirs in DIRECT.items() if (value := getattr(self.chat, ours)) is not None}
        if self.chat.n == 1:
            del values["candidateCount"]
        values |= self._penalties() | self._limits() | self._output() | self._format()
        if thinking := self._thinking(values):
            values["thinkingConfig"] = thinking
        return cast(GenerationConfig, values)

    def _penalties(self) -> dict[str, Any]:
        asked = {theirs: value for ours, theirs in PENALTIES.items() if (value := getattr(self.chat, ours)) is not None}
        if asked and not self.family.penalties:
            self.warnings.append("this model refuses frequency and presence penalties; they were left out")  # C193
            return {}
        return asked

    def _limits(self) -> dict[str, Any]:
        chat = self.chat
        limit = chat.max_completion_tokens if chat.max_completion_tokens is not None else chat.max_tokens  # C188
        values: dict[str, Any] = {}
        if limit is not None:
            if limit > self.family.output_tokens:  # C189
                self.warnings.append(
                    f"the model writes {self.family.output_tokens} tokens at the most; the limit was lowered"
                )
            values["maxOutputTokens"] = min(limit, self.family.output_tokens)
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
        if self.chat.audio and isinstance(voice := self.chat.audio.get("voice"), str):
            values["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        if image := self.chat.image_config:
            names = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}
            values["imageConfig"] = {names[name]: value for name, value in image.items() if name in names}
        if resolution := self.extensions.media_resolution:
            values["mediaResolution"] = resolution
        return values

    def _format(self) -> dict[str, Any]:
        form = self.chat.response_format
        if form is None or form.type == "text":
            return {}
        if self.has_functions and not self.family.json_with_tools:
            text = "This model cannot use tools and response_format together: leave one of them out."
            raise bad_request(text, "response_format", "unsupported_value")  # C199
        values: dict[str, Any] = {"responseMimeType": "application/json"}
        if form.type == "json_schema":
            values |= schema_from(form.json_schema.schema_ if form.json_schema else None)
        return values

    def _thinking(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        asked = self.chat.reasoning_effort or (self.chat.reasoning.effort if self.chat.reasoning else None)
        own = self.extensions.thinking_config
        if own is not None and asked is not None:
            text = "Give either reasoning_effort or google.thinking_config: Google takes one of them."
            raise bad_request(text, "reasoning_effort")  # C201
        if own is not None:
            return own
        config, warnings = thinking_config(self.family, asked or self.effort)
        self.warnings += warnings
        return self._affordable(config, values.get("maxOutputTokens"))

    def _affordable(self, config: dict[str, Any] | None, limit: int | None) -> dict[str, Any] | None:
        """C190: thinking counts as output, and nothing would be left to answer with."""
        budget = config.get("thinkingBudget", 0) if config else 0
        if config is None or limit is None or budget < limit or not isinstance(self.family.thinking, Budget):
            return config
        self.warnings.append("the thinking budget was lowered below the limit of output tokens")
        return {**config, "thinkingBudget": max(self.family.thinking.minimum, limit // 2)}


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
