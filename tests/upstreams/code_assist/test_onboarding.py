from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemini_proxy.errors import ProxyError
from gemini_proxy.upstreams.code_assist import eligibility
from gemini_proxy.upstreams.code_assist.onboarding import POLLS, Account, Answered, Call, Wait, provision

METADATA = {"ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}
FREE = {"id": "free-tier", "name": "Gemini Code Assist for individuals", "isDefault": True}
STANDARD = {"id": "standard-tier", "name": "Gemini Code Assist", "isDefault": True}
NAME = "operations/cmpf.1"
PENDING = {"name": NAME}
DONE = {"name": NAME, "done": True, "response": {"cloudaicompanionProject": {"id": "managed-1", "name": "managed-1"}}}
SHUTDOWN = {
    "allowedTiers": [STANDARD],
    "ineligibleTiers": [{"reasonCode": "UNSUPPORTED_CLIENT", "reasonMessage": "Not supported.", "tierId": "free-tier"}],
}
LOAD, ONBOARD, POLL, WAIT = "loadCodeAssist", "onboardUser", "GET " + NAME, "wait 5"


class Play:
    """A dialogue: what Google answers to each call, what came out, and which steps were taken."""

    def __init__(self, *answers: Any, project: str = "") -> None:
        self.steps: list[str] = []
        self.bodies: list[Any] = []
        self.account: Account | None = None
        self.error: ProxyError | None = None
        self._answers = [a if isinstance(a, Answered) else Answered(200, a) for a in answers]
        try:
            self._run(project)
        except ProxyError as error:
            self.error = error

    def _run(self, project: str) -> None:
        generator = provision(project)
        answer: Answered | None = None
        while True:
            try:
                step = generator.send(answer)
            except StopIteration as end:
                self.account = end.value
                return
            answer = self._take(step)

    def _take(self, step: Call | Wait) -> Answered | None:
        if isinstance(step, Wait):
            self.steps.append(f"wait {step.seconds:g}")
            return None
        said = step.path.removeprefix("/v1internal").lstrip(":/")
        self.steps.append(said if step.method == "POST" else f"GET {said}")
        self.bodies.append(step.body)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    @property
    def refusal(self) -> tuple[int, str]:
        assert self.error is not None, self.account
        return self.error.status, self.error.code


def status(code: int, message: str = "No.", reason: str = "", **metadata: str) -> Answered:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}
    words = {403: "PERMISSION_DENIED", 401: "UNAUTHENTICATED", 400: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED"}
    error = {
        "code": code,
        "message": message,
        "status": words.get(code, "INTERNAL"),
        "details": [info] if reason else [],
    }
    return Answered(code, {"error": error})


# The tier is there already --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loaded", "project", "account"),
    [
        ({"currentTier": FREE, "cloudaicompanionProject": "managed"}, "", ("managed", "free-tier", FREE["name"])),
        ({"currentTier": FREE, "cloudaicompanionProject": {"id": "managed"}}, "", ("managed", "free-tier", FREE["name"])),
        pytest.param({"currentTier": STANDARD, "cloudaicompanionProject": "theirs"}, "mine", ("theirs", "standard-tier", STANDARD["name"]), id="5-the-servers-project-wins"),
        ({"currentTier": STANDARD}, "mine", ("mine", "standard-tier", STANDARD["name"])),
        pytest.param({"currentTier": FREE, "paidTier": {"id": "g1-pro-tier", "name": "Pro"}, "cloudaicompanionProject": "m"}, "", ("m", "g1-pro-tier", "Pro"), id="5-paid-tier"),
        ({"currentTier": {}, "cloudaicompanionProject": "m"}, "", ("m", "", "")),
        pytest.param({"currentTier": FREE, "allowedTiers": None, "cloudaicompanionProject": "m", "gcpManaged": False, "new": [1]}, "", ("m", "free-tier", FREE["name"]), id="null-and-unknown-fields"),
    ],
)  # fmt: skip
def test_an_existing_tier(loaded: Any, project: str, account: tuple[str, str, str]) -> None:
    play = Play(loaded, project=project)
    assert play.account == Account(*account)
    assert play.steps == [LOAD]


def test_an_existing_tier_without_a_project() -> None:
    play = Play({"currentTier": STANDARD})
    assert play.refusal == (403, "project_required")
    assert "GOOGLE_CLOUD_PROJECT" in str(play.error)


def test_an_existing_tier_without_a_project_and_a_reason() -> None:
    assert Play({**SHUTDOWN, "currentTier": FREE}).refusal == (403, "account_not_eligible")


def test_bodies_without_a_project() -> None:
    play = Play({"allowedTiers": [FREE]}, DONE)
    assert play.bodies == [{"metadata": METADATA}, {"tierId": "free-tier", "metadata": METADATA}]


def test_bodies_with_a_project() -> None:
    play = Play({}, DONE, project="mine")
    theirs = {"cloudaicompanionProject": "mine", "metadata": {**METADATA, "duetProject": "mine"}}
    assert play.bodies == [theirs, {"tierId": "legacy-tier", **theirs}]


