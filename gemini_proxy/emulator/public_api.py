"""The public Gemini API (https://ai.google.dev/api): the same models behind a key, without Code Assist's envelope."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

from gemini_proxy.emulator import consent, embeddings, errors, fields, public_errors, strict
from gemini_proxy.emulator.errors import GoogleError
from gemini_proxy.emulator.generate import ModelAnswer, prompt_counts
from gemini_proxy.emulator.messages import COMMON_HEADERS, Reply, Request, json_reply, stream_reply
from gemini_proxy.emulator.models import EMBEDDING, INPUT_LIMIT, OUTPUT_LIMIT, PUBLIC, PUBLIC_API, Family
from gemini_proxy.emulator.settings import Settings

Json = dict[str, Any]
BASES = ("/v1beta/", "/v1/")  # one API in two versions: Google's SDK asks the second since its third major version
PAGE = 50  # models on a page, unless the client asks for another number up to 1000
PATH = re.compile(r"/v1(?:beta)?/models(?:/([^/:]+)(?::([A-Za-z]+))?)?")
GENERATES = ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"]
EMBEDS = ["embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"]


class PublicApi:
    """`keys` are those that were issued; with settings.any_token every other one is good too."""

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self.settings = settings
        self.keys: set[str] = set()
        self._now = now
        self._answers = 0
        self._methods: dict[str, tuple[str, Callable[[str, Json], Json]]] = {
            "generateContent": ("PublicGenerateContent", self._generate),
            "countTokens": ("PublicCountTokens", self._count_tokens),
            "embedContent": ("EmbedContent", self._embed(embeddings.embed_one)),
            "batchEmbedContents": ("BatchEmbedContents", self._embed(embeddings.embed_batch)),
        }

    def issue_key(self) -> str:
        """In the form of Google's: AIza and 35 characters."""
        key = "AIza" + secrets.token_urlsafe(40)[:35]
        self.keys.add(key)
        return key

    def answer(self, request: Request) -> Reply:
        streams = request.rpc == "streamGenerateContent"
        try:
            reply = self._answer(request)
        except GoogleError as error:
            kind = self.settings.stream_error_type if streams else "application/json; charset=UTF-8"
            form = self.settings.error_form if streams else "object"
            reply = json_reply(error.body(form), error.code, kind)
        headers = (("Date", formatdate(self._now(), usegmt=True)), *COMMON_HEADERS)
        return Reply(reply.status, (*reply.headers, *headers), reply.frames, reply.stream)

    def _answer(self, request: Request) -> Reply:
        match = PATH.fullmatch(request.path)
        model, method = match.groups() if match else (None, None)
        if request.method == "GET" and match and not method:
            self._authorize(request, *(() if model else ("pageSize", "pageToken")))
            return json_reply(self._describe(model) if model else self._list(request))
        if request.method != "POST" or not model or not method:
            return consent.not_found_page(request.path)
        return self._call(model, method, request)

    def _call(self, model: str, method: str, request: Request) -> Reply:
        if method == "streamGenerateContent":
            self._authorize(request)
            asked = fields.read_request("PublicGenerateContent", request)
            chunks = [_bare(chunk) for chunk in self._model(model, method, asked).chunks()]
            return stream_reply(chunks, request.params.get("alt") == "sse")
        if method not in self._methods:
            return consent.not_found_page(request.path)
        self._authorize(request)
        message, act = self._methods[method]
        return json_reply(act(model, fields.read_request(message, request)))

    def _authorize(self, request: Request, *params: str) -> None:
        key = request.headers.get("x-goog-api-key") or request.params.get("key", "")
        if request.headers.get("authorization"):
            raise errors.bad_credentials()  # a key beside it does not help; no token is good here
        if not key:
            raise public_errors.no_key()
        if key not in self.keys and not self.settings.any_token:
            raise public_errors.invalid_key()
        if self.settings.public_error == "suspended":
            raise public_errors.suspended(key)
        if self.settings.public_error:
            raise public_errors.NAMED[self.settings.public_error]()
        fields.check_params(request, "key", *params)

    # Models --------------------------------------------------------------------------------------------------------

    def _list(self, request: Request) -> Json:
        size, token = request.params.get("pageSize", str(PAGE)), request.params.get("pageToken", "0")
        if not size.isdigit() or not token.isdigit():
            raise errors.invalid("Request contains an invalid argument.")
        start, end = int(token), int(token) + min(int(size) or PAGE, 1000)
        models = list(_models())
        return {"models": models[start:end], **({"nextPageToken": str(end)} if end < len(models) else {})}

    def _describe(self, name: str) -> Json:
        found = next((model for model in _models() if model["name"] == f"models/{name}"), None)
        if found is None:
            raise public_errors.model_not_found(name, "get")
        return found

    # Methods -------------------------------------------------------------------------------------------------------

    def _model(self, model: str, method: str, request: Json) -> ModelAnswer:
        family = _family(model, method)
        if request.pop("model", f"models/{model}") != f"models/{model}":
            raise errors.invalid("The model in the body is not the model in the path.")  # own words
        if "cachedContent" in request:
            raise GoogleError("PERMISSION_DENIED", "CachedContent not found (or permission denied)")
        strict.check_request(request, family, self.settings.alternate, PUBLIC_API)
        self._answers += 1
        return ModelAnswer({"model": model, "request": request}, self._answers, self._now())

    def _generate(self, model: str, request: Json) -> Json:
        return _bare(self._model(model, "generateContent", request).whole())

    def _count_tokens(self, model: str, asked: Json) -> Json:
        """The contents, or the whole request they belong to, never both."""
        if model not in EMBEDDING:
            _family(model, "countTokens")
        if ("contents" in asked) == ("generateContentRequest" in asked):
            raise errors.invalid("Exactly one of contents and generate_content_request must be set.")  # own words
        request = asked.get("generateContentRequest", asked)
        if "generateContentRequest" in asked and request.get("model") != f"models/{model}":
            raise errors.invalid("* CountTokensRequest.generate_content_request.model: model is required.")  # own words
        counts = prompt_counts(request)
        listed = [{"modality": modality, "tokenCount": count} for modality, count in counts.items() if count]
        return {"totalTokens": sum(counts.values()), "promptTokensDetails": listed}

    def _embed(self, act: Callable[[str, Json], Json]) -> Callable[[str, Json], Json]:
        def checked(model: str, asked: Json) -> Json:
            if model not in EMBEDDING:
                raise public_errors.model_not_found(model, "embedContent")
            return act(model, asked)

        return checked


