"""The parameters of a chat, told to the hub."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.dialects.openai_chat.extensions import Extensions
from gemini_proxy.dialects.openai_chat.wire import ChatRequest
from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.family import Budget, Family
from gemini_proxy.gemini.request.generation import Generation
from gemini_proxy.gemini.request.unmet import Unmet
from gemini_proxy.gemini.wire import GenerationConfig

MODALITIES = {"text": "TEXT", "image": "IMAGE", "audio": "AUDIO"}
IMAGES = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}


@dataclass
class Parameters:
    """Translates the parameters of one request; what Gemini cannot do of it is in `unsupported`."""

    chat: ChatRequest
    family: Family
    extensions: Extensions
    effort: str | None = None  # what the model's name asks for
    generation: Generation = field(init=False)

    def __post_init__(self) -> None:
        self.generation = Generation(self.family, "reasoning_effort")

    @property
    def unsupported(self) -> list[Unmet]:
        return self.generation.unsupported

    @property
    def remarks(self) -> list[str]:
        return self.generation.remarks

    def generation_config(self) -> GenerationConfig:
        self._sampling()
        self._limits()
        self._output()
        self._thinking()
        return self.generation.config

    def _sampling(self) -> None:
        chat, generation = self.chat, self.generation
        if chat.top_logprobs is not None and not chat.logprobs:
            raise bad_request("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs")
        generation.temperature(chat.temperature)
        generation.top_p(chat.top_p)
        generation.top_k(chat.top_k)
        generation.seed(chat.seed)
        generation.candidates(chat.n)
        generation.log_probabilities(chat.logprobs, chat.top_logprobs)
        generation.penalty("frequencyPenalty", chat.frequency_penalty, "frequency_penalty")
        generation.penalty("presencePenalty", chat.presence_penalty, "presence_penalty")

    def _limits(self) -> None:
        chat = self.chat
        if chat.max_completion_tokens is not None:
            self.generation.output_tokens(chat.max_completion_tokens, "max_completion_tokens")
        else:
            self.generation.output_tokens(chat.max_tokens, "max_tokens")
        self.generation.stop([chat.stop] if isinstance(chat.stop, str) else chat.stop or [], "stop")

    def _output(self) -> None:
        chat, generation = self.chat, self.generation
        for place, modality in enumerate(chat.modalities or []):
            if modality not in MODALITIES:
                raise bad_request(f"Gemini has no output of the kind {modality!r}.", f"modalities[{place}]")
        generation.modalities([MODALITIES[modality] for modality in chat.modalities or []])
        if chat.audio and (voice := voice_from(chat.audio)):
            generation.voice(voice)
        if image := _given(chat.image_config):
            generation.image({IMAGES[name]: value for name, value in image.items() if name in IMAGES})
            self.unsupported.extend(Unmet(f"image_config.{name}") for name in image if name not in IMAGES)
        generation.media_resolution(self.extensions.media_resolution)

    def _thinking(self) -> None:
        param, asked = self._effort()
        own = self.extensions.thinking_config
        if own is not None and asked is not None:
            text = f"Give either {param} or google.thinking_config: Google takes one of them."
            raise bad_request(text, param)
        if own is not None:
            self.generation.thinking_config(own)
            return
        unseen = self.chat.reasoning is not None and self.chat.reasoning.exclude is True
        self.generation.think(self.effort if asked is None else asked, param, unseen=unseen)

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
            self.unsupported.extend(Unmet(f"reasoning.{name}") for name in _given(reasoning.model_extra))
        if thinking := chat.thinking:
            said |= {"thinking.budget_tokens": thinking.budget_tokens} if thinking.budget_tokens is not None else {}
            switches += [thinking.type != "disabled"] if thinking.type else []
            self.unsupported.extend(Unmet(f"thinking.{name}") for name in _given(thinking.model_extra))
        if not all(switches):
            return "reasoning.enabled" if chat.reasoning else "thinking.type", "none"
        if len(set(said.values())) > 1:
            raise bad_request(f"{' and '.join(map(repr, said))} say different things.", next(iter(said)))
        budget = self.family.thinking
        if switches and not said and isinstance(budget, Budget) and not budget.by_default:
            return "reasoning_effort", "medium"  # told to think, a model that does not by itself
        return next(iter(said.items()), ("reasoning_effort", None))


def voice_from(audio: dict[str, Any]) -> str:
    """The name of the voice to speak with, "" for none."""
    if audio.get("format") not in (None, "pcm16"):  # anything else would be played as noise
        raise bad_request("Gemini speaks in the format 'pcm16' only.", "audio.format", "unsupported_value")
    voice = audio.get("voice")
    if voice is not None and not isinstance(voice, str):
        raise bad_request("'audio.voice' must be the name of a voice.", "audio.voice")
    return voice or ""


def _given(members: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (members or {}).items() if value is not None}
