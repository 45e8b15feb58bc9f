"""What of a request the public API does not know: Vertex AI and Code Assist have more fields, and it refuses them."""

from collections.abc import Mapping
from typing import Any

STREAMED_ARGUMENTS = "streamFunctionCallArguments"
WARNING = "the public Gemini API does not stream the arguments of function calls: they come whole"


def known(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The request as this API takes it, and a warning for each thing that it had to lose."""
    config = request.get("toolConfig") or {}
    calling = config.get("functionCallingConfig") or {}
    if STREAMED_ARGUMENTS not in calling:
        return request, []
    rest = {name: value for name, value in calling.items() if name != STREAMED_ARGUMENTS}
    kept = {name: value for name, value in config.items() if name != "functionCallingConfig"}
    if rest:
        kept["functionCallingConfig"] = rest
    return {**request, "toolConfig": kept}, [WARNING]
