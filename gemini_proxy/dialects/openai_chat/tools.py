"""The tools that a chat declares, and `tool_choice`."""

from collections.abc import Iterable
from typing import Any

from gemini_proxy.dialects.openai_chat.extensions import Extensions
from gemini_proxy.dialects.openai_chat.wire import ChatRequest, Function, Tool
from gemini_proxy.errors import bad_request
from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.request.tools import Choice, Tools
from gemini_proxy.gemini.request.unmet import Unmet

# Tools that Google runs itself, by the names that clients give them.
GOOGLE_TOOLS = {
    "google_search": "googleSearch",
    "web_search": "googleSearch",
    "web_search_preview": "googleSearch",
    "url_context": "urlContext",
    "code_interpreter": "codeExecution",
    "code_execution": "codeExecution",
}
NATIVE = {name: name for name in GOOGLE_TOOLS.values()} | GOOGLE_TOOLS  # members of google.tools, in either casing
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY", "validated": "VALIDATED"}


def declared_names(chat: ChatRequest) -> list[str]:
    functions = [tool.function for tool in chat.tools or [] if tool.function is not None] + (chat.functions or [])
    return [function.name for function in functions]


def tools_from(chat: ChatRequest, names: ToolNames, family: Family, search: bool, extensions: Extensions) -> Tools:
    """Raises ProxyError 400 for a tool that Google has no counterpart of, and for names declared twice."""
    tools = Tools(names)
    _declare_all(tools, chat)
    for place, native in enumerate(extensions.tools):
        _add_native(tools, native, f"google.tools[{place}]")
    choice, param = choice_from(chat)
    if choice is not None and (chat.tools != [] or chat.functions):
        tools.choose(choice, param)
    if search or chat.web_search_options is not None:
        tools.of_google["googleSearch"] = {}
    tools.mix(family)
    if extensions.stream_arguments:
        tools.stream_arguments()
    _remark(tools, chat)
    return tools


def choice_from(chat: ChatRequest) -> tuple[Choice | None, str]:
    """`tool_choice`, or `function_call` of the older form, in all their spellings."""
    said, param = (
        (chat.tool_choice, "tool_choice") if chat.tool_choice is not None else (chat.function_call, "function_call")
    )
    if said is None:
        return None, param
    if isinstance(said, str):
        if said not in MODES:
            raise bad_request(f"'{param}' must be one of {', '.join(MODES)}, or name a function.", param)
        return Choice(MODES[said]), param
    if said.get("type") == "allowed_tools":
        return _allowed(said, param), param
    return Choice("ANY", [_name(said, param)]), param


def _allowed(said: dict[str, Any], param: str) -> Choice:
    inner = said.get("allowed_tools")
    options = inner if isinstance(inner, dict) else said
    listed = options.get("tools")
    mode = options.get("mode")
    if mode not in ("auto", "required") or not isinstance(listed, list):
        raise bad_request(
            f"'{param}' of type 'allowed_tools' has a mode, auto or required, and a list of tools.", param
        )
    kinds = [tool.get("type") if isinstance(tool, dict) else None for tool in listed]
    kinds = [kind if isinstance(kind, str) else "" for kind in kinds]
    of_google = [GOOGLE_TOOLS[kind] for kind in kinds if kind in GOOGLE_TOOLS]
    functions = [_name(tool, param) for tool, kind in zip(listed, kinds, strict=True) if kind not in GOOGLE_TOOLS]
    return Choice(MODES[mode], functions, of_google)


def _name(tool: object, param: str) -> str:
    """The function's name in `{"type": "function", "function": {"name": ...}}` and the shorter forms."""
    if isinstance(tool, dict):
        function = tool.get("function")
        name = function.get("name") if isinstance(function, dict) else tool.get("name")
        if isinstance(name, str) and name:
            return name
    raise bad_request(f"'{param}' must name a function.", param)


def _declare_all(tools: Tools, chat: ChatRequest) -> None:
    for place, tool in enumerate(chat.tools or []):
        if tool.function is not None and tool.type == "function":
            _declare(tools, tool.function, f"tools[{place}].function.name")
        else:
            tools.of_google[_google_tool(tool, f"tools[{place}].type")] = {}
            for option, value in (tool.model_extra or {}).items():
                if value not in (None, {}, []):
                    fact = f"tools[{place}].{option} cannot be asked of Google's {tool.type}"
                    tools.unsupported.append(Unmet(f"tools[{place}].{option}", fact, "it was left out"))
    for place, function in enumerate(chat.functions or []):
        _declare(tools, function, f"functions[{place}].name")


def _declare(tools: Tools, function: Function, param: str) -> None:
    tools.declare(function.name, function.description, function.parameters, param)


def _google_tool(tool: Tool, param: str) -> str:
    if tool.type in GOOGLE_TOOLS:
        return GOOGLE_TOOLS[tool.type]
    if tool.type == "function":
        raise bad_request("A tool of type 'function' needs 'function'.", param.replace(".type", ".function"))
    known = ", ".join(("function", *GOOGLE_TOOLS))
    raise bad_request(f"Gemini has no tool of type {tool.type!r}. Known are: {known}.", param, "unsupported_value")


def _add_native(tools: Tools, native: dict[str, Any], param: str) -> None:
    """One of Google's own Tool objects, as its own OpenAI layer takes them."""
    for name, options in native.items():
        if name not in NATIVE or not isinstance(options, dict):
            text = (
                f"google.tools takes {', '.join(GOOGLE_TOOLS.values())}, each with an object; functions go in 'tools'."
            )
            raise bad_request(text, f"{param}.{name}", "unsupported_value")
        tools.of_google[NATIVE[name]] = options


def _remark(tools: Tools, chat: ChatRequest) -> None:
    if chat.parallel_tool_calls is False and tools.declarations:
        fact = "parallel_tool_calls=false cannot be asked of Gemini"
        tools.unsupported.append(Unmet("parallel_tool_calls", fact, "several calls may come at once"))
    if any(tool.function is not None and tool.function.strict for tool in chat.tools or []):
        tools.remarks.append("Gemini does not enforce strict: check the arguments of tool calls")
    tools.unsupported += _search_options(chat)


def _search_options(chat: ChatRequest) -> Iterable[Unmet]:
    options = {name for name, value in (chat.web_search_options or {}).items() if value is not None}
    if options:
        fact = f"web_search_options.{', '.join(sorted(options))} cannot be asked of Google Search"
        yield Unmet("web_search_options", fact, "it was left out")
