"""`python -m gemini_proxy.emulator`: Google offline on a port."""

from __future__ import annotations

import argparse
import contextlib
import threading
from pathlib import Path
from typing import Any

from gemini_proxy.emulator.accounts import ACCOUNTS
from gemini_proxy.emulator.answers import FAULTS, Answer
from gemini_proxy.emulator.errors import NAMED
from gemini_proxy.emulator.server import EVERY, Emulator
from gemini_proxy.emulator.settings import Settings

MODEL_METHODS = ("streamGenerateContent", "generateContent")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m gemini_proxy.emulator",
        description="Emulates Google's OAuth, Cloud Code Assist and public Gemini API on one port, for a client such as "
        "Gemini CLI (CODE_ASSIST_ENDPOINT) or gemini-proxy. It answers rehearsed texts and is no model.",
    )
    add = result.add_argument
    add("--host", default="127.0.0.1", help="Address to listen on. Default: 127.0.0.1, reachable from here only.")
    add("--port", type=int, default=8099, help="Port to listen on; 0 takes a free one. Default: 8099.")
    add("--account", choices=sorted(ACCOUNTS), default="standard", help="Who the user is to Code Assist.")
    add("--delay", type=float, default=0, metavar="MS", help="Milliseconds between the events of a stream.")
    add("--first-byte-delay", type=float, default=0, metavar="MS", help="Milliseconds before the first byte.")
    add("--chop", type=int, metavar="BYTES", help="Cut every body into network writes of that many bytes.")
    add("--answer", type=Path, metavar="FILE", help="Answer model calls with a recording (.json or .sse).")
    add("--error", choices=sorted(NAMED), help="Answer model calls with that error of Google's.")
    add("--error-form", choices=("object", "array"), default="object", help="The form of errors of the stream method.")
    faults = "; ".join(f"{name}: {text}" for name, text in FAULTS.items())
    add("--fault", choices=sorted(FAULTS), help=f"Break off answers to model calls. {faults}.")
    add("--at", type=int, default=0, metavar="N", help="Bytes of the body before the fault. Default: 0.")
    add("--gzip", action="store_true", help="Compress answers to model calls, whatever the client accepts.")
    add(
        "--check-tokens",
        action="store_true",
        help="Take only bearer tokens issued here. Without it any bearer is taken, so that Gemini CLI runs with "
        "GOOGLE_CLOUD_ACCESS_TOKEN=anything.",
    )
    add("--token-lifetime", type=float, default=3599, metavar="S", help="Seconds an access token lives.")
    return result


def emulator_from(options: argparse.Namespace) -> Emulator:
    settings = Settings(
        account=options.account,
        any_token=not options.check_tokens,
        pace=options.delay / 1000,
        first_byte_delay=options.first_byte_delay / 1000,
        error_form=options.error_form,
        token_lifetime=options.token_lifetime,
        record_limit=200,
    )
    emulator = Emulator(settings, host=options.host, port=options.port)
    how: dict[str, Any] = {"pieces": options.chop, "fault": options.fault, "at": options.at, "gzip": options.gzip}
    if options.chop:
        emulator.always(EVERY, Answer(pieces=options.chop))
    if options.answer or options.error or options.fault or options.gzip:
        answer = _content(options, how)
        for method in MODEL_METHODS:
            emulator.always(method, answer)
    return emulator


def _content(options: argparse.Namespace, how: dict[str, Any]) -> Answer:
    if options.answer:
        return Answer.file(options.answer, **how)
    if options.error:
        return Answer.error(options.error, options.error_form, **how)
    return Answer(**how)


def wait_for_ever(event: threading.Event) -> None:
    """In short steps: Windows cannot interrupt a wait without an end by Ctrl-C before Python 3.14."""
    while not event.wait(0.5):
        pass


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    with emulator_from(options) as emulator:
        print(f"Emulated Google on {emulator.url} (account: {options.account}). Ctrl-C ends it.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            wait_for_ever(threading.Event())
    return 0


if __name__ == "__main__":  # pragma: no cover
    raise SystemExit(main())
