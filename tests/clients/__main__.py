"""Drives real clients, each in an environment of its own, against one real proxy and the emulator behind it.

Run by hand (`scripts/test-clients`): the first run installs the clients into .venv-clients/, which takes a few minutes.
A client's program tells what it did line by line (programs/scenario.py); what Google saw of it is checked in here.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gemini_proxy.emulator import Answer, Emulator, Request
from gemini_proxy.emulator.signatures import DUMMIES, fits_call
from tests.end_to_end.proxy import ROOT, Proxy, free_port, running, sign_in

HERE = Path(__file__).parent
ENVIRONMENTS = ROOT / ".venv-clients"
API_KEY = "key-of-the-clients"
NOWHERE = "http://127.0.0.1:9"  # as a proxy for everything that is not loopback: it fails at once
INSTALL_TIME = 900.0  # seconds
PLAY_TIME = 240.0
WRITE_TIME = 0.5  # until what an answer left behind is on the disk, which no answer waits for
STEPS_OF_A_LOOP = 3
GENERATE = ("generateContent", "streamGenerateContent")
BUSY = {
    "error": {
        "code": 429,
        "message": "Slow down.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}],
    }
}


@dataclass(frozen=True)
class Client:
    """`requirements` and `program` are files beside this one; `below` is the first Python it cannot be installed on."""

    name: str
    requirements: str
    program: str
    below: tuple[int, int] = (4, 0)


CLIENTS = (
    Client("openai-3", "requirements-openai-3.txt", "with_openai.py"),
    Client("openai-2", "requirements-openai-2.txt", "with_openai.py"),
    Client("openai-1", "requirements-openai-1.txt", "with_openai.py"),
    Client("openai-node", "packages-node.txt", "with_openai_node.mjs"),
    Client("ai-sdk", "packages-node.txt", "with_ai_sdk.mjs"),
    Client("langchain", "requirements-langchain.txt", "with_langchain.py"),
    Client("pydantic-ai", "requirements-pydantic-ai.txt", "with_pydantic_ai.py"),
    Client("agents", "requirements-agents.txt", "with_agents.py"),
    Client("instructor", "requirements-instructor.txt", "with_instructor.py"),
    Client("litellm", "requirements-litellm.txt", "with_litellm.py"),
    Client("aider", "requirements-aider.txt", "with_aider.py", below=(3, 13)),
)


# Environments --------------------------------------------------------------------------------------------------------


def command_of(client: Client) -> list[str]:
    """Installs what is not installed, and says how the client's program is started."""
    requirements = HERE / client.requirements
    program = HERE / "programs" / client.program
    python = ".".join(map(str, sys.version_info[:2]))
    kind = "node" if program.suffix == ".mjs" else python
    place = ENVIRONMENTS / kind / requirements.stem.removeprefix("requirements-")
    with _one_at_a_time[requirements.name]:
        stamp = place / "installed.txt"
        if not stamp.exists() or stamp.read_text() != requirements.read_text():
            shutil.rmtree(place, ignore_errors=True)
            (_npm if kind == "node" else _pip)(place, requirements)
            stamp.write_text(requirements.read_text())
    if kind == "node":  # finds its packages from where it is
        shutil.copy(program.with_name("scenario.mjs"), place)
        return ["node", str(shutil.copy(program, place))]
    return [str(place / "bin" / "python"), str(program)]


_one_at_a_time = {client.requirements: threading.Lock() for client in CLIENTS}


