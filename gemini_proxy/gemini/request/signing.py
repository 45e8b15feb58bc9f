"""Thought signatures on their way back, each to the part it came with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gemini_proxy.gemini.signatures import DUMMY, Remembered, from_foreign_id, valid
from gemini_proxy.gemini.transcript import image_id
from gemini_proxy.gemini.wire import Content, Part


@dataclass
class Signatures:
    """The signatures of one request. `remembered` is what this machine knows of the ids in it.

    Each takes `told`, the signature that the client sends back itself, "" for none. It takes precedence over what is
    remembered, unless it is known to come from another family of models.
    """

    family: str = ""
    remembered: Mapping[str, Remembered] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def of_call(self, call_id: str, told: str = "") -> str:
        """The signature that Google gave with this call, "" where it is not known."""
        return self._chosen(told or from_foreign_id(call_id) or "", call_id)

    def of_text(self, text_id: str, told: str = "") -> str:
        """The same for what the model said in words."""
        return self._chosen(told, text_id)

    def of_image(self, url: str) -> str:
        """The same for an image that the model drew."""
        return self._chosen("", image_id(url))

    def signed_image(self, part: Part) -> Part:
        """A part of the model's turn, with its signature where it is an image that has one."""
        blob = part.get("inlineData")
        signature = self.of_image(f"data:{blob['mimeType']};base64,{blob['data']}") if blob else ""
        return {**part, "thoughtSignature": signature} if signature else part

    def complete(self, turns: list[Content]) -> None:
        """Google wants the first call of each step of the current turn signed; where the signature is lost, its
        documented stand-in is sent."""
        for turn in turns[_current_turn(turns) :]:
            first = next((part for part in turn["parts"] if "functionCall" in part), None)
            if turn["role"] == "model" and first is not None and "thoughtSignature" not in first:
                first["thoughtSignature"] = DUMMY
                self.warnings.append("a thought signature is not known any more; Google's stand-in was sent")

    def _chosen(self, told: str, name: str) -> str:
        known = self.remembered.get(name)
        foreign = known is not None and known.family != self.family
        if told and valid(told) and not (known and foreign and told == known.signature):
            return told
        return known.signature if known and not foreign else ""


def _current_turn(turns: list[Content]) -> int:
    """Where the current turn begins: the last thing the user said that is not the result of a call."""
    said = (i for i, turn in enumerate(turns) if turn["role"] == "user" and not any(map(_is_response, turn["parts"])))
    return max(said, default=0)


def _is_response(part: Part) -> bool:
    return "functionResponse" in part
