"""What Google says about an account, and the words the user then gets in four places."""

import asyncio
import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import login
from gemini_proxy.emulator import Answer, Emulator
from gemini_proxy.errors import ProxyError
from gemini_proxy.settings import CLIENT_ID
from gemini_proxy.upstreams.code_assist import eligibility
from gemini_proxy.upstreams.code_assist.upstream import CodeAssist
from tests.app.test_auth import Proxy
from tests.exchanges import exchange

STANDARD = {"id": "standard-tier", "name": "Gemini Code Assist", "isDefault": True}
OWN = {**STANDARD, "userDefinedCloudaicompanionProject": True}
LEGACY = {"id": "legacy-tier", "name": "Legacy", "isDefault": True}
FREE = {"id": "free-tier", "name": "Gemini Code Assist for individuals", "isDefault": True}
PRO = {"id": "g1-pro-tier", "name": "Google AI Pro"}
PENDING = {"name": "operations/cmpf.1"}
DONE = {**PENDING, "done": True, "response": {"cloudaicompanionProject": {"id": "managed-1", "name": "managed-1"}}}
LINK = "https://accounts.google.com/signin/continue?x=1"
APPEAL = "https://forms.gle/an-appeal"
LICENCE = "https://cloud.google.com/gemini/docs/codeassist/request-license"


def closed(reason: str, said: str = "Because.", **more: str) -> dict[str, Any]:
    return {"ineligibleTiers": [{"reasonCode": reason, "reasonMessage": said, "tierId": "free-tier", **more}]}


def error(
    code: int, reason: str = "", said: str = "No.", link: str = "", array: bool = False, **metadata: str
) -> Answer:
    words = {400: "FAILED_PRECONDITION", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 503: "UNAVAILABLE"}
    kind = "type.googleapis.com/google.rpc."
    info = {
        "@type": f"{kind}ErrorInfo",
        "reason": reason,
        "domain": "cloudcode-pa.googleapis.com",
        "metadata": metadata,
    }
    more = [{"@type": f"{kind}Help", "links": [{"description": "Learn more", "url": link}]}] if link else []
    body = {"error": {"code": code, "message": said, "status": words[code], "details": [info, *more] if reason else []}}
    return Answer.json([body] if array else body, code)


def our(reason: str) -> str:
    return eligibility.REASONS[reason][1]


@dataclass
class Places:
    """What a user gets where."""

    terminal: str
    page: str
    status: dict[str, Any]
    api: ProxyError | None


@pytest.fixture(scope="module")
def running_emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


