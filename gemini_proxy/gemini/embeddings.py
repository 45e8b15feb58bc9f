"""Gemini's own words for embeddings: the bodies of batchEmbedContents (https://ai.google.dev/api/embeddings)."""

from typing import Any

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from gemini_proxy.gemini.wire import Content

LARGEST_BATCH = 100  # requests that Google takes at once


class EmbedContentRequest(TypedDict, total=False):
    model: str  # models/NAME, the name of the path once more
    content: Content
    taskType: str
    title: str
    outputDimensionality: int


class BatchEmbedContentsRequest(TypedDict):
    requests: list[EmbedContentRequest]


class ContentEmbedding(TypedDict):
    values: list[float]


@with_config(ConfigDict(extra="allow"))
class BatchEmbedContentsResponse(TypedDict, total=False):
    embeddings: list[ContentEmbedding]
    usageMetadata: dict[str, Any] | None


RESPONSE = TypeAdapter(BatchEmbedContentsResponse)
