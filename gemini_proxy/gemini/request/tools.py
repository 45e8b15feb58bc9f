"""The tools of a request: functions that a client declares, tools that Google runs itself, and what of them may be called."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.request.json_schema import readable
from gemini_proxy.gemini.request.unmet import Unmet


@dataclass(frozen=True)
class Choice:
    """Which tools the model may or must call: a mode of Google's, and the tools that it is about, None for all."""

    mode: str
    functions: Sequence[str] | None = None
    of_google: Sequence[str] = ()


@dataclass
class Tools:
    """What a request declares. `declarations` go in one Tool object, each of Google's own tools in one of its own.

    Declare all, then `choose`, then `mix`: a tool that the client may not use must not spoil the mixture.
    """

    names: ToolNames
    declarations: list[dict[str, Any]] = field(default_factory=list)
    of_google: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    unsupported: list[Unmet] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _declared: set[str] = field(default_factory=set)

    @property
    def mode(self) -> str:
        return str(self.config.get("functionCallingConfig", {}).get("mode") or "AUTO")

    @property
    def must_call(self) -> bool:
        return self.mode == "ANY"

    def on_the_wire(self) -> list[dict[str, Any]]:
        functions = [{"functionDeclarations": self.declarations}] if self.declarations else []
        return [*functions, *({name: options} for name, options in self.of_google.items())]

    def declare(self, name: str, description: str | None, parameters: dict[str, Any] | None, param: str) -> None:
        """A function, its parameters as JSON Schema. Raises ProxyError 400 for a name that is declared already."""
        wire = self.names.to_wire(name)
        if wire in self._declared:
            raise bad_request(f"The function {name!r} is declared twice.", param)
        self._declared.add(wire)
        declaration: dict[str, Any] = {"name": wire}
        if description:
            declaration["description"] = description
        if parameters:
            declaration["parametersJsonSchema"] = readable(parameters)
        self.declarations.append(declaration)

    def choose(self, choice: Choice, param: str) -> None:
        if not self.declarations and not self.of_google:
            raise bad_request(f"'{param}' is only allowed when 'tools' are specified.", param)
        wires = [self._wire(name, param) for name in choice.functions or []]
        if choice.functions is not None:
            # Google restricts names only where it forces a call; else what is not allowed is not declared either.
            self.declarations = [it for it in self.declarations if it["name"] in wires]
        if choice.functions is not None or choice.mode == "NONE":
            self.of_google = {name: it for name, it in self.of_google.items() if name in choice.of_google}
        if not self.declarations:
            if choice.mode == "ANY":
                fact = f"{param} cannot force a tool that Google runs itself"
                self.unsupported.append(Unmet(param, fact, "the model decides"))
            return
        self._calling["mode"] = choice.mode
        if choice.mode == "ANY" and wires:
            self._calling["allowedFunctionNames"] = wires

    def mix(self, family: Family) -> None:
        """Raises ProxyError 400 for functions beside Google's own tools where the model cannot use both."""
        if not self.declarations or not self.of_google:
            return
        if not family.mixes_search_and_functions:
            text = f"This model cannot use functions together with {', '.join(self.of_google)}: leave one of them out."
            raise bad_request(text, "tools", "unsupported_value")
        self.config["includeServerSideToolInvocations"] = True

    def stream_arguments(self) -> None:
        """Has the arguments of calls sent in pieces, as the model writes them."""
        if self.declarations:
            self._calling["streamFunctionCallArguments"] = True

    def declare_answer(self, name: str, description: str, parameters: dict[str, Any]) -> str:
        """One more function, whose call is the answer: from now on the model has to call. Returns the client's name."""
        name = self.names.declare_new(name)
        self.declarations.append({"name": name, "description": description, "parametersJsonSchema": parameters})
        self._calling.pop("streamFunctionCallArguments", None)
        self._calling["mode"] = "ANY"
        return name

    @property
    def _calling(self) -> dict[str, Any]:
        calling: dict[str, Any] = self.config.setdefault("functionCallingConfig", {})
        return calling

    def _wire(self, name: str, param: str) -> str:
        wire = self.names.to_wire(name)
        if wire not in self._declared:
            raise bad_request(f"'{param}' names the function {name!r}, which 'tools' does not declare.", param)
        return wire
