"""google.rpc.Status errors in the words of the real service, as object and as array (docs/protocol.md, section 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
# The older word that the array form repeats in errors[] (docs/protocol.md, P-802).
LEGACY = {
    400: "badRequest",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    429: "rateLimitExceeded",
    499: "backendError",
    500: "backendError",
    503: "backendError",
}
CLOUDCODE = "cloudcode-pa.googleapis.com"
COMPANION = "cloudaicompanion.googleapis.com"
SIGN_IN_HELP = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
VERIFY_URL = "https://accounts.google.com/signin/continue?sarp=1&scc=1&plt=emulator&flowName=GlifWebSignIn&authuser"
LEARN_URL = "https://support.google.com/accounts?p=al_alert"


class GoogleError(Exception):
    """The one exception of the emulator: Google says no."""

    def __init__(self, status: str, message: str, details: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.details = status, message, tuple(details)
        self.code = CODES.get(status, 500)

    def as_object(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}

    def as_array(self) -> list[dict[str, Any]]:
        legacy = {"message": self.message, "domain": "global", "reason": LEGACY.get(self.code, "backendError")}
        error = {"code": self.code, "message": self.message, "errors": [legacy], "status": self.status}
        if self.details:
            error["details"] = list(self.details)
        return [{"error": error}]

    def body(self, form: str = "object") -> Any:
        return self.as_array() if form == "array" else self.as_object()


def detail(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def error_info(reason: str, domain: str, **metadata: str) -> dict[str, Any]:
    info = detail("ErrorInfo", reason=reason, domain=domain)
    return {**info, "metadata": metadata} if metadata else info


def help_links(*links: tuple[str, str]) -> dict[str, Any]:
    return detail("Help", links=[{"description": text, "url": url} for text, url in links])


def invalid(message: str) -> GoogleError:
    return GoogleError("INVALID_ARGUMENT", message)


def invalid_payload(violations: Sequence[tuple[str, str]]) -> GoogleError:
    """What Google's JSON reader says: all faults at once, one a line (sample 400_unknown_json_field)."""
    listed = [{"field": at, "description": text} if at else {"description": text} for at, text in violations]
    return GoogleError(
        "INVALID_ARGUMENT",
        "\n".join(text for _, text in violations),
        [detail("BadRequest", fieldViolations=listed)],
    )


def no_credentials() -> GoogleError:
    return GoogleError("UNAUTHENTICATED", f"Request is missing required authentication credential. {SIGN_IN_HELP}")


def bad_credentials() -> GoogleError:
    return GoogleError("UNAUTHENTICATED", f"Request had invalid authentication credentials. {SIGN_IN_HELP}")


def not_found() -> GoogleError:
    return GoogleError("NOT_FOUND", "Requested entity was not found.")


def consumer_invalid(project: str) -> GoogleError:
    message = f"Permission denied on resource project {project}."
    return GoogleError(
        "PERMISSION_DENIED",
        message,
        [
            error_info(
                "CONSUMER_INVALID",
                "googleapis.com",
                consumer=f"projects/{project}",
                service=COMPANION,
                containerInfo=project,
            ),
            detail("LocalizedMessage", locale="en-US", message=message),
            help_links(("Google developers console", "https://console.developers.google.com")),
        ],
    )


def iam_denied(project: str) -> GoogleError:
    resource = f"projects/{project}/locations/global"
    permission = "cloudaicompanion.companions.generateChat"
    return GoogleError(
        "PERMISSION_DENIED",
        f"Permission '{permission}' denied on resource '//{COMPANION}/{resource}' (or it may not exist).",
        [error_info("IAM_PERMISSION_DENIED", COMPANION, resource=resource, permission=permission)],
    )


def service_disabled(project: str) -> GoogleError:
    url = f"https://console.developers.google.com/apis/api/{COMPANION}/overview?project={project}"
    message = (
        f"Gemini for Google Cloud API has not been used in project {project} before or it is disabled. "
        f"Enable it by visiting {url} then retry. If you enabled this API recently, wait a few minutes "
        "for the action to propagate to our systems and retry."
    )
    info = error_info(
        "SERVICE_DISABLED",
        "googleapis.com",
        serviceTitle="Gemini for Google Cloud API",
        consumer=f"projects/{project}",
        containerInfo=project,
        service=COMPANION,
        activationUrl=url,
    )
    links = help_links(("Google developers console API activation", url))
    return GoogleError(
        "PERMISSION_DENIED", message, [info, detail("LocalizedMessage", locale="en-US", message=message), links]
    )


