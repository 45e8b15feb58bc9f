"""What loadCodeAssist and onboardUser answer (docs/protocol.md, P-205), as far as the sign-in reads it."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

LINKS = ("validation_url", "validation_link", "activationUrl")  # of ErrorInfo.metadata (docs/protocol.md, P-810)


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
    """The members of a google.rpc.Status that decide."""

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
    listed = fields.get("details")
    details = [detail for detail in listed if isinstance(detail, dict)] if isinstance(listed, list) else []
    reason = next((str(detail["reason"]) for detail in details if detail.get("reason")), "")
    return GoogleError(fields, str(fields.get("message") or ""), reason, link_in(details))


def link_in(details: list[dict[str, Any]]) -> str:
    """Where Google wants the user to go: an appeal, else the first link of Help (as the CLI takes it), else one
    of the metadata, of which the CLI knows the wrong name."""
    metadata = [data for detail in details if isinstance(data := detail.get("metadata"), dict)]
    helps = [links for detail in details if isinstance(links := detail.get("links"), list)]
    candidates = [data.get("appeal_url") for data in metadata]
    candidates += [link.get("url") for links in helps for link in links if isinstance(link, dict)]
    candidates += [data.get(name) for data in metadata for name in LINKS]
    return next((link for link in candidates if isinstance(link, str) and link.startswith("https://")), "")
