"""Tools under the rules of a family, and structured output beside them."""

from typing import Any

import pytest

from gemini_proxy.errors import ProxyError
from gemini_proxy.gemini.family import FLASH_3, FLASH_25
from gemini_proxy.gemini.names import ToolNames
from gemini_proxy.gemini.request.structured import structured
from gemini_proxy.gemini.request.tools import Choice, Tools

SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}}


def declared(*names: str, google: bool = False) -> Tools:
    tools = Tools(ToolNames(names))
    for name in names:
        tools.declare(name, None, None, name)
    if google:
        tools.of_google["googleSearch"] = {}
    return tools


CHOICES: list[Any] = [
    pytest.param(Choice("AUTO"), ["f", "g"], {"mode": "AUTO"}, id="auto"),
    pytest.param(Choice("NONE"), ["f", "g"], {"mode": "NONE"}, id="none"),
    pytest.param(Choice("ANY", ["g"]), ["g"], {"mode": "ANY", "allowedFunctionNames": ["g"]}, id="one"),
    pytest.param(Choice("AUTO", ["g"]), ["g"], {"mode": "AUTO"}, id="may-call-one"),
]


@pytest.mark.parametrize(("choice", "names", "calling"), CHOICES)
def test_choices(choice: Choice, names: list[str], calling: dict[str, Any]) -> None:
    tools = declared("f", "g")
    tools.choose(choice, "choice")
    assert tools.on_the_wire() == [{"functionDeclarations": [{"name": name} for name in names]}]
    assert tools.config == {"functionCallingConfig": calling}


def test_a_google_tool_cannot_be_forced() -> None:
    tools = declared(google=True)
    tools.choose(Choice("ANY"), "choice")
    assert tools.config == {}
    assert [unmet.param for unmet in tools.unsupported] == ["choice"]


@pytest.mark.parametrize("names", [(), ("f",)])
def test_a_choice_of_what_is_not_there_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ProxyError) as caught:
        declared(*names).choose(Choice("ANY", ["g"]), "choice")
    assert caught.value.param == "choice"


def test_a_name_is_declared_once() -> None:
    tools = declared("f")
    with pytest.raises(ProxyError, match="twice"):
        tools.declare("f", None, None, "tools[1]")


def test_functions_beside_google_s_own_tools() -> None:
    with pytest.raises(ProxyError, match="googleSearch"):
        declared("f", google=True).mix(FLASH_25)
    tools = declared("f", google=True)
    tools.mix(FLASH_3)
    assert tools.config == {"includeServerSideToolInvocations": True}


def test_a_json_answer_beside_functions() -> None:
    assert structured(SCHEMA, declared("f"), FLASH_3, "format").config["responseMimeType"] == "application/json"
    tools = declared("f", "final_answer")
    tools.stream_arguments()
    found = structured(SCHEMA, tools, FLASH_25, "format")
    assert found.config == {}
    assert found.answer == "final_answer_"  # the client has a function of that name
    assert tools.config == {"functionCallingConfig": {"mode": "ANY"}}
    assert tools.declarations[-1]["parametersJsonSchema"]["properties"] == SCHEMA["properties"]


def test_a_json_answer_beside_a_search_is_refused() -> None:
    with pytest.raises(ProxyError, match="googleSearch and format together") as caught:
        structured(SCHEMA, declared(google=True), FLASH_25, "format")
    assert caught.value.param == "format"
