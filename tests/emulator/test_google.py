"""Accounts, projects, errors and the routes of Code Assist."""

from __future__ import annotations

from typing import Any

import pytest

from gemini_proxy.emulator import Google, Reply, Request
from gemini_proxy.emulator.accounts import ACCOUNTS
from gemini_proxy.emulator.errors import NAMED
from tests.emulator.asking import PROJECT, body_of, chunks_of, envelope, google, post, refusal

METADATA = {"ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}
LICENSE = "You do not have a valid license of this product."


def load(server: Google, **more: Any) -> Any:
    return body_of(post(server, "loadCodeAssist", {"metadata": METADATA, **more}))


def onboard(server: Google, tier: str, **more: Any) -> Reply:
    return post(server, "onboardUser", {"tierId": tier, "metadata": METADATA, **more})


def poll(server: Google, name: str) -> Reply:
    return server.answer(Request("GET", f"/v1internal/{name}", headers={"authorization": "Bearer any"}))


def generate(server: Google, project: str = PROJECT) -> Reply:
    return post(server, "generateContent", {**envelope(), "project": project})


def reasons(body: Any) -> list[str]:
    return [detail["reason"] for detail in body["error"].get("details", []) if "reason" in detail]


@pytest.mark.parametrize(
    ("account", "tier", "project"),
    [
        ("standard", "standard-tier", PROJECT),
        ("standard-no-project", "standard-tier", None),
        ("free", "free-tier", PROJECT),
        ("onboard-free", None, None),
        ("shutdown", None, None),
        ("validation", None, None),
    ],
)
def test_load_code_assist(account: str, tier: str | None, project: str | None) -> None:
    answer = load(google(account=account))
    assert answer.get("currentTier", {}).get("id") == tier
    assert answer.get("cloudaicompanionProject") == project
    assert [t["id"] for t in answer["allowedTiers"] if t.get("isDefault")]


@pytest.mark.parametrize(
    ("account", "reason"), [("shutdown", "UNSUPPORTED_CLIENT"), ("validation", "VALIDATION_REQUIRED")]
)
def test_ineligible_accounts(account: str, reason: str) -> None:
    (tier,) = load(google(account=account))["ineligibleTiers"]
    assert tier["reasonCode"] == reason
    assert tier["reasonMessage"]


@pytest.mark.parametrize(("account", "reason"), [("tos", "TOS_VIOLATION"), ("vpc-sc", "SECURITY_POLICY_VIOLATED")])
def test_accounts_that_cannot_be_loaded(account: str, reason: str) -> None:
    server = google(account=account)
    assert reasons(load(server)) == [reason]
    assert onboard(server, "standard-tier").status == 403


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        ("shutdown", "SUBSCRIPTION_REQUIRED"),
        ("validation", "VALIDATION_REQUIRED"),
        ("tos", "TOS_VIOLATION"),
    ],
)
def test_accounts_that_may_not_call(account: str, reason: str) -> None:
    server = google(account=account)
    for method, body in (("generateContent", envelope()), ("countTokens", {}), ("retrieveUserQuota", {})):
        reply = post(server, method, body)
        assert reply.status == 403
        assert reasons(body_of(reply)) == [reason]


@pytest.mark.parametrize("account", ["standard", "free", "standard-no-project", "vpc-sc", "onboard-free"])
def test_accounts_that_may_call(account: str) -> None:
    assert generate(google(account=account), "my-own-project").status == 200


@pytest.mark.parametrize(
    ("account", "project", "status", "text"),
    [
        ("standard", "", 400, "Invalid project resource name projects/"),
        ("standard", "default", 403, "Permission denied on resource project default."),
        ("standard-no-project", "default", 403, "Permission denied on resource project default."),
        ("standard", "123456", 403, "Permission denied on resource project 123456."),
        ("standard", "someone-elses", 403, "Permission 'cloudaicompanion.companions.generateChat' denied"),
    ],
)
def test_projects(account: str, project: str, status: int, text: str) -> None:
    got, message = refusal(generate(google(account=account), project))
    assert (got, message.startswith(text)) == (status, True)


def test_a_project_may_be_any_when_the_user_brings_it() -> None:
    assert generate(google(account="standard-no-project"), "whatever").status == 200


# Onboarding


@pytest.mark.parametrize("polls", [1, 3])
def test_free_onboarding_is_a_long_running_operation(polls: int) -> None:
    server = google(account="onboard-free", polls_until_done=polls)
    operation = body_of(onboard(server, "free-tier"))
    assert set(operation) == {"name"}
    answers = [body_of(poll(server, operation["name"])) for _ in range(polls)]
    assert answers[:-1] == [operation] * (polls - 1)
    assert answers[-1]["done"] is True
    assert answers[-1]["response"]["@type"].endswith("v1internal.OnboardUserResponse")
    assert answers[-1]["response"]["cloudaicompanionProject"]["id"] == PROJECT
    assert load(server)["currentTier"]["id"] == "free-tier"