def test_vpc_sc_is_the_standard_tier() -> None:
    refused = status(403, reason="SECURITY_POLICY_VIOLATED")
    assert Play(refused, project="mine").account == Account("mine", "standard-tier", "")
    assert Play(refused).refusal == (403, "project_required")
    assert Play(Answered(403, [refused.document]), project="mine").account == Account("mine", "standard-tier", "")


# Onboarding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "steps"),
    [
        pytest.param([DONE], [ONBOARD], id="done-at-once"),
        pytest.param([PENDING, DONE], [ONBOARD, WAIT, POLL], id="done-later"),
        pytest.param([PENDING, PENDING, {"done": False}, DONE], [ONBOARD, *[WAIT, POLL] * 3], id="later-still"),
        pytest.param([{}, DONE], [ONBOARD, WAIT, ONBOARD], id="2.2-without-a-name-it-is-asked-anew"),
        pytest.param([PENDING, status(503), status(500), DONE], [ONBOARD, *[WAIT, POLL] * 3], id="a-poll-that-fails"),
    ],
)
def test_free_tier(answers: list[Any], steps: list[str]) -> None:
    play = Play({"allowedTiers": [FREE]}, *answers, project="never sent")
    assert play.account == Account("managed-1", "free-tier", str(FREE["name"]))
    assert play.steps == [LOAD, *steps]
    assert "cloudaicompanionProject" not in play.bodies[1]


@pytest.mark.parametrize("answer", [PENDING, {}, {"name": NAME, "done": False}])
def test_polling_is_bounded(answer: Any) -> None:
    play = Play({"allowedTiers": [FREE]}, answer)
    assert play.refusal == (504, "onboarding_timeout")
    assert play.steps.count(WAIT) == POLLS == 12


def test_the_default_tier_is_taken() -> None:
    tiers = [{**STANDARD, "isDefault": False}, FREE]
    assert Play({"allowedTiers": tiers}, DONE).bodies[1]["tierId"] == "free-tier"


def test_done_without_a_project_leaves_the_users_own() -> None:
    assert Play({"allowedTiers": [STANDARD]}, {"done": True}, project="mine").account == Account("mine", "standard-tier", str(STANDARD["name"]))  # fmt: skip


def test_done_without_any_project() -> None:
    assert Play({"allowedTiers": [FREE]}, {"done": True, "response": {}}).refusal == (403, "project_required")


def test_a_tier_that_wants_a_project_is_not_onboarded_without_one() -> None:
    for loaded in ({}, {"allowedTiers": [{**STANDARD, "userDefinedCloudaicompanionProject": True}]}):
        play = Play(loaded)
        assert play.refusal == (403, "project_required")
        assert play.steps == [LOAD]


def test_operation_names_stay_in_their_place() -> None:
    play = Play({"allowedTiers": [FREE]}, {"name": "operations/a?b#c d"}, DONE)
    assert play.steps[-1] == "GET operations/a%3Fb%23c%20d"


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        ({"code": 9, "message": "Precondition check failed."}, (502, "onboarding_failed")),
        ({"code": 14, "message": "Unavailable."}, (503, None)),
        ({"code": 7, "details": [{"reason": "UNSUPPORTED_CLIENT"}]}, (403, "account_not_eligible")),
        ({}, (502, "onboarding_failed")),
    ],
)
def test_an_operation_that_failed(error: Any, refusal: tuple[int, str | None]) -> None:
    play = Play({"allowedTiers": [FREE]}, PENDING, {"name": NAME, "done": True, "error": error})
    assert play.error is not None
    assert (play.error.status, refusal[1] and play.error.code) == refusal
    assert str(error.get("message", "")) in play.error.message


# Accounts that Google does not serve ----------------------------------------------------------------------------------


def test_a_personal_account_is_refused_at_once() -> None:
    play = Play(SHUTDOWN)
    assert play.refusal == (403, "account_not_eligible")
    assert play.steps == [LOAD]
    assert play.error is not None
    assert play.error.retry is False
    assert "18 June 2026" in play.error.message
    assert "Not supported." in play.error.message


def test_a_licence_with_a_project_passes_although_the_free_tier_is_closed() -> None:
    play = Play(SHUTDOWN, {"done": True, "response": {"cloudaicompanionProject": {"id": "mine"}}}, project="mine")
    assert play.account == Account("mine", "standard-tier", str(STANDARD["name"]))
    assert play.bodies[1]["tierId"] == "standard-tier"


