"""OpenAI's Chat Completions API: which paths it has, and how its requests and answers join the hub."""

import secrets
import time
import uuid
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from pydantic_core import to_json

from gemini_proxy.dialects.openai_chat import wire
from gemini_proxy.dialects.openai_chat.answer import Head, StreamRenderer, Telling, WholeRenderer
from gemini_proxy.dialects.openai_chat.deltas import Voice
from gemini_proxy.dialects.openai_chat.errors import refusal
from gemini_proxy.dialects.openai_chat.model_names import model_name_from
from gemini_proxy.dialects.openai_chat.request import Translation, translated
from gemini_proxy.dialects.openai_chat.signed import call_ids
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask
from gemini_proxy.gemini.family import Family, family_of
from gemini_proxy.gemini.models import MODELS, Model
from gemini_proxy.gemini.schema_check import check as check_schema
from gemini_proxy.gemini.signatures import Remembered
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.settings import Unsupported

CHAT = "/v1/chat/completions"
MODEL_LIST = "/v1/models"


class Memory(Protocol):
    """What keeps thought signatures between two requests of one conversation."""

    def remember(self, call_id: str, signature: str, family: str) -> None: ...
    def recall(self, call_ids: Iterable[str]) -> Mapping[str, Remembered]: ...


class OpenAIChat:
    """`aliases` are the operator's names for models; `unsupported` is what happens to what Gemini cannot do."""

    def __init__(self, memory: Memory, aliases: Mapping[str, str], unsupported: Unsupported = "warn") -> None:
        self._memory = memory
        self._aliases = aliases
        self._unsupported = unsupported

    def speaks(self, request: ClientRequest) -> bool:
        return request.path == CHAT or request.path == MODEL_LIST or request.path.startswith(MODEL_LIST + "/")

    def read(self, request: ClientRequest) -> Ask | Answer:
        if request.path == CHAT:
            _allow(request, "POST")
            return self._chat(request)
        _allow(request, "GET", "HEAD")
        return model_list() if request.path == MODEL_LIST else model_answer(request.path.removeprefix(MODEL_LIST + "/"))

    def refuse(self, error: ProxyError) -> Answer:
        return refusal(error)

    def _chat(self, request: ClientRequest) -> Ask:
        chat = wire.read(request.body)
        model = model_name_from(chat.model, self._aliases)
        translation = translated(chat, model, self._signatures(chat, family_of(model.id)))
        if translation.warnings and self._unsupported == "error":
            raise wire.bad_request("; ".join(translation.warnings), None, "unsupported_parameter")
        telling = self._telling(chat, translation)
        return Ask(
            model=model.id,
            method="streamGenerateContent" if chat.stream else "generateContent",
            request=translation.request,
            renderer=StreamRenderer(telling) if chat.stream else WholeRenderer(telling),
            warnings=translation.warnings if self._unsupported == "warn" else [],
            remote=translation.remote,
            request_id=str(uuid.uuid4()),
        )

    def _telling(self, chat: wire.ChatRequest, translation: Translation) -> Telling:
        schema = chat.response_format.json_schema if chat.response_format else None
        check = partial(_mismatch, schema=schema.schema_) if schema else None
        voice = Voice(
            names=translation.names,
            remember=partial(self._remember, translation.family.name),
            legacy_functions=bool(chat.functions) and not chat.tools,
            keep_text=check is not None
            or any("functionDeclarations" not in tool for tool in translation.request.get("tools", [])),
            audio="audio" in (chat.modalities or []),
        )
        head = Head(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), chat.model)
        include_usage = chat.stream_options is not None and chat.stream_options.include_usage is True
        return Telling(head, voice, check, include_usage)

    def _remember(self, family_name: str, call_id: str, signature: str) -> None:
        self._memory.remember(call_id, signature, family_name)

    def _signatures(self, chat: wire.ChatRequest, kind: Family) -> dict[str, str]:
        """Those that came from this family of models: another one's would be refused (C136)."""
        ids = call_ids(chat.messages)
        found = self._memory.recall(ids) if ids else {}
        return {call_id: kept.signature for call_id, kept in found.items() if kept.family == kind.name}


def _mismatch(text: str, schema: dict[str, Any] | None) -> str:
    return check_schema(text, schema or {})


def model_list() -> Answer:
    return _json({"object": "list", "data": [model_object(model) for model in MODELS]})


def model_answer(model_id: str) -> Answer:
    for model in MODELS:
        if model.id == model_id:
            return _json(model_object(model))
    text = f"The model {model_id!r} is not in the list of /v1/models. A chat can name it all the same, if Google serves it."
    raise ProxyError(404, "model_not_found", text, param="model")


def model_object(model: Model) -> dict[str, object]:
    """`created` is not known for Google's models; OpenAI's form wants a number."""
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": "google",
        "context_length": model.input_tokens,
        "max_output_tokens": model.output_tokens,
    }


def _allow(request: ClientRequest, *methods: str) -> None:
    if request.method not in methods:
        text = f"{request.method} is not allowed on {request.path}; use {' or '.join(methods)}."
        raise ProxyError(405, "method_not_allowed", text, headers={"allow": ", ".join(methods)})


def _json(value: object) -> Answer:
    return Answer(200, to_json(value), {"content-type": "application/json"})