@pytest.mark.parametrize(
    ("account", "tier", "project"),
    [("onboard-free", "free-tier", "p"), ("shutdown", "free-tier", None), ("free", "", None)],
)
def test_onboarding_that_fails(account: str, tier: str, project: str | None) -> None:
    more = {"cloudaicompanionProject": project} if project else {}
    assert onboard(google(account=account), tier, **more).status == 400


def test_onboarding_of_other_tiers() -> None:
    own = body_of(onboard(google(), "legacy-tier", cloudaicompanionProject="my-own-project"))
    assert own["done"]
    assert own["response"]["cloudaicompanionProject"]["id"] == "my-own-project"
    none = body_of(onboard(google(account="shutdown"), "standard-tier"))
    assert none["done"]
    assert "cloudaicompanionProject" not in none["response"]


def test_unknown_operations() -> None:
    assert poll(google(), "operations/none").status == 404


# The other methods


def test_quota() -> None:
    buckets = body_of(post(google(), "retrieveUserQuota", {"project": PROJECT}))["buckets"]
    assert "gemini-3-pro-preview" in [bucket["modelId"] for bucket in buckets]
    assert buckets[0] == {
        "resetTime": "2027-01-16T08:00:00Z",
        "tokenType": "REQUESTS",
        "modelId": "gemini-2.5-flash",
        "remainingFraction": 0.82666665,
    }


@pytest.mark.parametrize(
    ("method", "body", "answer"),
    [
        ("listExperiments", {"metadata": METADATA}, {"experimentIds": [], "flags": []}),
        ("fetchAdminControls", {"project": PROJECT}, {}),
        ("recordCodeAssistMetrics", {"metrics": [{"timestamp": "t"}]}, {}),
        (
            "setCodeAssistGlobalUserSetting",
            {"freeTierDataCollectionOptin": True},
            {"freeTierDataCollectionOptin": True},
        ),
    ],
)
def test_small_methods(method: str, body: Any, answer: Any) -> None:
    assert body_of(post(google(), method, body)) == answer


def test_user_setting() -> None:
    path = "/v1internal:getCodeAssistGlobalUserSetting"
    reply = google().answer(Request("GET", path, headers={"authorization": "Bearer any"}))
    assert body_of(reply)["freeTierDataCollectionOptin"] is False


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/"),
        ("POST", "/v1internal:embedContent"),
        ("GET", "/v1internal:generateContent"),
        ("GET", "/v1internal:streamGenerateContent"),
        ("POST", "/v1internal/models:generateContent"),
        ("POST", "/v1beta/tunedModels/mine:generateContent"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/<script>"),
    ],
)
def test_other_paths_are_not_found(verb: str, path: str) -> None:
    reply = google().answer(Request(verb, path, headers={"authorization": "Bearer any"}))
    assert reply.status == 404
    assert dict(reply.headers)["Content-Type"].startswith("text/html")
    assert b"<script>" not in reply.body


def test_query_parameters_are_checked() -> None:
    status, message = refusal(post(google(), "generateContent", envelope(), query="key=abc"))
    assert status == 400
    assert message.startswith('Invalid JSON payload received. Unknown name "key": Cannot bind query parameter.')
    assert post(google(), "generateContent", envelope(), query="prettyPrint=false").status == 200


def test_the_body_must_be_called_json() -> None:
    headers = {"authorization": "Bearer any", "content-type": "text/plain"}
    request = Request("POST", "/v1internal:loadCodeAssist", headers=headers, body=b"{}")
    assert google().answer(request).status == 400


def test_a_body_that_is_no_json_is_none() -> None:
    assert Request("POST", "/", body=b"{").json is None


# Errors


@pytest.mark.parametrize(
    ("method", "kind"), [("streamGenerateContent", "text/event-stream"), ("generateContent", "json")]
)
def test_the_type_of_errors(method: str, kind: str) -> None:
    reply = post(google(), method, {})
    assert kind in dict(reply.headers)["Content-Type"]
    assert dict(reply.headers)["Server"] == "ESF"


def test_the_array_form_repeats_the_error_in_old_words() -> None:
    server = google(error_form="array", stream_error_type="application/json")
    reply = post(server, "streamGenerateContent", envelope(model="none"))
    (body,) = body_of(reply)
    message = "Requested entity was not found."
    assert body["error"]["errors"] == [{"message": message, "domain": "global", "reason": "notFound"}]
    assert dict(reply.headers)["Content-Type"] == "application/json"
    assert isinstance(body_of(post(server, "generateContent", {})), dict)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_errors(name: str) -> None:
    error = NAMED[name]()
    assert error.as_object()["error"]["code"] == error.code
    assert error.as_array()[0]["error"]["details" if error.details else "code"]


def test_every_account_is_tried_here() -> None:
    assert set(ACCOUNTS) == {
        *("standard", "standard-no-project", "free", "onboard-free"),
        *("shutdown", "validation", "tos", "vpc-sc"),
    }


def test_the_trace_id_is_in_body_and_header() -> None:
    reply = post(google(), "streamGenerateContent", envelope(), query="alt=sse")
    assert dict(reply.headers)["X-Cloudaicompanion-Trace-Id"] == chunks_of(reply.body)[0]["traceId"]
