"""Which page or dialect serves a path, with which methods, and who may ask for it."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gemini_proxy.errors import ProxyError
from gemini_proxy.exchange import Dialect, Route
from gemini_proxy.http import Answer, ClientRequest

Handler = Callable[[ClientRequest], Awaitable[Answer]]
GET = ("GET", "HEAD")

# Who may ask for a path:
# key       whoever has the proxy's key; the rule for everything that is not listed as something else
# public    everybody except pages of other sites
# machine   everybody where a key is set, else only this machine; the page decides how much to tell whom
# visitors  whoever `visitors.py` lets in, which the page itself checks
Access = Literal["key", "public", "machine", "visitors"]
PLACEHOLDER = re.compile(r"\\{\w+\\}")


@dataclass(frozen=True)
class LocalPage:
    """A path that the proxy answers itself."""

    methods: tuple[str, ...]
    answer: Handler
    access: Access


@dataclass(frozen=True)
class Claim:
    """A path that a dialect answers."""

    dialect: Dialect
    route: Route


class Routes:
    """Everything that is served. A page takes precedence over a dialect, a literal path over a pattern, an earlier dialect
    over a later one."""

    def __init__(self, pages: Mapping[str, LocalPage], dialects: Iterable[Dialect]) -> None:
        self._pages = pages
        self._claims: dict[str, Claim] = {}
        self._patterns: list[tuple[re.Pattern[str], Claim]] = []
        for dialect in dialects:
            for path, route in dialect.routes.items():
                if "{" in path:
                    self._patterns.append((_pattern(path), Claim(dialect, route)))
                else:
                    self._claims.setdefault(path, Claim(dialect, route))
        self._all_methods = tuple(sorted({method for methods in self._methods() for method in methods}))

    def page(self, path: str) -> LocalPage | None:
        return self._pages.get(path)

    def claim(self, path: str) -> Claim | None:
        if (claim := self._claims.get(path)) is not None:
            return claim
        return next((claim for pattern, claim in self._patterns if pattern.fullmatch(path)), None)

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods of a path; for one that nobody serves, all that any path has."""
        if (page := self.page(path)) is not None:
            return page.methods
        claim = self.claim(path)
        return claim.route.methods if claim is not None else self._all_methods

    def access(self, path: str) -> Access:
        """Who may ask for a path: whoever has the key, unless it is a page of ours that says otherwise, or nobody's path
        beside the sign-in pages."""
        if (page := self.page(path)) is not None:
            return page.access
        is_nobody_s = self.claim(path) is None
        return "visitors" if is_nobody_s and path.startswith("/auth/") else "key"

    def _methods(self) -> Iterator[tuple[str, ...]]:
        yield from (page.methods for page in self._pages.values())
        yield from (claim.route.methods for claim in self._claims.values())
        yield from (claim.route.methods for _, claim in self._patterns)


def check_method(request: ClientRequest, methods: tuple[str, ...]) -> None:
    """Raises ProxyError 405, with the methods of the path in `Allow`."""
    if request.method not in methods:
        text = f"{request.method} is not allowed on {request.path}; use {' or '.join(methods)}."
        raise ProxyError(405, "method_not_allowed", text, headers={"allow": ", ".join(methods)})


def _pattern(path: str) -> re.Pattern[str]:
    """`/v1/models/{model}` -> `/v1/models/.*`"""
    return re.compile(PLACEHOLDER.sub(".*", re.escape(path)), re.DOTALL)
