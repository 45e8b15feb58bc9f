"""What takes the place of the sign-in's pages, and the keys that clients bring."""

import json
from typing import Any

import pytest

from gemini_proxy.app.api_key import OTHER, client_key, ready, status, with_key
from gemini_proxy.app.local import naming
from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Ask
from gemini_proxy.http import Answer, ClientRequest
from tests.exchanges import chat_ask, chat_request

KEY = "AIza" + "k" * 35
NO_KEY = ProxyError(401, "google_api_key_required", "Set it.")
RESTRICTED = ProxyError(403, "google_api_key_restricted", "Google's own words.")
BAD_KEY = ProxyError(401, "invalid_google_api_key", "Google's own words.")


def body_of(answer: Answer) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer.body)
    return body


def test_ready() -> None:
    assert body_of(ready(None)) == {"status": "ready"}
    answer = ready(NO_KEY)
    assert (answer.status, body_of(answer)["reason"]) == (503, "google_api_key_required")
    assert body_of(ready(BAD_KEY))["message"] == OTHER


@pytest.mark.parametrize(("obstacle", "there"), [(None, True), (RESTRICTED, True), (BAD_KEY, False), (NO_KEY, False)])
def test_status(obstacle: ProxyError | None, there: bool) -> None:
    body = body_of(status(obstacle))
    assert (body["authenticated"], body.get("reason")) == (there, obstacle.code if obstacle else None)
    assert {"email", "projectId", "expiresAt"} <= set(body)  # as for a sign-in
    assert ("reason" in body) == ("message" in body)
    assert "Google's own words" not in body.get("message", "")


@pytest.mark.parametrize(
    ("header", "key"),
    [(f"Bearer {KEY}", KEY), (f"bearer  {KEY} ", KEY), (f"Basic {KEY}", ""), ("Bearer sk-x", ""), (f"Bearer {KEY}\n", KEY), (f"Bearer {KEY}/..", ""), ("", "")],
)  # fmt: skip
def test_keys_of_clients(header: str, key: str) -> None:
    assert client_key(ClientRequest("POST", "/v1/embeddings", {"authorization": header})) == key


def test_a_key_goes_with_every_call_of_its_request() -> None:
    asked = chat_ask(chat_request())
    earlier = Ask("m", "batchEmbedContents", {}, asked.renderer)
    keyed = with_key(Ask("m", "batchEmbedContents", {}, asked.renderer, earlier=[earlier]), KEY)
    assert [ask.client_key for ask in (keyed, *keyed.earlier)] == [KEY, KEY]
    assert KEY not in repr(keyed)
    assert with_key(asked, "") is asked


def test_a_status_names_the_upstream() -> None:
    json_type = {"content-type": "application/json"}
    assert naming(Answer(200, b'{"a":1}', json_type), "u").body == b'{"a":1,"upstream":"u"}'
    assert naming(Answer(200, b"", json_type), "u").body == b""
    assert naming(Answer(200, b"<p>", {"content-type": "text/html"}), "u").body == b"<p>"