class Scene:
    def __init__(self, folder: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.emulator, self.monkeypatch = folder, emulator, monkeypatch
        self.env = {"CODE_ASSIST_ENDPOINT": emulator.url, "GEMINI_GOOGLE_URL": emulator.url}

    def google_says(self, loaded: Any, onboarded: list[Any]) -> None:
        self.emulator.clear()
        self.emulator.always("loadCodeAssist", loaded if isinstance(loaded, Answer) else Answer.json(loaded))
        for n, answer in enumerate(onboarded):
            name = "onboardUser" if n == 0 else "/v1internal/operations/cmpf.1"
            self.emulator.always(name, answer if isinstance(answer, Answer) else Answer.json(answer))

    def everywhere(self, capsys: pytest.CaptureFixture[str], project: str = "") -> Places:
        if project:
            self.env["GOOGLE_CLOUD_PROJECT"] = project
        terminal = self._in_the_terminal(capsys)
        return Places(terminal, *asyncio.run(self._in_the_proxy()))

    def _in_the_terminal(self, capsys: pytest.CaptureFixture[str]) -> str:
        self.monkeypatch.chdir(self.folder)
        for name, value in {**self.env, "TOKEN_STORE_PATH": str(self.folder / "terminal.json")}.items():
            self.monkeypatch.setenv(name, value)
        path = self.folder / "oauth_creds.json"
        path.write_text(json.dumps(self.emulator.grant(CLIENT_ID)))
        code = login.main(["--import-gemini-cli", str(path)])
        shown = capsys.readouterr()
        assert (code == 0) == (not shown.err)
        return shown.out + shown.err

    async def _in_the_proxy(self) -> tuple[str, dict[str, Any], ProxyError | None]:
        proxy = Proxy(self.folder / "proxy.json", self.emulator.url, **self.env)
        try:
            answer = await proxy.browser.sign_in()
            if answer.status == 303:
                answer = await proxy.browser.get("/auth/done")
            status = await proxy.browser.status()
            assert isinstance(status, dict)
            return answer.body.decode(), status, await self._in_the_api(proxy)
        finally:
            await proxy.http.aclose()

    async def _in_the_api(self, proxy: Proxy) -> ProxyError | None:
        upstream = CodeAssist(self.emulator.url, proxy.source, self.env.get("GOOGLE_CLOUD_PROJECT", ""))
        try:
            request = await upstream.encode(exchange(model="gemini-2.5-flash").ask)
        except ProxyError as error:
            return error
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.request(request.method, request.url, headers=request.headers, content=request.body)
        return (
            None if answer.status_code == 200 else upstream.refuse(answer.status_code, answer.headers, answer.content)
        )


@pytest.fixture
def scene(tmp_path: Path, running_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr("gemini_proxy.upstreams.code_assist.onboarding.STEP", 0.001)
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT_ID", "GOOGLE_CLOUD_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return Scene(tmp_path, running_emulator, monkeypatch)


SERVED = [
    pytest.param({"currentTier": FREE, "allowedTiers": [FREE, STANDARD], "cloudaicompanionProject": "managed-1", "gcpManaged": False}, [], "", ("managed-1", FREE["name"]), id="an-existing-free-tier"),
    pytest.param({"currentTier": FREE, "paidTier": PRO, "cloudaicompanionProject": "managed-1"}, [], "", ("managed-1", "Google AI Pro"), id="a-paid-tier"),
    pytest.param({"currentTier": OWN, "cloudaicompanionProject": "theirs"}, [], "", ("theirs", "Gemini Code Assist"), id="a-standard-tier"),
    pytest.param({"currentTier": OWN}, [], "my-project", ("my-project", "Gemini Code Assist"), id="a-standard-tier-with-my-project"),
    pytest.param({"currentTier": LEGACY}, [], "my-project", ("my-project", "Legacy"), id="a-legacy-tier"),
    pytest.param({"currentTier": {"id": "new-tier"}}, [], "my-project", ("my-project", "new-tier"), id="a-tier-that-is-new"),
    pytest.param({"allowedTiers": [FREE, STANDARD]}, [DONE], "", ("managed-1", FREE["name"]), id="onboarded-at-once"),
    pytest.param({"allowedTiers": [FREE]}, [PENDING, DONE], "", ("managed-1", FREE["name"]), id="onboarded-later"),
    pytest.param({"allowedTiers": [OWN]}, [{"done": True}], "my-project", ("my-project", "Gemini Code Assist"), id="done-without-a-project"),
    pytest.param({}, [{"done": True}], "my-project", ("my-project", "legacy-tier"), id="nothing-but-my-project"),
    pytest.param({**closed("UNSUPPORTED_CLIENT"), "allowedTiers": [STANDARD]}, [DONE], "my-project", ("my-project", "Gemini Code Assist"), id="0.1-a-licence-goes-on"),
    pytest.param(error(403, "SECURITY_POLICY_VIOLATED"), [], "my-project", ("my-project", "standard-tier"), id="with-my-project"),
]  # fmt: skip


@pytest.mark.parametrize(("loaded", "onboarded", "project", "shown"), SERVED)
def test_accounts_that_are_served(
    scene: Scene,
    capsys: pytest.CaptureFixture[str],
    loaded: Any,
    onboarded: list[Any],
    project: str,
    shown: tuple[str, str],
) -> None:
    scene.google_says(loaded, onboarded)
    scene.emulator.always("generateContent", Answer.json({"response": {"candidates": []}}))
    places = scene.everywhere(capsys, project)
    assert f"project {shown[0]}." in places.terminal
    assert "You are signed in" in places.page
    assert all(html.escape(word) in places.page for word in shown)
    assert places.status["projectId"] == shown[0]
    assert "reason" not in places.status
    assert places.api is None


REFUSED = [
    *(pytest.param(closed(reason), [], 403, "account_not_eligible", [our(reason), 'Google says: "Because."', "What still works"], id=f"closed-{reason}")
      for reason, (code, _) in eligibility.REASONS.items() if code == "account_not_eligible"),
    pytest.param({**closed("UNSUPPORTED_CLIENT", "Please migrate: https://antigravity.google"), "allowedTiers": [STANDARD]}, [], 403, "account_not_eligible", [our("UNSUPPORTED_CLIENT"), "https://antigravity.google", "What still works"]),
    pytest.param(closed("A_NEW_REASON"), [], 403, "account_not_eligible", ["(A_NEW_REASON)", "Because.", "What still works"], id="a-reason-that-is-new"),
    pytest.param(closed("VALIDATION_REQUIRED", "Verify.", validationUrl=LINK), [], 403, "validation_required", [our("VALIDATION_REQUIRED"), LINK]),
    pytest.param({"currentTier": OWN}, [], 403, "project_required", [eligibility.PROJECT_REQUIRED], id="standard-without-a-project"),
    pytest.param({"currentTier": LEGACY}, [], 403, "project_required", [eligibility.PROJECT_REQUIRED], id="legacy-without-a-project"),
    pytest.param({"allowedTiers": [OWN]}, [], 403, "project_required", [eligibility.PROJECT_REQUIRED], id="allowed-standard-without-a-project"),
    pytest.param({}, [], 403, "project_required", [eligibility.PROJECT_REQUIRED], id="nothing"),
    pytest.param(error(403, "SECURITY_POLICY_VIOLATED"), [], 403, "project_required", [eligibility.PROJECT_REQUIRED]),
    pytest.param(error(403, "TOS_VIOLATION", appeal_url=APPEAL), [], 403, "account_suspended", [our("TOS_VIOLATION"), APPEAL, "GEMINI_API_KEY"], id="TOS_VIOLATION"),
    pytest.param(error(403, "TOS_VIOLATION", link="https://learn.example", appeal_url=APPEAL, array=True), [], 403, "account_suspended", [our("TOS_VIOLATION"), APPEAL, "GEMINI_API_KEY"], id="TOS_VIOLATION-array"),
    pytest.param(error(403, "SUBSCRIPTION_REQUIRED", "(#3501)", LICENCE), [], 403, "account_not_eligible", [our("SUBSCRIPTION_REQUIRED"), "(#3501)", LICENCE], id="SUBSCRIPTION_REQUIRED"),
    pytest.param(error(403, "VALIDATION_REQUIRED", link=LINK, validation_url="https://other.example"), [], 403, "validation_required", [our("VALIDATION_REQUIRED"), LINK], id="VALIDATION_REQUIRED-help-first"),
    pytest.param(error(403, "VALIDATION_REQUIRED", validation_url=LINK), [], 403, "validation_required", [LINK], id="VALIDATION_REQUIRED-metadata"),
    pytest.param(error(403, "CONSUMER_INVALID"), [], 403, "permission_denied", [our("CONSUMER_INVALID")], id="CONSUMER_INVALID"),
    pytest.param(error(403, "IAM_PERMISSION_DENIED"), [], 403, "permission_denied", [our("IAM_PERMISSION_DENIED")], id="IAM_PERMISSION_DENIED"),
    pytest.param(error(403, "SERVICE_DISABLED", activationUrl="https://console.example"), [], 403, "service_disabled", [our("SERVICE_DISABLED"), "https://console.example"], id="SERVICE_DISABLED"),
    pytest.param({"allowedTiers": [STANDARD]}, [error(403, "SECURITY_POLICY_VIOLATED")], 403, "security_policy_violated", [our("SECURITY_POLICY_VIOLATED")], id="VPC-SC-while-onboarding"),
    pytest.param({"allowedTiers": [FREE]}, [{**PENDING, "done": True, "error": {"code": 7, "message": "No.", "details": [{"reason": "UNSUPPORTED_CLIENT"}]}}], 403, "account_not_eligible", [our("UNSUPPORTED_CLIENT")], id="an-operation-that-is-refused"),
    pytest.param({"allowedTiers": [FREE]}, [{**PENDING, "done": True, "response": {}}], 403, "project_required", [eligibility.PROJECT_REQUIRED], id="free-without-a-project"),
]  # fmt: skip


@pytest.mark.parametrize(("loaded", "onboarded", "status", "code", "words"), REFUSED)
def test_accounts_that_are_refused(
    scene: Scene,
    capsys: pytest.CaptureFixture[str],
    loaded: Any,
    onboarded: list[Any],
    status: int,
    code: str,
    words: list[str],
) -> None:
    scene.google_says(loaded, onboarded)
    places = scene.everywhere(capsys)
    assert places.api is not None
    assert (places.api.status, places.api.code, places.api.retry) == (status, code, False)
    assert places.status["authenticated"] is False
    for word in words:
        assert word in places.terminal
        assert html.escape(word) in places.page
        assert word in places.status["message"]
        assert word in places.api.message
    assert not (scene.folder / "terminal.json").exists()
    assert not (scene.folder / "proxy.json").exists()


# Trouble that says nothing about the account: the sign-in did not work, and the API says that nobody is signed in.
TROUBLE = [
    pytest.param(Answer.raw(b"<html>"), [], "could not be understood", id="html"),
    pytest.param(Answer.json([1]), [], "could not be understood", id="a-list"),
    pytest.param({"allowedTiers": "all"}, [], "could not be understood", id="tiers-that-are-no-list"),
    pytest.param({"currentTier": {"id": 7}}, [], "could not be understood", id="an-id-that-is-a-number"),
    pytest.param(error(400, said="Precondition check failed."), [], "Precondition check failed.", id="400"),
    pytest.param(error(503, said="Try later."), [], "Try later.", id="503"),
    pytest.param({"allowedTiers": [FREE]}, [PENDING, PENDING], "still preparing a project", id="never-done"),
    pytest.param({"allowedTiers": [FREE]}, [{}], "still preparing a project", id="2.2-without-a-name"),
    pytest.param({"allowedTiers": [FREE]}, [{**PENDING, "done": True, "error": {"code": 9, "message": "Broken."}}], "Broken.", id="an-operation-that-failed"),
    pytest.param({"allowedTiers": [FREE]}, [Answer.json([])], "could not be understood", id="an-operation-that-is-a-list"),
]  # fmt: skip


@pytest.mark.parametrize(("loaded", "onboarded", "words"), TROUBLE)
def test_trouble(
    scene: Scene, capsys: pytest.CaptureFixture[str], loaded: Any, onboarded: list[Any], words: str
) -> None:
    scene.google_says(loaded, onboarded)
    places = scene.everywhere(capsys)
    assert words in places.terminal
    assert html.escape(words) in places.page
    assert (places.status["authenticated"], places.status["reason"]) == (False, "google_login_required")
    assert "another model" not in places.terminal + places.page
    assert places.api is not None
    assert places.api.code == "google_login_required"


CALLS = ["SUBSCRIPTION_REQUIRED", "UNSUPPORTED_CLIENT", "TOS_VIOLATION", "VALIDATION_REQUIRED", "SERVICE_DISABLED", "CONSUMER_INVALID", "IAM_PERMISSION_DENIED", "SECURITY_POLICY_VIOLATED"]  # fmt: skip


@pytest.mark.parametrize("reason", CALLS)
def test_an_account_that_is_refused_later(scene: Scene, capsys: pytest.CaptureFixture[str], reason: str) -> None:
    """The sign-in works and the calls do not: the same words in the same places."""
    scene.google_says({"currentTier": STANDARD, "cloudaicompanionProject": "p"}, [])
    for method in ("generateContent", "retrieveUserQuota"):
        scene.emulator.always(method, error(403, reason, "Said so.", link=LINK))
    terminal, page, status, api = asyncio.run(later(scene, capsys))
    error_words = eligibility.refusal(reason, "Said so.", LINK).message
    assert api is not None
    assert api.message == status["message"] == error_words
    assert error_words in terminal
    assert all(html.escape(line.partition("https")[0]) in page for line in error_words.splitlines())


async def later(scene: Scene, capsys: pytest.CaptureFixture[str]) -> tuple[str, str, dict[str, Any], ProxyError | None]:
    proxy = Proxy(scene.folder / "tokens.json", scene.emulator.url, **scene.env)
    try:
        assert (await proxy.browser.sign_in()).status == 303
        api = await scene._in_the_api(proxy)
        page = (await proxy.browser.get("/auth/done")).body.decode()
        status = await proxy.browser.status()
        assert isinstance(status, dict)
    finally:
        await proxy.http.aclose()
    for name, value in {**scene.env, "TOKEN_STORE_PATH": str(proxy.store.path)}.items():
        scene.monkeypatch.setenv(name, value)
    assert await asyncio.to_thread(login.main, ["--status"]) == 0
    return capsys.readouterr().out, page, status, api
