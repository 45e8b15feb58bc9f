"""What loadCodeAssist and onboardUser answer (protocol 2.1, 2.2), as far as the sign-in reads it."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

LINKS = ("validation_url", "validation_link", "appeal_url")  # of ErrorInfo.metadata (protocol 6.1)


class Wire(BaseModel):
    """Read lenient: what we do not use may be there or not, and null means absent."""

    model_config = ConfigDict(alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class Tier(Wire):
    id: str = ""
    name: str = ""
    is_default: bool = False
    user_defined_cloudaicompanion_project: bool = False


class IneligibleTier(Wire):
    reason_code: str = ""
    reason_message: str = ""
    tier_id: str = ""
    validation_url: str = ""


def _project_id(value: Any) -> Any:
    """A project is a text in loadCodeAssist and an object in onboardUser."""
    return value.get("id") or "" if isinstance(value, dict) else value


Project = Annotated[str, BeforeValidator(_project_id)]


class Loaded(Wire):
    current_tier: Tier | None = None
    paid_tier: Tier | None = None
    allowed_tiers: list[Tier] = []
    ineligible_tiers: list[IneligibleTier] = []
    cloudaicompanion_project: Project = ""


class Onboarded(Wire):
    cloudaicompanion_project: Project = ""


class OperationError(Wire):
    code: int = 0
    message: str = ""
    details: list[dict[str, Any]] = []


class Operation(Wire):
    name: str = ""
    done: bool = False
    response: Onboarded = Onboarded()
    error: OperationError | None = None


@dataclass(frozen=True)
class GoogleError:
    """The members of a google.rpc.Status that decide (protocol 6.1)."""

    fields: dict[str, Any]
    message: str
    reason: str
    link: str


def read_error(document: Any) -> GoogleError:
    """The error in `{"error": {...}}` or in a list of one such, empty where there is none."""
    if isinstance(document, list) and document:
        document = document[0]
    fields = document.get("error") if isinstance(document, dict) else None
    fields = fields if isinstance(fields, dict) else {}
    details = fields.get("details")
    infos = [d for d in details if isinstance(d, dict) and d.get("reason")] if isinstance(details, list) else []
    info = infos[0] if infos else {}
    metadata = info.get("metadata")
    links = [metadata.get(name) for name in LINKS] if isinstance(metadata, dict) else []
    link = next((link for link in links if isinstance(link, str)), "")
    return GoogleError(fields, str(fields.get("message") or ""), str(info.get("reason") or ""), link)
