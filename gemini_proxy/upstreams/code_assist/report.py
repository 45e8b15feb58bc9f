"""What `login.py --status` says: who is signed in, what is left to use, and what stands in the way."""

from collections.abc import Iterator
from dataclasses import dataclass

from gemini_proxy.errors import ProxyError
from gemini_proxy.google_login.client import HttpClient
from gemini_proxy.google_login.flow import Google
from gemini_proxy.google_login.given import store_of
from gemini_proxy.google_login.source import TokenSource
from gemini_proxy.google_login.status import iso, status_of
from gemini_proxy.google_login.token import Token
from gemini_proxy.settings import CODE_ASSIST, GEMINI_API, Settings
from gemini_proxy.upstreams.code_assist.eligibility import project_required
from gemini_proxy.upstreams.code_assist.quota import Remaining, retrieve

HAS_KEY = f"GEMINI_API_KEY is set. To use it, which needs no sign-in, start the proxy with --mode reverse:{GEMINI_API}"


@dataclass(frozen=True)
class Report:
    settings: Settings
    token: Token | None
    quota: list[Remaining] | None = None  # None: not known
    problem: ProxyError | None = None

    def as_json(self) -> dict[str, object]:
        """What /auth/status says, with tier and quota."""
        tier = self.token.tier if self.token else ""
        quota = None if self.quota is None else [left.as_json() for left in self.quota]
        status = status_of(self.token, self.settings.project, self.problem and self.problem.told_here())
        return {**status, "upstream": "code-assist", "tier": tier or None, "quota": quota}

    def lines(self) -> Iterator[str]:
        if self.token is None:
            if self.problem:
                yield self.problem.text_here
            if self.settings.google_api_key:
                yield HAS_KEY
            return
        for name, value in self._rows(self.token).items():
            yield f"{name + ':':<9} {value}"
        if self.quota:
            yield "Quota:"
        for left in self.quota or []:
            yield f"  {left.model:<30} {left.fraction:>4.0%} left, full again at {left.resets_at or 'an unknown time'}"
        if self.problem:
            yield f"\n{self.problem.text_here}"

    def _rows(self, token: Token) -> dict[str, str]:
        given = bool(self.settings.access_token)
        return {
            "Account": token.email or "unknown",
            "Tier": token.tier or "unknown",
            "Project": self.settings.project or token.project_id or "none",
            "Access": f"until {iso(token.expiry_date) or 'an unknown time'}, "
            + ("renewed automatically" if token.refresh_token else "cannot be renewed"),
            "File": "none, GOOGLE_CLOUD_ACCESS_TOKEN is used" if given else str(self.settings.token_store.absolute()),
        }


async def report_of(settings: Settings, http: HttpClient) -> Report:
    """Renews the sign-in if it is due, as a request would. Raises ProxyError if its file cannot be read."""
    login_url = f"http://127.0.0.1:{settings.port}/auth/login"
    source = TokenSource(store_of(settings), Google.from_settings(settings), http, login_url)
    if await source.current() is None:
        return Report(settings, None, problem=await source.problem() or source.nobody())
    try:
        token = await source.token()
    except ProxyError as error:
        return Report(settings, await source.current(), problem=error)
    try:
        return Report(settings, token, await _quota(settings, token, http))
    except ProxyError as error:
        if error.status != 401:
            return Report(settings, token, problem=error)
    try:  # refused although it looked good: renewed once, as for a request
        token = await source.refresh_after_rejection(token.access_token)
        return Report(settings, token, await _quota(settings, token, http))
    except ProxyError as error:
        return Report(settings, await source.current(), problem=error)


async def _quota(settings: Settings, token: Token, http: HttpClient) -> list[Remaining]:
    project = settings.project or token.project_id
    if not project:
        raise project_required()
    endpoint = settings.code_assist_endpoint or CODE_ASSIST
    return await retrieve(token, project, http=http, endpoint=endpoint, agent=settings.user_agent)
