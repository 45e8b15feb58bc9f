"""Errors of the public Gemini API, in its words (google.rpc.Status; https://ai.google.dev/gemini-api/docs/troubleshooting)."""

from __future__ import annotations

from collections.abc import Callable

from gemini_proxy.emulator.errors import GoogleError, detail, error_info, help_links

SERVICE = "generativelanguage.googleapis.com"
UNREGISTERED = (
    "Method doesn't allow unregistered callers (callers without established identity). "
    "Please use API Key or other form of API consumer identity to call this API."
)
LIMITS = "https://ai.google.dev/gemini-api/docs/rate-limits"


def no_key() -> GoogleError:
    return GoogleError("PERMISSION_DENIED", UNREGISTERED)


def invalid_key(message: str = "API key not valid. Please pass a valid API key.") -> GoogleError:
    info = error_info("API_KEY_INVALID", "googleapis.com", service=SERVICE)
    return GoogleError("INVALID_ARGUMENT", message, [info, detail("LocalizedMessage", locale="en-US", message=message)])


def expired_key() -> GoogleError:
    return invalid_key("API key expired. Please renew the API key.")


def suspended(key: str) -> GoogleError:
    """Google puts the key itself into this text."""
    info = error_info("CONSUMER_SUSPENDED", "googleapis.com", consumer=f"api_key:{key}", service=SERVICE)
    return GoogleError("PERMISSION_DENIED", f"Permission denied: Consumer 'api_key:{key}' has been suspended.", [info])


def leaked_key() -> GoogleError:
    return GoogleError("PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key.")


def service_disabled(project: str = "123456789012") -> GoogleError:
    url = f"https://console.developers.google.com/apis/api/{SERVICE}/overview?project={project}"
    text = f"Generative Language API has not been used in project {project} before or it is disabled. Enable it by visiting {url} then retry."
    metadata = {"service": SERVICE, "consumer": f"projects/{project}", "activationUrl": url}
    return GoogleError("PERMISSION_DENIED", text, [error_info("SERVICE_DISABLED", "googleapis.com", **metadata)])


def key_blocked() -> GoogleError:
    text = f"Requests to this API {SERVICE} method google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent are blocked."
    return GoogleError(
        "PERMISSION_DENIED", text, [error_info("API_KEY_SERVICE_BLOCKED", "googleapis.com", service=SERVICE)]
    )


def location() -> GoogleError:
    return GoogleError("FAILED_PRECONDITION", "User location is not supported for the API use.")


def billing() -> GoogleError:
    text = "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio."
    return GoogleError("FAILED_PRECONDITION", text)


def quota(model: str = "gemini-2.5-flash", limit: int = 10, per: str = "Minute", seconds: float = 27.5) -> GoogleError:
    """By project and model; a limit of 0 means that the free tier does not have the model at all."""
    metric = f"{SERVICE}/generate_content_free_tier_requests"
    violation = {
        "quotaMetric": metric,
        "quotaId": f"GenerateRequestsPer{per}PerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(limit),
    }
    text = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        f"error, head to: {LIMITS}. \n* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}\n"
        f"Please retry in {seconds}s."
    )
    learn = help_links(("Learn more about Gemini API quotas", LIMITS))
    retry = detail("RetryInfo", retryDelay=f"{int(seconds)}s")
    return GoogleError("RESOURCE_EXHAUSTED", text, [detail("QuotaFailure", violations=[violation]), learn, retry])


def model_not_found(model: str, method: str) -> GoogleError:
    text = (
        f"models/{model} is not found for API version v1beta, or is not supported for {method}. "
        "Call ListModels to see the list of available models and their supported methods."
    )
    return GoogleError("NOT_FOUND", text)


def overloaded() -> GoogleError:
    return GoogleError("UNAVAILABLE", "The model is overloaded. Please try again later.")


# Errors that settings.public_error can name, of every call that shows a good key.
NAMED: dict[str, Callable[[], GoogleError]] = {
    "expired": expired_key,
    "leaked": leaked_key,
    "disabled": service_disabled,
    "blocked": key_blocked,
    "location": location,
    "billing": billing,
    "quota": quota,
    "daily": lambda: quota(per="Day", limit=20),
    "no-free-tier": lambda: quota("gemini-3-pro-preview", limit=0),
    "overloaded": overloaded,
}
