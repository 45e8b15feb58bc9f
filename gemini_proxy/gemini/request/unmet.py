"""What a client asks for and Gemini cannot do, and what becomes of it: a warning, or a refusal."""

from collections.abc import Sequence
from dataclasses import dataclass

from gemini_proxy.errors import ProxyError


@dataclass(frozen=True)
class Unmet:
    """`param` is the member of the client's request, `fact` why Gemini cannot do it, `done` what is done about it where
    such requests are served with a warning."""

    param: str
    fact: str = ""
    done: str = "was ignored"

    @property
    def warning(self) -> str:
        return f"{self.fact}; {self.done}" if self.fact else f"{self.param} is not supported and {self.done}"


def refuse_unmet(unmet: Sequence[Unmet]) -> ProxyError:
    """The refusal where the operator wants one in place of a warning."""
    facts = "; ".join(dict.fromkeys(one.fact or f"Gemini has no {one.param}" for one in unmet))
    ending = "ignored" if all(one.done == "was ignored" for one in unmet) else "served with a warning"
    them = "it" if len(unmet) == 1 else "them"
    text = f"{facts[:1].upper()}{facts[1:]}. Leave {them} out, or set GEMINI_UNSUPPORTED=warn to have {them} {ending}."
    return ProxyError(400, "unsupported_parameter", text, param=unmet[0].param)