def subscription_required() -> GoogleError:
    return GoogleError(
        "PERMISSION_DENIED",
        "You do not have a valid license of this product. Please contact your administrator to request a "
        "license. If you are not an enterprise user and believe you are receiving this message as an error, "
        "please try using the latest version and logging in again. (#3501)",
        [
            error_info("SUBSCRIPTION_REQUIRED", COMPANION, uiMessage="true"),
            help_links(("Learn more", "https://cloud.google.com/gemini/docs/codeassist/request-license")),
        ],
    )


def tos_violation() -> GoogleError:
    return GoogleError(
        "PERMISSION_DENIED",
        "This service has been disabled in this account for violation of Terms of Service. "
        "Please submit an appeal to continue using this product.",
        [
            error_info(
                "TOS_VIOLATION",
                CLOUDCODE,
                uiMessage="true",
                appeal_url_link_text="Submit Appeal",
                appeal_url="https://forms.gle/emulator-appeal",
            )
        ],
    )


def validation_required() -> GoogleError:
    """The link's key is `validation_url`, not the `validation_link` that clients look for (docs/protocol.md, P-810)."""
    message = f"To continue, verify your account at\n\n{VERIFY_URL}\n\nLearn more\n\n{LEARN_URL}\n"
    info = error_info(
        "VALIDATION_REQUIRED",
        CLOUDCODE,
        validation_url_link_text="Verify your account",
        validation_learn_more_link_text="Learn more",
        validation_learn_more_url=LEARN_URL,
        validation_error_message=message,
        validation_url=VERIFY_URL,
        validation_message_description="To continue, verify your account at",
    )
    links = help_links(("Verify your account", VERIFY_URL), ("Learn more", LEARN_URL))
    return GoogleError("PERMISSION_DENIED", message, [info, links])


def security_policy_violated() -> GoogleError:
    return GoogleError(
        "PERMISSION_DENIED",
        "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: emulator",
        [error_info("SECURITY_POLICY_VIOLATED", "googleapis.com", service=COMPANION)],
    )


def rate_limited(seconds: float = 1.2, model: str = "gemini-2.5-pro") -> GoogleError:
    delay = f"{seconds:.9f}s"
    info = error_info("RATE_LIMIT_EXCEEDED", CLOUDCODE, uiMessage="true", model=model, quotaResetDelay=delay)
    return GoogleError(
        "RESOURCE_EXHAUSTED",
        f"You have exhausted your capacity on this model. Your quota will reset after {int(seconds)}s.",
        [info, detail("RetryInfo", retryDelay=delay)],
    )


def quota_exhausted(model: str = "gemini-2.5-pro") -> GoogleError:
    delay = "33740.910400305s"
    return GoogleError(
        "RESOURCE_EXHAUSTED",
        "Individual quota reached. Please upgrade your subscription to increase your limits. Resets in 9h22m20s.",
        [
            error_info("QUOTA_EXHAUSTED", CLOUDCODE, quotaResetDelay=delay, uiMessage="true", model=model),
            detail("RetryInfo", retryDelay=delay),
        ],
    )


def capacity_exhausted(model: str = "gemini-2.5-pro") -> GoogleError:
    return GoogleError(
        "RESOURCE_EXHAUSTED",
        f"No capacity available for model {model} on the server",
        [error_info("MODEL_CAPACITY_EXHAUSTED", CLOUDCODE, model=model)],
    )


def too_many_tokens(count: int, limit: int) -> GoogleError:
    return invalid(f"The input token count ({count}) exceeds the maximum number of tokens allowed ({limit}).")


# Errors that can be asked for by name: the account scenarios, `--error` and Answer.error().
NAMED: dict[str, Callable[[], GoogleError]] = {
    "unauthenticated": bad_credentials,
    "subscription-required": subscription_required,
    "tos": tos_violation,
    "validation": validation_required,
    "vpc-sc": security_policy_violated,
    "service-disabled": lambda: service_disabled("emulator-project"),
    "iam": lambda: iam_denied("emulator-project"),
    "not-found": not_found,
    "rate-limited": rate_limited,
    "quota-exhausted": quota_exhausted,
    "capacity": capacity_exhausted,
    "too-long": lambda: too_many_tokens(1_054_016, 1_048_576),
    "cancelled": lambda: GoogleError("CANCELLED", "The operation was cancelled."),
    "internal": lambda: GoogleError("INTERNAL", "Internal error encountered."),
    "unavailable": lambda: GoogleError("UNAVAILABLE", "The service is currently unavailable."),
}