def _family(model: str, method: str) -> Family:
    if model not in PUBLIC:
        raise public_errors.model_not_found(model, method)
    return PUBLIC[model]


def _bare(chunk: Json) -> Json:
    """The answer without the envelope, and without a member that only Code Assist and Vertex AI say."""
    return {name: value for name, value in chunk["response"].items() if name != "createTime"}


def _models() -> Iterator[Json]:
    for name, family in PUBLIC.items():
        limits = {"inputTokenLimit": INPUT_LIMIT, "outputTokenLimit": OUTPUT_LIMIT}
        if family.modalities != ("TEXT",):
            limits = {"inputTokenLimit": 32_768, "outputTokenLimit": 32_768}
        thinking = {"thinking": True} if family.budgets[1] else {}
        yield _described(name, GENERATES, **limits, temperature=1, topP=0.95, topK=64, maxTemperature=2, **thinking)
    for name in EMBEDDING:
        yield _described(name, EMBEDS, inputTokenLimit=2048, outputTokenLimit=1)


def _described(name: str, methods: list[str], **more: Any) -> Json:
    title = name.replace("-", " ").title()
    described = {"name": f"models/{name}", "version": "001", "displayName": title, "description": "Emulated."}
    return {**described, "supportedGenerationMethods": methods, **more}
