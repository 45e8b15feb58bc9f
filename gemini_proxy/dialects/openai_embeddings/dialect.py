"""OpenAI's Embeddings API: one path, and requests that may take several calls of Google's."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from gemini_proxy.dialects.openai_embeddings import wire
from gemini_proxy.dialects.openai_embeddings.answer import EmbeddingsRenderer, Form
from gemini_proxy.dialects.openai_errors import refusal
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, Route, request_id_from
from gemini_proxy.gemini.embeddings import LARGEST_BATCH, BatchEmbedContentsRequest, EmbedContentRequest
from gemini_proxy.gemini.model_names import model_name_from
from gemini_proxy.gemini.request.unmet import Unmet, refuse_unmet
from gemini_proxy.http import Answer, ClientRequest
from gemini_proxy.settings import Unsupported

PATH = "/v1/embeddings"


class OpenAIEmbeddings:
    """`aliases` are the operator's names for models; `unsupported` is what happens to what Gemini cannot do."""

    routes: ClassVar = {PATH: Route(("POST",))}

    def __init__(self, aliases: Mapping[str, str], unsupported: Unsupported = "warn") -> None:
        self._aliases = aliases
        self._unsupported = unsupported

    def read(self, request: ClientRequest) -> Ask:
        asked = wire.read(request.body)
        warnings = self._warnings(asked)
        model = model_name_from(asked.model, self._aliases).id
        form = Form(asked.model, asked.texts, asked.encoding_format == "base64", asked.dimensions is not None)
        renderer, request_id = EmbeddingsRenderer(form), request_id_from(request.headers)
        *earlier, last = [
            Ask(model, "batchEmbedContents", batch, renderer, request_id=request_id)
            for batch in batches(asked, f"models/{model}")
        ]
        return Ask(model, last.method, last.request, renderer, warnings, request_id=request_id, earlier=earlier)

    def refuse(self, error: ProxyError) -> Answer:
        return refusal(error)

    def _warnings(self, asked: wire.EmbeddingsRequest) -> list[str]:
        google = (asked.google and asked.google.model_extra) or {}
        members = {**(asked.model_extra or {}), **{f"google.{name}": value for name, value in google.items()}}
        unmet = [Unmet(name) for name, value in members.items() if value is not None]  # null: not set
        if unmet and self._unsupported == "error":
            raise refuse_unmet(unmet)
        return [one.warning for one in unmet] if self._unsupported == "warn" else []


def batches(asked: wire.EmbeddingsRequest, model: str) -> Iterator[BatchEmbedContentsRequest]:
    requests = [embed_request(text, asked, model) for text in asked.texts]
    for start in range(0, len(requests), LARGEST_BATCH):
        yield {"requests": requests[start : start + LARGEST_BATCH]}


def embed_request(text: str, asked: wire.EmbeddingsRequest, model: str) -> EmbedContentRequest:
    request: EmbedContentRequest = {"model": model, "content": {"parts": [{"text": text}]}}
    if asked.dimensions is not None:
        request["outputDimensionality"] = asked.dimensions
    if asked.google and asked.google.task_type:
        request["taskType"] = asked.google.task_type
    if asked.google and asked.google.title:
        request["title"] = asked.google.title
    return request
