"""OpenAI's Chat Completions API: which paths it has, and how its requests and answers join the hub."""

import secrets
import time
import uuid

from pydantic_core import to_json

from gemini_proxy.dialects.openai_chat import wire
from gemini_proxy.dialects.openai_chat.answer import StreamRenderer, WholeRenderer
from gemini_proxy.dialects.openai_chat.errors import refusal
from gemini_proxy.dialects.openai_chat.request import translated
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask
from gemini_proxy.gemini.models import MODELS, Model
from gemini_proxy.http import Answer, ClientRequest

CHAT = "/v1/chat/completions"
MODEL_LIST = "/v1/models"


class OpenAIChat:
    def speaks(self, request: ClientRequest) -> bool:
        return request.path == CHAT or request.path == MODEL_LIST or request.path.startswith(MODEL_LIST + "/")

    def read(self, request: ClientRequest) -> Ask | Answer:
        if request.path == CHAT:
            _allow(request, "POST")
            return chat_ask(request)
        _allow(request, "GET", "HEAD")
        return model_list() if request.path == MODEL_LIST else model_answer(request.path.removeprefix(MODEL_LIST + "/"))

    def refuse(self, error: ProxyError) -> Answer:
        return refusal(error)


def chat_ask(request: ClientRequest) -> Ask:
    chat = wire.read(request.body)
    translation = translated(chat)
    answer_id, created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
    include_usage = chat.stream_options is not None and chat.stream_options.include_usage is True
    return Ask(
        model=chat.model,
        method="streamGenerateContent" if chat.stream else "generateContent",
        request=translation.request,
        renderer=StreamRenderer(answer_id, created, chat.model, include_usage)
        if chat.stream
        else WholeRenderer(answer_id, created, chat.model),
        warnings=translation.warnings,
        request_id=str(uuid.uuid4()),
    )


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
