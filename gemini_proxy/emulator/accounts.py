"""Who the user is to Code Assist: tiers, onboarding, projects, quota (docs/protocol.md, section 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gemini_proxy.emulator import errors
from gemini_proxy.emulator.errors import GoogleError
from gemini_proxy.emulator.models import IN_QUOTA
from gemini_proxy.emulator.settings import Settings

Json = dict[str, Any]
NAME = "Gemini Code Assist"
INDIVIDUALS = "Gemini Code Assist for individuals"
FREE_TIER: Json = {
    "id": "free-tier",
    "name": INDIVIDUALS,
    "description": "Gemini-powered code suggestions and chat in multiple IDEs",
    "privacyNotice": {"showNotice": True, "noticeText": "The emulator keeps nothing."},
}
STANDARD_TIER: Json = {
    "id": "standard-tier",
    "name": NAME,
    "description": "Unlimited coding assistant with the most powerful Gemini models",
    "userDefinedCloudaicompanionProject": True,
    "privacyNotice": {},
    "usesGcpTos": True,
}
ONBOARDED = "type.googleapis.com/google.internal.cloud.code.v1internal.OnboardUserResponse"


@dataclass(frozen=True)
class Account:
    """A scenario: what loadCodeAssist says, and what stands in the way of the model."""

    load: Json = field(default_factory=dict)
    managed: bool = False  # the answer names the project Google manages
    load_error: Callable[[], GoogleError] | None = None
    call_error: Callable[[], GoogleError] | None = None  # of generateContent, countTokens, retrieveUserQuota
    onboards: bool = False  # onboardUser makes a project, and the account is free-tier from then on


FREE = Account(
    load={
        "currentTier": FREE_TIER,
        "allowedTiers": [{**FREE_TIER, "isDefault": True}, STANDARD_TIER],
        "gcpManaged": False,
        "upgradeSubscriptionUri": "https://codeassist.google.com/upgrade",
    },
    managed=True,
)
STANDARD: Json = {
    "currentTier": STANDARD_TIER,
    "allowedTiers": [{**STANDARD_TIER, "isDefault": True}],
    "gcpManaged": True,
}
ACCOUNTS: dict[str, Account] = {
    "standard": Account(load=STANDARD, managed=True),
    "standard-no-project": Account(load=STANDARD),
    "free": FREE,
    "onboard-free": Account(load={"allowedTiers": [{**FREE_TIER, "isDefault": True}, STANDARD_TIER]}, onboards=True),
    "shutdown": Account(  # docs/protocol.md, P-202
        load={
            "allowedTiers": [{"id": "standard-tier", "name": NAME, "isDefault": True}],
            "ineligibleTiers": [
                {
                    "reasonCode": "UNSUPPORTED_CLIENT",
                    "reasonMessage": "This client is no longer supported for Gemini Code Assist for individuals. "
                    "To continue using Gemini, please migrate to the Antigravity suite of products: "
                    "https://antigravity.google",
                    "tierId": "free-tier",
                    "tierName": INDIVIDUALS,
                }
            ],
        },
        call_error=errors.subscription_required,
    ),
    "validation": Account(
        load={
            "allowedTiers": [{"id": "standard-tier", "name": NAME, "isDefault": True}],
            "ineligibleTiers": [
                {
                    "reasonCode": "VALIDATION_REQUIRED",
                    "reasonMessage": "Verify your account to continue.",
                    "tierId": "free-tier",
                    "tierName": INDIVIDUALS,
                    "validationErrorMessage": "Verify your account to continue.",
                    "validationUrl": errors.VERIFY_URL,
                    "validationUrlLinkText": "Verify your account",
                    "validationLearnMoreUrl": errors.LEARN_URL,
                    "validationLearnMoreLinkText": "Learn more",
                }
            ],
        },
        call_error=errors.validation_required,
    ),
    "tos": Account(load_error=errors.tos_violation, call_error=errors.tos_violation),
    "vpc-sc": Account(load_error=errors.security_policy_violated),  # the model itself answers (docs/protocol.md, P-206)
}


@dataclass
class Accounts:
    """The account of one emulator and its onboarding."""

    settings: Settings
    now: Callable[[], float]
    onboarded: bool = False
    operations: dict[str, tuple[Json, int]] = field(default_factory=dict)  # name -> result, polls still to come

    @property
    def account(self) -> Account:
        account = ACCOUNTS[self.settings.account]
        return FREE if account.onboards and self.onboarded else account

    def load(self, asked: Json) -> Json:
        if self.account.load_error:
            raise self.account.load_error()
        answer = dict(self.account.load)
        if self.account.managed:
            answer["cloudaicompanionProject"] = self.settings.project  # a string here (docs/protocol.md, P-205)
        return answer

    def onboard(self, asked: Json) -> Json:
        if self.account.load_error:
            raise self.account.load_error()
        tier, project = asked.get("tierId", ""), asked.get("cloudaicompanionProject")
        if not tier:
            raise errors.invalid("tier_id is required.")  # own words
        if tier == "free-tier" and (project or not self.account.onboards):
            # Google manages the project of the free tier; naming one is an error (docs/protocol.md, P-209).
            raise GoogleError("FAILED_PRECONDITION", "Precondition check failed.")
        if tier == "free-tier":
            return self._operation({"cloudaicompanionProject": self._project_named(self.settings.project)})
        # Without a project the operation is done and names none (docs/protocol.md, P-210).
        return self._operation({"cloudaicompanionProject": self._project_named(project)} if project else {}, polls=0)

    def _project_named(self, project: str) -> Json:
        return {"id": project, "name": project, "projectNumber": "123456789012"}  # an object here

    def _operation(self, result: Json, polls: int | None = None) -> Json:
        name = f"operations/cmpf.emulator-{len(self.operations) + 1}"
        polls = self.settings.polls_until_done if polls is None else polls
        self.operations[name] = ({"@type": ONBOARDED, **result}, polls)
        return self._shown(name)

    def operation(self, name: str) -> Json:
        if name not in self.operations:
            raise errors.not_found()
        result, polls = self.operations[name]
        self.operations[name] = (result, max(polls - 1, 0))
        return self._shown(name)

    def _shown(self, name: str) -> Json:
        result, polls = self.operations[name]
        if polls:
            return {"name": name}
        self.onboarded = True
        return {"name": name, "done": True, "response": result}

    # The way to the model ------------------------------------------------------------------------------------------

    def check_call(self) -> None:
        if self.account.call_error:
            raise self.account.call_error()

    def check_project(self, project: str) -> None:
        self.check_call()
        if not project:
            raise errors.invalid("Invalid project resource name projects/")
        mine = self._allowed_projects()
        if project == "default" or project.isdigit():
            raise errors.consumer_invalid(project)
        if mine and project not in mine:
            raise errors.iam_denied(project)

    def _allowed_projects(self) -> tuple[str, ...]:
        """A user who brings the project may bring any; otherwise it is the managed one or one of the user's own."""
        account = ACCOUNTS[self.settings.account]
        if not (account.managed or account.onboards):
            return ()
        return (self.settings.project, *self.settings.own_projects)

    def quota(self, asked: Json) -> Json:
        self.check_project(asked.get("project", ""))
        reset = datetime.fromtimestamp(self.now() + 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        buckets = [
            {"resetTime": reset, "tokenType": "REQUESTS", "modelId": model, "remainingFraction": fraction}
            for model, fraction in zip(IN_QUOTA, [0.82666665, *[1] * len(IN_QUOTA)], strict=False)
        ]
        return {"buckets": buckets}
