"""OpenAI's Chat Completions API: which paths it has, and how its requests and answers join the hub."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Protocol
from urllib.parse import unquote

from pydantic_core import to_json

from gemini_proxy.dialects.openai_chat import wire
from gemini_proxy.dialects.openai_chat.answer import Head, StreamRenderer, Telling, WholeRenderer
from gemini_proxy.dialects.openai_chat.deltas import Deltas, text_for
from gemini_proxy.dialects.openai_chat.request import Translation, translated
from gemini_proxy.dialects.openai_chat.signed import call_ids, image_ids, transcript_of
from gemini_proxy.dialects.openai_errors import refusal
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, Route, request_id_from
from gemini_proxy.gemini.answer.answer_function import AnswerFunctionReader
from gemini_proxy.gemini.answer.reader import Reader
from gemini_proxy.gemini.answer.resolved import ResolvedAnswer
from gemini_proxy.gemini.answer.schema_check import check as check_schema
from gemini_proxy.gemini.family import Family, family_of
from gemini_proxy.gemini.model_names import model_name_from
from gemini_proxy.gemini.models import MODELS, Model, not_found, sorted_for_pickers
from gemini_proxy.gemini.request.unmet import refuse_unmet
from gemini_proxy.gemini.signatures import Remembered
from gemini_proxy.gemini.transcript import Transcript
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.settings import Unsupported

CHAT = "/v1/chat/completions"
MODEL_LIST = "/v1/models"


class Memory(Protocol):
    """What keeps thought signatures between two requests of one conversation."""

    def remember(self, call_id: str, signature: str, family: str) -> None: ...
    def recall(self, call_ids: Iterable[str]) -> Mapping[str, Remembered]: ...


class OpenAIChat:
    """`aliases` are the operator's names for models; `unsupported` is what happens to what Gemini cannot do,
    `models` what is known of Google's models now."""

    routes: ClassVar = {
        CHAT: Route(("POST",)),
        MODEL_LIST: Route(("GET", "HEAD"), lists_models=True),
        MODEL_LIST + "/{model}": Route(("GET", "HEAD"), lists_models=True),
    }

    def __init__(
        self,
        memory: Memory,
        aliases: Mapping[str, str],
        unsupported: Unsupported = "warn",
        models: Callable[[], Sequence[Model]] = lambda: MODELS,
    ) -> None:
        self._models = models
        self._memory = memory
        self._aliases = aliases
        self._unsupported = unsupported
        self._created = int(time.time())  # of all models: when they were made, Google does not say

    def read(self, request: ClientRequest) -> Ask | Answer:
        if request.path == CHAT:
            return self._chat(request)
        if request.path == MODEL_LIST:
            return self._model_list()
        return self._model(unquote(request.path.removeprefix(MODEL_LIST + "/")))

    def refuse(self, error: ProxyError) -> Answer:
        return refusal(error)

    def _model_list(self) -> Answer:
        """Google's models, then the operator's names for them: programs with a picker offer nothing else."""
        models = sorted_for_pickers(self._models())
        named = [self._named(name) for name in self._aliases]
        ids = {model.id for model in models}
        listed = [*models, *(model for model in named if model.id not in ids)]
        return _json({"object": "list", "data": [model_object(model, self._created) for model in listed]})

    def _model(self, name: str) -> Answer:
        """One model, by any name that a chat would take. Raises ProxyError 404 for one that is not known."""
        known = {model.id for model in self._models()}
        if name not in self._aliases and self._behind(name) not in known:
            text = not_found(name, self._models(), "this server")
            raise ProxyError(404, "model_not_found", text, param="model", retry=False)
        return _json(model_object(self._named(name), self._created))

    def _named(self, name: str) -> Model:
        """A model under a name of the client's or the operator's, with the limits of the one behind it."""
        behind = self._behind(name)
        found = next((model for model in self._models() if model.id == behind), Model(behind))
        return Model(name, found.input_tokens, found.output_tokens)

    def _behind(self, name: str) -> str:
        try:
            return model_name_from(name, self._aliases).id
        except ProxyError:  # no chat would take it
            return ""

    def _chat(self, request: ClientRequest) -> Ask:
        chat = wire.read(request.body)
        model = model_name_from(chat.model, self._aliases)
        said, text_ids = transcript_of(chat.messages)
        translation = translated(chat, model, self._remembered(chat, text_ids), text_ids)
        if translation.unsupported and self._unsupported == "error":
            raise refuse_unmet(translation.unsupported)
        telling = self._telling(chat, family_of(model.id), translation, said)
        told = [unmet.warning for unmet in translation.unsupported] if self._unsupported == "warn" else []
        return Ask(
            model=model.id,
            method="streamGenerateContent" if chat.stream else "generateContent",
            request=translation.request,
            renderer=StreamRenderer(telling) if chat.stream else WholeRenderer(telling),
            warnings=[*told, *translation.remarks],
            remote=translation.remote,
            request_id=request_id_from(request.headers),
        )

    def _telling(self, chat: wire.ChatRequest, family: Family, translation: Translation, said: Transcript) -> Telling:
        answer = ResolvedAnswer(
            reader=reader_for(translation, chat.n or 1),
            names=translation.names,
            transcript=said,
            remember=partial(self._remember, family.name),
            in_text=text_for,
            check=check_from(chat.response_format),
            format_param="response_format",
            must_call=translation.must_call,
        )
        deltas = Deltas(bool(chat.functions) and not chat.tools, "audio" in (chat.modalities or []))
        head = Head(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), chat.model)
        include_usage = chat.stream_options is not None and chat.stream_options.include_usage is True
        return Telling(head, answer, deltas, include_usage)

    def _remember(self, family_name: str, name: str, signature: str) -> None:
        self._memory.remember(name, signature, family_name)

    def _remembered(self, chat: wire.ChatRequest, text_ids: Mapping[int, str]) -> Mapping[str, Remembered]:
        names = [*call_ids(chat.messages), *text_ids.values(), *image_ids(chat.messages)]
        return self._memory.recall(names) if names else {}


def reader_for(translation: Translation, asked: int) -> Reader:
    limit = "max_completion_tokens"
    if not translation.answer:
        return Reader(asked, limit)
    names, answer = translation.names, translation.answer
    return AnswerFunctionReader(asked, limit, is_answer=lambda wire: names.to_client(wire) == answer)


def check_from(form: wire.ResponseFormat | None) -> Callable[[str], str] | None:
    """What judges a finished text: Google was seen to ignore schemas without a word."""
    if form is None or form.type == "text":
        return None
    return partial(check_schema, schema=form.wanted or {"type": "object"})


def model_object(model: Model, created: int) -> dict[str, object]:
    return {
        "id": model.id,
        "object": "model",
        "created": created,
        "owned_by": "google",
        "context_length": model.input_tokens,
        "max_output_tokens": model.output_tokens,
    }


def _json(value: object) -> Answer:
    return Answer(200, to_json(value), {"content-type": "application/json"})
