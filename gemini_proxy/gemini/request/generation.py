"""The generationConfig of a request, under the rules of the model's family."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.family import Budget, Family, Levels, thinking_config
from gemini_proxy.gemini.request.unmet import Unmet
from gemini_proxy.gemini.wire import GenerationConfig

MAX_STOPS = 5  # Google's limit of stopSequences
SMALL = 1_024  # output tokens; thinking alone takes as many at the least effort


@dataclass
class Generation:
    """Puts together what a client sets, and only that: a default of ours would replace Google's.

    `param` is each time the member of the client's request, `effort_param` the one for how much to think. What Gemini cannot do of it is in `unsupported`, what is
    worth knowing besides in `remarks`.
    """

    family: Family
    effort_param: str
    config: GenerationConfig = field(default_factory=GenerationConfig)
    unsupported: list[Unmet] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def temperature(self, temperature: float | None) -> None:
        if temperature is None:
            return
        self.config["temperature"] = temperature
        if temperature < 1 and isinstance(self.family.thinking, Levels):
            self.remarks.append("Google advises against a temperature below 1 with this model")

    def top_p(self, top_p: float | None) -> None:
        if top_p is not None:
            self.config["topP"] = top_p

    def top_k(self, top_k: float | None) -> None:
        if top_k:  # 0 means off elsewhere, a 400 to Google
            self.config["topK"] = top_k

    def seed(self, seed: int | None) -> None:
        if seed is not None:  # OpenAI's have 64 bits, Google's 32: the same one is still the same
            self.config["seed"] = seed & 0x7FFF_FFFF

    def candidates(self, count: int | None) -> None:
        if count is not None and count != 1:
            self.config["candidateCount"] = count

    def log_probabilities(self, wanted: bool | None, alternatives: int | None) -> None:
        if wanted is not None:
            self.config["responseLogprobs"] = wanted
        if alternatives is not None:
            self.config["logprobs"] = alternatives

    def penalty(self, name: Literal["frequencyPenalty", "presencePenalty"], value: float | None, param: str) -> None:
        if value is not None and self.family.penalties:
            self.config[name] = min(value, 1.99)  # Google's range ends below 2
        elif value:
            self.unsupported.append(Unmet(param, f"this model refuses {param}", "it was left out"))

    def output_tokens(self, limit: int | None, param: str) -> None:
        if limit is None:
            return
        most = self.family.output_tokens
        if limit > most:
            self.unsupported.append(Unmet(param, f"this model writes at most {most} tokens", "the limit was lowered"))
        self.config["maxOutputTokens"] = min(limit, most)

    def stop(self, texts: Iterable[str], param: str) -> None:
        """Without empties and duplicates, which Google refuses and which mean nothing."""
        stops = [text for text in dict.fromkeys(texts) if text]
        if len(stops) > MAX_STOPS:  # leaving some out would change where the answer ends
            raise bad_request(f"Gemini takes at most {MAX_STOPS} stop sequences.", param)
        if stops:
            self.config["stopSequences"] = stops

    def modalities(self, modalities: list[str]) -> None:
        """What the answer is made of: TEXT, IMAGE, AUDIO."""
        if modalities and modalities != ["TEXT"]:
            self.config["responseModalities"] = modalities

    def voice(self, name: str) -> None:
        self.config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}}

    def image(self, options: dict[str, Any]) -> None:
        """aspectRatio and imageSize of the images to draw."""
        self.config["imageConfig"] = options

    def media_resolution(self, resolution: str | None) -> None:
        if resolution:
            self.config["mediaResolution"] = resolution

    def think(self, effort: str | int | None, param: str, *, unseen: bool = False) -> None:
        """How much to think, in a word, in tokens or as the model does by itself; `unseen`: without telling thoughts.

        To be said after the limit of output tokens.
        """
        config, warnings = thinking_config(self.family, effort, self.effort_param)
        self.unsupported += [Unmet(param, warning, "that is the nearest") for warning in warnings]
        if config and config.get("includeThoughts") and unseen:
            config["includeThoughts"] = False
        if config := self._affordable(config):
            self.config["thinkingConfig"] = config

    def thinking_config(self, config: dict[str, Any]) -> None:
        """Google's own thinkingConfig, as the client wrote it."""
        if config:
            self.config["thinkingConfig"] = config

    def _affordable(self, config: dict[str, Any] | None) -> dict[str, Any] | None:
        """Thinking counts as output: without room beside it, nothing would be left to answer with."""
        limit = self.config.get("maxOutputTokens")
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
