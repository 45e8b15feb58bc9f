"""Tools a client declares, and which of them the model may use, in Gemini's words (conformance H)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gemini_proxy.dialects.openai_chat.wire import ChatRequest, Function, Tool, bad_request
from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.names import ToolNames

# Tools that Google runs itself, by the names that clients give them (C154).
GOOGLE_TOOLS = {
    "google_search": "googleSearch",
    "web_search": "googleSearch",
    "web_search_preview": "googleSearch",
    "url_context": "urlContext",
    "code_interpreter": "codeExecution",
    "code_execution": "codeExecution",
}
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY", "validated": "VALIDATED"}


@dataclass
class Tools:
    """What the request declares. `declarations` go in one Tool object, each of Google's own in one of its own."""

    names: ToolNames
    declarations: list[dict[str, Any]] = field(default_factory=list)
    of_google: dict[str, dict[str, Any]] = field(default_factory=dict)

    def on_the_wire(self) -> list[dict[str, Any]]:
        functions = [{"functionDeclarations": self.declarations}] if self.declarations else []
        return [*functions, *({name: options} for name, options in self.of_google.items())]


def declared_names(chat: ChatRequest) -> list[str]:
    functions = [tool.function for tool in chat.tools or [] if tool.function is not None] + (chat.functions or [])
    return [function.name for function in functions]


def tools_from(chat: ChatRequest, names: ToolNames, family: Family, search: bool) -> Tools:
    """Raises ProxyError 400 for a tool that Google has no counterpart of, and for names declared twice (C163)."""
    tools = Tools(names)
    for place, tool in enumerate(chat.tools or []):
        if tool.function is not None and tool.type == "function":
            _declare(tools, tool.function, f"tools[{place}].function.name")
        else:
            tools.of_google[_google_tool(tool, f"tools[{place}].type")] = {}
    for place, function in enumerate(chat.functions or []):
        _declare(tools, function, f"functions[{place}].name")
    if search or chat.web_search_options is not None:
        tools.of_google["googleSearch"] = {}
    if tools.declarations and tools.of_google and not family.mixes_search_and_functions:
        text = f"This model cannot use functions together with {', '.join(tools.of_google)}: leave one of them out."
        raise bad_request(text, "tools", "unsupported_value")  # C155
    return tools


def tool_config_from(chat: ChatRequest, tools: Tools) -> dict[str, Any] | None:
    """The mode of function calling, where the client chose one (C157 to C162)."""
    choice, param = (
        (chat.tool_choice, "tool_choice") if chat.tool_choice is not None else (chat.function_call, "function_call")
    )
    if choice is None or (chat.tools == [] and not chat.functions):  # C156
        return None
    if not tools.declarations and not tools.of_google:
        raise bad_request(f"'{param}' is only allowed when 'tools' are specified.", param)
    mode, allowed = _mode(choice, param)
    if not tools.declarations:
        return None
    calling: dict[str, Any] = {"mode": mode}
    if allowed is not None:
        calling["allowedFunctionNames"] = [_declared(name, tools, param) for name in allowed]
    return {"functionCallingConfig": calling}


def _mode(choice: str | dict[str, Any], param: str) -> tuple[str, list[str] | None]:
    if isinstance(choice, str):
        if choice not in MODES:
            raise bad_request(f"'{param}' must be one of {', '.join(MODES)}, or name a function.", param)
        return MODES[choice], None
    if choice.get("type") == "allowed_tools":
        inner = choice.get("allowed_tools")
        options = inner if isinstance(inner, dict) else choice
        # Google restricts names only where a call is forced; of AUTO with a list, VALIDATED is the nearest (C159).
        mode = "ANY" if options.get("mode") == "required" else "VALIDATED"
        return mode, [_name(tool, param) for tool in options.get("tools") or []]
    return "ANY", [_name(choice, param)]


def _name(tool: object, param: str) -> str:
    """The function's name in `{"type": "function", "function": {"name": ...}}` and the shorter forms."""
    if isinstance(tool, dict):
        function = tool.get("function")
        name = function.get("name") if isinstance(function, dict) else tool.get("name")
        if isinstance(name, str) and name:
            return name
    raise bad_request(f"'{param}' must name a function.", param)


def _declared(name: str, tools: Tools, param: str) -> str:
    wire = tools.names.to_wire(name)
    if not any(declaration["name"] == wire for declaration in tools.declarations):
        raise bad_request(f"'{param}' names the function {name!r}, which 'tools' does not declare.", param)  # C160
    return wire


def _declare(tools: Tools, function: Function, param: str) -> None:
    wire = tools.names.to_wire(function.name)
    if any(declaration["name"] == wire for declaration in tools.declarations):
        raise bad_request(f"The function {function.name!r} is declared twice.", param)
    declaration: dict[str, Any] = {"name": wire}
    if function.description:
        declaration["description"] = function.description
    if function.parameters:  # C144
        declaration["parametersJsonSchema"] = function.parameters
    tools.declarations.append(declaration)


def _google_tool(tool: Tool, param: str) -> str:
    if tool.type in GOOGLE_TOOLS:
        return GOOGLE_TOOLS[tool.type]
    if tool.type == "function":
        raise bad_request("A tool of type 'function' needs 'function'.", param.replace(".type", ".function"))
    known = ", ".join(("function", *GOOGLE_TOOLS))
    raise bad_request(f"Gemini has no tool of type {tool.type!r}. Known are: {known}.", param, "unsupported_value")


def warnings_from(chat: ChatRequest, tools: Tools) -> Iterable[str]:
    if chat.parallel_tool_calls is False and tools.declarations:
        yield "parallel_tool_calls=false cannot be asked of Gemini; several calls may come at once"
    options = {name for name, value in (chat.web_search_options or {}).items() if value is not None}
    if options:
        yield f"web_search_options.{', '.join(sorted(options))} cannot be asked of Google Search"
