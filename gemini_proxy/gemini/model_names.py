"""What clients call a model, and what Google calls it."""

from collections.abc import Mapping
from dataclasses import dataclass

from gemini_proxy.errors import bad_request

PREFIXES = ("models/", "google/", "gemini/")
# Suffixes are a way to choose for clients that let a user type nothing but a model name.
EFFORTS = {
    "-nothinking": "none",
    "-maxthinking": "max",
    ":minimal": "minimal",
    ":low": "low",
    ":medium": "medium",
    ":high": "high",
}
SEARCH = "-search"
LONGEST = 256  # characters; no name is as long


@dataclass(frozen=True)
class ModelName:
    id: str
    effort: str | None = None
    search: bool = False


def model_name_from(name: str, aliases: Mapping[str, str]) -> ModelName:
    """Suffixes can be combined, also behind an alias, which may stand for a name with suffixes of its own. Ids that
    nobody knows pass unchanged. Raises ProxyError 400."""
    if len(name) > LONGEST:
        raise bad_request(f"'model' is longer than {LONGEST} characters.", "model")
    name = aliases.get(name, name)
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    effort: str | None = None
    search = False
    while suffix := next((s for s in (*EFFORTS, SEARCH) if name.endswith(s)), ""):
        name = name.removesuffix(suffix)
        search = search or suffix == SEARCH
        effort = effort or EFFORTS.get(suffix)
    if not name:
        raise bad_request("The model has no name.", "model")
    if name not in aliases and ":" in name:  # no id of Google's has one
        suffix = name[name.index(":") :]
        known = ", ".join((*EFFORTS, SEARCH))
        raise bad_request(f"Unknown suffix {suffix!r:.60} of the model's name. Known are {known}.", "model")
    inner = model_name_from(aliases[name], {}) if name in aliases else ModelName(name)
    return ModelName(inner.id, effort or inner.effort, search or inner.search)