def _pip(place: Path, requirements: Path) -> None:
    venv.create(place, with_pip=True)
    _install([str(place / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(requirements)])


def _npm(place: Path, requirements: Path) -> None:
    place.mkdir(parents=True)
    (place / "package.json").write_text('{"private": true}')
    flags = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    _install(["npm", "install", *flags, "--prefix", str(place), *requirements.read_text().split()])


def _install(command: list[str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=INSTALL_TIME, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")


# The proxy -----------------------------------------------------------------------------------------------------------


class Stage:
    """The emulator and the proxy before it, which starts again on the same port as often as a program wants."""

    def __init__(self, google: Emulator, folder: Path) -> None:
        self.google = google
        self.folder = folder
        self._port = free_port()
        self._memories = 0
        self._running = ExitStack()
        self._proxy: Proxy | None = None
        self.problems: list[str] = []
        sign_in(google, folder / "tokens.json")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        memory = self.folder / f"memory-{self._memories}"
        env = {"PROXY_API_KEY": API_KEY, "GEMINI_STATE_DIRECTORY": str(memory)}
        self._proxy = self._running.enter_context(running(self.folder, self.google, port=self._port, env=env))

    def stop(self) -> None:
        self.look()
        self._running.close()
        self.look(f'File "{ROOT / "gemini_proxy"}')  # asyncio of Python 3.11 stumbles over connections that it ends
        self._proxy = None

    def look(self, sign: str = "Traceback") -> None:
        """An exception in the proxy is a failure, whatever the client thinks of it. Every start empties the log."""
        if self._proxy and sign in self._proxy.log:
            self.problems.append(self._proxy.log[-4000:])

    def restart(self) -> None:
        self.stop()
        self.start()

    def crash(self) -> None:
        assert self._proxy is not None
        time.sleep(WRITE_TIME)
        self._proxy.process.kill()
        self.restart()

    def forget(self) -> None:
        self._memories += 1
        self.restart()

    def busy(self) -> None:
        """Google refuses one call, whichever method it is of."""
        self.google.clear()
        for method in GENERATE:
            self.google.script(method, Answer.json(BUSY, 429))


# A client ------------------------------------------------------------------------------------------------------------


@dataclass
class Result:
    client: Client
    version: str = ""
    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: str = ""
    seconds: float = 0.0

    @property
    def row(self) -> tuple[str, ...]:
        steps = f"{len(self.passed)}/{len(self.passed) + len(self.failed)}"
        outcome = self.skipped or ("FAILED " + ", ".join(self.failed) if self.failed else "ok")
        return self.client.name, self.version, steps, f"{self.seconds:.0f} s", outcome


class Play:
    """One run of one program."""

    def __init__(self, stage: Stage, client: Client, command: Sequence[str]) -> None:
        self.stage = stage
        self.result = Result(client)
        self._command = command
        self._seen = 0
        self._verbs: dict[str, Callable[[str], None]] = {
            "version": self._version,
            "passed": self._passed,
            "failed": self._failed,
            "restart": lambda text: stage.restart(),
            "crash": lambda text: stage.crash(),
            "forget": lambda text: stage.forget(),
            "busy": lambda text: stage.busy(),
        }

    def run(self) -> Result:
        start = time.monotonic()
        self._seen = len(self.stage.google.requests)
        log = self.stage.folder / f"{self.result.client.name}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                self._command,
                cwd=self.stage.folder,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )
            timer = threading.Timer(PLAY_TIME, process.kill)
            timer.start()
            try:
                self._listen(process)
            finally:
                process.kill()
                timer.cancel()
                process.wait()
        if process.returncode or not self.result.passed:
            self.result.failed["the program"] = f"exit code {process.returncode}\n{log.read_text()[-4000:]}"
        self.stage.look()
        if self.stage.problems:
            self.result.failed["the proxy"] = "\n".join(self.stage.problems)
        self.stage.problems.clear()
        self.result.seconds = time.monotonic() - start
        return self.result

    def _environment(self) -> dict[str, str]:
        """Nothing of the user's own, and nothing that leads away from this machine."""
        folder = str(self.stage.folder)
        outward = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
        inward = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")
        system = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        own = {"BASE_URL": self.stage.base_url, "API_KEY": API_KEY, "PYTHONIOENCODING": "utf-8"}
        return {**system, **outward, **inward, **own, "HOME": folder}

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            if not line.startswith("@["):
                continue
            verb, text = json.loads(line[1:])
            self._verbs[verb](text)
            process.stdin.write("\n")
            process.stdin.flush()
        process.stdin.close()
        process.wait(30)

    def _version(self, text: str) -> None:
        self.result.version = text

    def _passed(self, step: str) -> None:
        problem = next(self._problems(step), None)
        if problem:
            self.result.failed[step] = problem
        else:
            self.result.passed.append(step)

    def _failed(self, text: str) -> None:
        step, _, why = text.partition("\n")
        self.result.failed[step] = why
        list(self._problems(step))

    def _problems(self, step: str) -> Iterator[str]:
        """What Google should not have seen in a step."""
        self.stage.google.clear()
        requests = self.stage.google.requests[self._seen :]
        self._seen += len(requests)
        if any(API_KEY in f"{request.headers} {request.body!r}" for request in requests):
            yield "the client's key went to Google"
        signed = [signatures_of(request) for request in requests if request.rpc in GENERATE]
        wrong = [kind for kinds in signed for kind in kinds if kind != "real"]
        if "forgotten" in step:
            # The stand-in is for the current turn, where the emulator insists on it; earlier ones go without.
            if "stand-in" not in wrong or not {"stand-in", "none"} >= set(wrong):
                yield f"Google should have seen its stand-in for signatures, not {wrong}"
        elif wrong:
            yield f"signatures that Google saw, request by request: {signed}"
        if step.startswith("loop") and max(map(len, signed), default=0) != STEPS_OF_A_LOOP:
            yield f"not {STEPS_OF_A_LOOP} steps went back to Google: {signed}"


def signatures_of(request: Request) -> list[str]:
    """What each step of calls in a request to a Gemini 3 model is signed with: `real` where it is with the very
    signature that came with its first call."""
    envelope: dict[str, Any] = request.json
    if not envelope["model"].startswith("gemini-3"):
        return []
    steps = [
        [part for part in content["parts"] if "functionCall" in part]
        for content in envelope["request"]["contents"]
        if content["role"] == "model"
    ]
    return [_kind_of(calls[0]) for calls in steps if calls]


def _kind_of(part: dict[str, Any]) -> str:
    signature, call = part.get("thoughtSignature", ""), part["functionCall"]
    if signature in DUMMIES:
        return "stand-in"
    return "real" if fits_call(signature, call["name"], call.get("args", {})) else signature or "none"


# All of them ---------------------------------------------------------------------------------------------------------


def results_of(clients: Sequence[Client]) -> Iterator[Result]:
    possible = [client for client in clients if sys.version_info < client.below]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(4) as pool, Emulator() as google:
        commands = {client: pool.submit(command_of, client) for client in possible}
        wait(commands.values())  # installations would slow down what is timed
        stage = Stage(google, Path(folder))
        stage.start()
        try:
            for client in clients:
                if client not in commands:
                    yield Result(client, skipped=f"skipped: needs Python < {'.'.join(map(str, client.below))}")
                    continue
                try:
                    command = commands[client].result()
                except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                    yield Result(client, failed={"installation": str(error)})
                    continue
                yield Play(stage, client, command).run()
        finally:
            stage.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    names = [client.name for client in CLIENTS]
    parser = argparse.ArgumentParser(prog="scripts/test-clients", description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="*", help=f"which clients, all by default: {', '.join(names)}")
    chosen = parser.parse_args(arguments).name
    if unknown := set(chosen) - set(names):
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    _say(f"Installing what is missing into {ENVIRONMENTS.name} ...")
    results = []
    for result in results_of([client for client in CLIENTS if client.name in (chosen or names)]):
        results.append(result)
        _say("  ".join(result.row))
        for step, why in result.failed.items():
            _say(f"--- {result.client.name}: {step}\n{why}")
    _say("")
    _table([("client", "version", "steps", "time", "result"), *(result.row for result in results)])
    return 1 if any(result.failed for result in results) else 0


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
