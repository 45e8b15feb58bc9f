"""The media of one request: where each has its part, which have yet to be fetched, and how closely to look at them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gemini_proxy.gemini.family import Family
from gemini_proxy.gemini.request.media import RemoteUrl
from gemini_proxy.gemini.request.unmet import Unmet
from gemini_proxy.gemini.wire import Part

DETAILS = ("low", "auto", "high")
RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH", "auto": "MEDIA_RESOLUTION_UNSPECIFIED"}


@dataclass(frozen=True)
class RemoteMedia:
    """Media that the request names by address. Whoever fetches it hands the bytes and their type to `fill`, which puts
    them where they belong and raises ProxyError 400 for a type that Gemini does not take. `link` puts the address
    itself there, for an upstream that fetches it, and says whether that can be done. `param` is the place in the
    client's request, for errors."""

    url: str
    param: str
    fill: Callable[[bytes, str], None]
    link: Callable[[], bool] = lambda: False


@dataclass
class RequestMedia:
    """Collects the media of one request; `remote` is what has yet to be fetched."""

    family: Family
    remote: list[RemoteMedia] = field(default_factory=list)
    unsupported: list[Unmet] = field(default_factory=list)
    _details: list[str] = field(default_factory=list)  # of each image

    def part(self, found: Part | RemoteUrl) -> Part:
        """The part itself, or an empty one that will be filled."""
        if not isinstance(found, RemoteUrl):
            return found
        part: Part = {}

        def fill(data: bytes, mime: str) -> None:
            part.update(found.part(data, mime))

        def link() -> bool:
            part.update(linked := (found.link() or {}) if self.family.fetches_links else {})
            return bool(linked)

        self.remote.append(RemoteMedia(found.url, found.param, fill, link))
        return part

    def look(self, part: Part, detail: str | None, *, image: bool) -> Part:
        """The part with how closely to look at it, one of DETAILS; `image`: without it, as closely as usual."""
        if image:
            self._details.append(detail or "auto")
        if detail and self.family.part_media_resolution:
            part["mediaResolution"] = {"level": RESOLUTIONS[detail]}
        return part

    def never_link(self, start: int) -> None:
        """Fetches all from `start` on, also where Google takes links: a function's response holds data."""
        self.remote[start:] = [replace(one, link=lambda: False) for one in self.remote[start:]]

    def resolution(self, param: str) -> str | None:
        """One for the whole request, for models that know no other; the closest look that was asked for."""
        if self.family.part_media_resolution or not self._details:
            return None
        detail = max(self._details, key=DETAILS.index)
        if len(set(self._details)) > 1:
            fact = "this model looks at all images alike"
            self.unsupported.append(Unmet(param, fact, f"detail is {detail!r} for all of them"))
        return RESOLUTIONS[detail] if detail != "auto" else None