@pytest.mark.parametrize(
    "reason",
    ["DASHER_USER", "INELIGIBLE_ACCOUNT", "NON_USER_ACCOUNT", "RESTRICTED_AGE", "RESTRICTED_NETWORK", "UNKNOWN",
     "UNKNOWN_LOCATION", "UNSUPPORTED_LOCATION", "UNSUPPORTED_CLIENT", "TOS_VIOLATION", "SUBSCRIPTION_REQUIRED", "NEW_WORD"],
)  # fmt: skip
def test_every_reason(reason: str) -> None:
    closed = [{"reasonCode": reason, "reasonMessage": "Because.", "tierId": "free-tier"}]
    for loaded in ({"ineligibleTiers": closed}, {"ineligibleTiers": closed, "allowedTiers": [FREE]}):
        play = Play(loaded)
        assert play.refusal == (403, eligibility.REASONS.get(reason, eligibility.REASONS["UNKNOWN"])[0])
        assert "Because." in str(play.error)
        assert play.steps == [LOAD]


def test_validation_comes_first_and_brings_its_link() -> None:
    link = "https://accounts.google.com/signin/continue?x=1"
    closed = [
        {"reasonCode": "UNSUPPORTED_CLIENT", "reasonMessage": "Other."},
        {"reasonCode": "VALIDATION_REQUIRED", "reasonMessage": "Verify your account.", "validationUrl": link},
    ]
    play = Play({"allowedTiers": [STANDARD], "ineligibleTiers": closed}, project="mine")
    assert play.refusal == (403, "validation_required")
    assert link in str(play.error)


def test_all_of_googles_words_are_said() -> None:
    closed = [{"reasonCode": "RESTRICTED_AGE", "reasonMessage": m} for m in ("One.", "", "Two.")]
    assert 'Google says: "One. Two."' in str(Play({"ineligibleTiers": closed}).error)


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "refusal", "word"),
    [
        (status(403, reason="TOS_VIOLATION", appeal_url="https://forms.example/a"), (403, "account_suspended"), "https://forms.example/a"),
        (status(403, reason="VALIDATION_REQUIRED", validation_url="https://v.example/"), (403, "validation_required"), "https://v.example/"),
        (status(403, reason="SUBSCRIPTION_REQUIRED"), (403, "account_not_eligible"), "licence"),
        (status(403, "Denied on project x.", reason="CONSUMER_INVALID"), (403, "permission_denied"), "Denied on project x."),
        (status(403, "Plain no."), (403, "permission_denied"), "Plain no."),
        (status(401), (401, "google_login_required"), ""),
        (status(429, "Slow down."), (429, "rate_limit_exceeded"), "Slow down."),
        (status(400, "Precondition check failed."), (502, "onboarding_failed"), "Precondition check failed."),
        (Answered(404, None), (502, "onboarding_failed"), "status 404"),
        (Answered(302, None), (502, "onboarding_failed"), "status 302"),
        (Answered(200, None), (502, "onboarding_failed"), "could not be understood"),
        (Answered(200, [1]), (502, "onboarding_failed"), "could not be understood"),
        (Answered(200, {"allowedTiers": "all"}), (502, "onboarding_failed"), "could not be understood"),
        (Answered(200, {"currentTier": {"id": 7}}), (502, "onboarding_failed"), "could not be understood"),
    ],
)  # fmt: skip
def test_errors_of_load_code_assist(answer: Answered, refusal: tuple[int, str], word: str) -> None:
    play = Play(answer)
    assert play.refusal == refusal
    assert word in str(play.error)
    assert play.steps == [LOAD]


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_service_that_is_down_may_be_asked_again(code: int) -> None:
    error = Play(Answered(code, None)).error
    assert error is not None
    assert error.retry
    assert error.status >= 500


def test_a_call_that_gets_no_answer_is_a_mistake_of_ours() -> None:
    steps = provision("")
    next(steps)
    with pytest.raises(TypeError):
        steps.send(None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["currentTier", "allowedTiers", "ineligibleTiers", "cloudaicompanionProject", "id", "name", "done", "error",
             "response", "isDefault", "reasonCode", "validationUrl", "code", "message", "details", "reason", "metadata"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from([200, 200, 200, 400, 401, 403, 404, 429, 500]), JSON), min_size=1, max_size=4)
)
def test_whatever_google_says_it_ends_in_an_account_or_in_words(answers: list[tuple[int, Any]]) -> None:
    play = Play(*(Answered(*answer) for answer in answers))
    assert (play.account is None) != (play.error is None)
    if play.account is not None:
        assert play.account.project_id


def test_a_tier_that_does_not_open_with_what_google_said_of_the_account() -> None:
    """With a project, onboarding is tried although other tiers are closed; its own error may say nothing."""
    closed = [{"reasonCode": "UNKNOWN", "reasonMessage": "Ask your\nadministrator."}]
    loaded = {"allowedTiers": [STANDARD], "ineligibleTiers": closed}
    play = Play(loaded, status(400), project="mine")
    assert play.refusal == (502, "onboarding_failed")
    assert str(play.error and play.error.message).endswith('Google says of this account: "Ask your administrator."')
    assert "of this account" not in str(Play(loaded, status(429), project="mine").error)


def test_google_says_when_to_ask_again() -> None:
    busy = Answered(503, {"error": {"code": 503, "status": "UNAVAILABLE"}}, 7)
    play = Play(busy)
    assert play.error is not None
    assert play.error.retry_after == 7
