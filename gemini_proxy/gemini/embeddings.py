"""Gemini's own words for embeddings: the bodies of batchEmbedContents (https://ai.google.dev/api/embeddings)."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from gemini_proxy.gemini.wire import Content

LARGEST_BATCH = 100  # requests that Google takes at once
LARGEST_FLOAT = 3.4e38  # of 32 bits, as vectors are made of


class EmbedContentRequest(TypedDict, total=False):
    model: str  # models/NAME, the name of the path once more
    content: Content
    taskType: str
    title: str
    outputDimensionality: int


class BatchEmbedContentsRequest(TypedDict):
    requests: list[EmbedContentRequest]


class ContentEmbedding(TypedDict):
    values: Annotated[list[Annotated[float, Field(ge=-LARGEST_FLOAT, le=LARGEST_FLOAT)]], Field(min_length=1)]


@with_config(ConfigDict(extra="allow"))
class BatchEmbedContentsResponse(TypedDict, total=False):
    embeddings: list[ContentEmbedding]
    usageMetadata: dict[str, Any] | None


RESPONSE = TypeAdapter(BatchEmbedContentsResponse)
