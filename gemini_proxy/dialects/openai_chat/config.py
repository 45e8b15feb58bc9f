"""The parameters of a request in Gemini's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from gemini_proxy.dialects.openai_chat.extensions import Extensions
from gemini_proxy.dialects.openai_chat.wire import ChatRequest, bad_request
from gemini_proxy.dialects.openai_errors import Unmet
from gemini_proxy.gemini.family import Budget, Family, Levels, thinking_config
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
SMALL = 1_024  # output tokens; thinking alone takes as many at the least effort
PENALTIES = {"frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty"}


@dataclass
class Parameters:
    """Translates the parameters of one request; what Gemini cannot do of it is in `unsupported`."""

    chat: ChatRequest
    family: Family
    extensions: Extensions
    effort: str | None = None  # what the model's name asks for
    unsupported: list[Unmet] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def generation_config(self) -> GenerationConfig:
        """Only what the client set: a default of ours would replace Google's."""
        values = {theirs: value for ours, theirs in DIRECT.items() if (value := getattr(self.chat, ours)) is not None}
        if self.chat.n == 1:
            del values["candidateCount"]
        values |= self._sampling() | self._penalties() | self._limits() | self._output()
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
        if chat.seed is not None:  # OpenAI's have 64 bits, Google's 32: the same one is still the same
            values["seed"] = chat.seed & 0x7FFF_FFFF
        return values

    def _penalties(self) -> dict[str, Any]:
        asked = {theirs: value for ours, theirs in PENALTIES.items() if (value := getattr(self.chat, ours)) is not None}
        if self.family.penalties:
            return {name: min(value, 1.99) for name, value in asked.items()}  # Google's range ends below 2
        for name in PENALTIES:
            if getattr(self.chat, name):
                self.unsupported.append(Unmet(name, f"this model refuses {name}", "it was left out"))
        return {}

    def _limits(self) -> dict[str, Any]:
        chat = self.chat
        limit = chat.max_completion_tokens if chat.max_completion_tokens is not None else chat.max_tokens
        values: dict[str, Any] = {}
        if limit is not None:
            most = self.family.output_tokens
            if limit > most:
                name = "max_tokens" if chat.max_completion_tokens is None else "max_completion_tokens"
                self.unsupported.append(
                    Unmet(name, f"this model writes at most {most} tokens", "the limit was lowered")
                )
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
            self.unsupported += [Unmet(f"image_config.{name}") for name in image if name not in IMAGES]
        if resolution := self.extensions.media_resolution:
            values["mediaResolution"] = resolution
        return values

    def _thinking(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        param, asked = self._effort()
        own = self.extensions.thinking_config
        if own is not None and asked is not None:
            text = f"Give either {param} or google.thinking_config: Google takes one of them."
            raise bad_request(text, param)
        if own is not None:
            return own
        config, warnings = thinking_config(self.family, self.effort if asked is None else asked)
        self.unsupported += [Unmet(param, warning, "that is the nearest") for warning in warnings]
        if config and config.get("includeThoughts") and self.chat.reasoning and self.chat.reasoning.exclude:
            config["includeThoughts"] = False
        return self._affordable(config, values.get("maxOutputTokens"))

    def _effort(self) -> tuple[str, str | int | None]:
        """How much to think, in a word or in tokens, and the member that says so: OpenAI's, or those of OpenRouter and
        LiteLLM, which clients send to any server."""
        chat = self.chat
        said: dict[str, str | int] = {"reasoning_effort": chat.reasoning_effort} if chat.reasoning_effort else {}
        switches: list[bool] = []
        if reasoning := chat.reasoning:
            said |= {"reasoning.effort": reasoning.effort} if reasoning.effort else {}
            said |= {"reasoning.max_tokens": reasoning.max_tokens} if reasoning.max_tokens is not None else {}
            switches += [reasoning.enabled] if reasoning.enabled is not None else []
            self.unsupported += [Unmet(f"reasoning.{name}") for name in _given(reasoning.model_extra)]
        if thinking := chat.thinking:
            said |= {"thinking.budget_tokens": thinking.budget_tokens} if thinking.budget_tokens is not None else {}
            switches += [thinking.type != "disabled"] if thinking.type else []
            self.unsupported += [Unmet(f"thinking.{name}") for name in _given(thinking.model_extra)]
        if not all(switches):
            return "reasoning.enabled" if chat.reasoning else "thinking.type", "none"
        if len(set(said.values())) > 1:
            raise bad_request(f"{' and '.join(map(repr, said))} say different things.", next(iter(said)))
        budget = self.family.thinking
        if switches and not said and isinstance(budget, Budget) and not budget.by_default:
            return "reasoning_effort", "medium"  # told to think, a model that does not by itself
        return next(iter(said.items()), ("reasoning_effort", None))

    def _affordable(self, config: dict[str, Any] | None, limit: int | None) -> dict[str, Any] | None:
        """Thinking counts as output: without room beside it, nothing would be left to answer with."""
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
    """Without empties and duplicates, which Google refuses and which mean nothing."""
    stops = [stop] if isinstance(stop, str) else stop or []
    stops = [text for text in dict.fromkeys(stops) if text]
    if len(stops) > MAX_STOPS:  # leaving some out would change where the answer ends
        raise bad_request(f"Gemini takes at most {MAX_STOPS} stop sequences.", "stop")
    return stops


def _given(extra: Mapping[str, Any] | None) -> list[str]:
    return [name for name, value in (extra or {}).items() if value is not None]
