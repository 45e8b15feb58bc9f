"""What a client may say to embed texts: https://platform.openai.com/docs/api-reference/embeddings/create."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gemini_proxy.errors import ProxyError, bad_request
from gemini_proxy.gemini.lenient_json import json_from

LARGEST_INPUT = 2048  # texts in one request, as at OpenAI
TOKENS = (
    "Lists of token numbers cannot be embedded: they are numbers of another model's vocabulary, and Gemini takes text "
    "alone. Send the texts themselves (in LangChain: check_embedding_ctx_length=False)."
)


class GoogleExtension(BaseModel):
    """What Gemini knows besides, under `google` as in chat completions."""

    model_config = ConfigDict(extra="allow", strict=True)

    task_type: str | None = None
    title: str | None = None


class EmbeddingsRequest(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    model: Annotated[str, Field(min_length=1)]
    input: str | list[str] | list[int] | list[list[int]]
    dimensions: Annotated[int, Field(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None
    google: GoogleExtension | None = None

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else [text for text in self.input if isinstance(text, str)]


def read(body: bytes) -> EmbeddingsRequest:
    """The request in a body. Raises ProxyError 400 that names the member that is wrong."""
    try:
        request = EmbeddingsRequest.model_validate(json_from(body))
    except ValidationError as error:
        raise _refusal(error) from error
    except ValueError as error:
        raise bad_request("The request body must be a JSON object.", None, "invalid_json") from error
    texts = request.texts
    if not texts and request.input:
        raise bad_request(TOKENS, "input", "unsupported_value")
    if not 1 <= len(texts) <= LARGEST_INPUT:
        raise bad_request(f"'input' must hold 1 to {LARGEST_INPUT} texts, not {len(texts)}.", "input")
    if "" in texts:
        place = "input" if isinstance(request.input, str) else f"input[{texts.index('')}]"
        raise bad_request(f"'{place}' is empty: there is nothing to embed.", place)
    return request


def _refusal(error: ValidationError) -> ProxyError:
    problem = error.errors(include_url=False, include_context=False)[0]
    if not problem["loc"]:
        return bad_request("The request body must be a JSON object.", None, "invalid_json")
    place = str(problem["loc"][0])
    if problem["type"] == "missing":
        return bad_request(f"'{place}' is required.", place, "missing_required_parameter")
    if place == "input":
        return bad_request("'input' must be a text or a list of texts.", place)
    return bad_request(f"'{place}': {problem['msg']}.", place)
