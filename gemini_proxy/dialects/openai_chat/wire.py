"""What a client may say in a chat completion: https://platform.openai.com/docs/api-reference/chat/create.

Clients send back what they got and more, so unknown members are kept and never refused here; known ones have to be
of the right type, and a JSON null means "not set".
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from gemini_proxy.errors import ProxyError, bad_request
from gemini_proxy.gemini.lenient_json import json_from


class _Wire(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


TEXTS = ("text", "input_text", "output_text")


class ContentPart(_Wire):
    """One part of a message's content; what else it holds depends on `type`."""

    type: str
    text: str | None = None
    refusal: str | None = None

    @property
    def words(self) -> str | None:
        """The text of a part that is text, None for any other."""
        if self.type == "refusal":
            return self.refusal or ""
        return self.text or "" if self.type in TEXTS else None

    @property
    def members(self) -> dict[str, Any]:
        return {"type": self.type, **(self.model_extra or {})}


class FunctionCall(_Wire):
    name: Annotated[str, Field(min_length=1)]
    arguments: str | None = None


class ToolCall(_Wire):
    id: str | None = None
    type: str | None = None
    function: FunctionCall


class Message(_Wire):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None

    @property
    def text(self) -> str:
        """All that it says in words."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.words or "" for part in self.content or [])

    @property
    def placed_calls(self) -> list[tuple[ToolCall, str]]:
        """The calls of an assistant message, also the one of the older form, and where their arguments stand."""
        if self.role != "assistant":
            return []
        if self.tool_calls:
            return [(call, f"tool_calls[{i}].function.arguments") for i, call in enumerate(self.tool_calls)]
        return [(ToolCall(function=self.function_call), "function_call.arguments")] if self.function_call else []

    @property
    def calls(self) -> list[ToolCall]:
        return [call for call, _ in self.placed_calls] if self.tool_calls or self.function_call else []

    @property
    def google(self) -> dict[str, Any]:
        """What Google's own OpenAI layer puts beside a message, and clients send back (docs/protocol.md, P-617)."""
        return google_of(self.model_extra)


class Function(_Wire):
    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(_Wire):
    type: str
    function: Function | None = None


def google_of(extra: dict[str, Any] | None) -> dict[str, Any]:
    content = (extra or {}).get("extra_content")
    google = content.get("google") if isinstance(content, dict) else None
    return google if isinstance(google, dict) else {}


class StreamOptions(_Wire):
    include_usage: bool | None = None


class Reasoning(_Wire):
    """OpenAI's `effort` and `summary`; the others are OpenRouter's."""

    effort: str | None = None
    summary: Any = None  # thoughts are told as Google sums them up, in one form
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class Thinking(_Wire):
    """Anthropic's spelling, which LiteLLM sends to any server."""

    type: str | None = None
    budget_tokens: Annotated[int, Field(ge=0)] | None = None


class JsonSchema(_Wire):
    name: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class ResponseFormat(_Wire):
    """`schema` beside the type is how the server of llama.cpp spells it."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None

    @property
    def wanted(self) -> dict[str, Any] | None:
        """The schema that the answer has to match, None for any."""
        if self.type == "text":
            return None
        return self.json_schema.schema_ if self.json_schema and self.json_schema.schema_ is not None else self.schema_


class ChatRequest(_Wire):
    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[Message], Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[float, Field(ge=0)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None  # Google's limit of candidateCount
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    reasoning: Reasoning | None = None
    thinking: Thinking | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    image_config: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    safety_settings: list[dict[str, Any]] | None = None
    google: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None
    service_tier: str | None = None


def read(body: bytes) -> ChatRequest:
    """The request in a body. Raises ProxyError 400 that names the member that is wrong."""
    try:
        document = json_from(body)
    except ValueError as error:
        raise bad_request(_not_json(body, str(error)), None, "invalid_json") from error
    if not isinstance(document, dict):
        raise bad_request("The request body must be a JSON object.", None, "invalid_json")
    try:
        return ChatRequest.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        raise _refusal(max(problems, key=lambda problem: len(problem["loc"]))) from error  # of a union, the nearest


def _not_json(body: bytes, problem: str) -> str:
    if not body.strip():
        return "The request body is empty. Send JSON."
    if body.startswith(b"--") or re.match(rb"[\w.%+-]+=", body):
        return "The request body is a form, not JSON. Send JSON with Content-Type: application/json."
    what, _, where = problem.partition(" at line ")
    return (
        f"The request body is not valid JSON (line {where.replace(' column', ', column')}): {what}."
        if where
        else (f"The request body is not valid JSON: {problem}.")
    )


# What pydantic calls a type -> what a person calls it.
KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
}


def _refusal(error: ErrorDetails) -> ProxyError:
    param, given = _param(error["loc"]), error["input"]
    if error["type"] == "missing":
        return bad_request(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    if error["type"] in ("too_short", "string_too_short"):
        advice = ": give at least one message" if param == "messages" else ""
        return bad_request(f"'{param}' is empty{advice}.", param)
    shown = "" if isinstance(given, dict | list | BaseModel) else f"{given!r:.100}"
    if kind := KINDS.get(error["type"]):
        named = f", not text ({shown})" if isinstance(given, str) else f", not {shown}" if shown else ""
        return bad_request(f"'{param}' must be {kind}{named}.", param)
    got = f" Got {shown}." if shown else ""
    return bad_request(f"Invalid '{param}': {error['msg'].rstrip('.')}.{got}", param)


def _param(location: tuple[Any, ...]) -> str:
    """The place as OpenAI writes it, `messages[0].content`; pydantic puts names of union branches in between."""
    branches = ("str", "int", "float", "bool")
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in branches and "[" not in step:
            path += f".{step}" if path else step
    return path
