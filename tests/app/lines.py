"""A protocol that has never heard of OpenAI, as a dialect: lines of JSON, far from /v1, with errors of its own."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask, Route
from gemini_proxy.gemini.answer.events import Text
from gemini_proxy.gemini.answer.reader import Reader
from gemini_proxy.gemini.wire import GenerateContentResponse
from gemini_proxy.http import Answer, ClientRequest

HEADERS = {"content-type": "application/x-ndjson"}


def line(**members: Any) -> bytes:
    return json.dumps(members).encode() + b"\n"


class Lines:
    routes: ClassVar = {"/lines/{model}:ask": Route(("POST", "PUT"))}

    def read(self, request: ClientRequest) -> Ask:
        model = request.path.removeprefix("/lines/").removesuffix(":ask")
        try:
            text = json.loads(request.body)["text"]
        except (ValueError, LookupError, TypeError) as error:
            raise ProxyError(400, "bad_line", "A line is an object with a text.", param="text") from error
        request_of_google = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        return Ask(model, "streamGenerateContent", request_of_google, LinesRenderer(), request_id="lines")

    def refuse(self, error: ProxyError) -> Answer:
        return Answer(error.status, line(fault=error.code, why=error.message), {**HEADERS, **error.headers})


class LinesRenderer:
    def __init__(self) -> None:
        self._reader = Reader()

    @property
    def warnings(self) -> list[str]:
        return self._reader.warnings

    def feed(self, chunk: GenerateContentResponse) -> list[bytes]:
        return [line(text=event.text) for event in self._reader.feed(chunk) if isinstance(event, Text)]

    def end(self, *, broken: bool = False) -> list[bytes]:
        return [line(end=end.reason) for end in self._reader.ends(broken=broken)]

    def fail(self, error: ProxyError) -> list[bytes]:
        return [line(fault=error.code)]

    def beat(self) -> bytes:
        return b"\n"

    def headers(self) -> Mapping[str, str]:
        return HEADERS
