"""Many requests through one mitmdump, and what it costs: `python -m tests.soak [requests] [streams]`.

A third of the streams is cut by the client. Prints memory and file descriptors of the proxy along the way; the memory
at the end has to be within 10 % of that after the first tenth. It also reads one stream slowly, and prints how much the
proxy held for it.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from gemini_proxy.emulator import Answer, Emulator
from tests.end_to_end.proxy import Proxy, running, sign_in
from tests.exchanges import HI, STOP, text

CHAT = "/v1/chat/completions"
WORKERS = 16
BODY = {"model": "gemini-2.5-flash", "messages": HI}


def measure(proxy: Proxy) -> tuple[float, int]:
    """Resident megabytes and open files."""
    process = Path(f"/proc/{proxy.process.pid}")
    pages = int((process / "statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6, len(os.listdir(process / "fd"))


def tasks(proxy: Proxy) -> int:
    """The asyncio tasks in mitmproxy's own report of itself, which SIGUSR1 asks for."""
    seen = len(proxy.log)
    proxy.process.send_signal(signal.SIGUSR1)
    report = ""
    while report.count("*" * 52) < 2:
        time.sleep(0.05)
        report = proxy.log[seen:]
    return report.partition("\nTasks\n")[2].count("\n    ")


def show(what: str, proxy: Proxy, began: float) -> float:
    memory, files = measure(proxy)
    seconds = round(time.monotonic() - began)
    line = {"after": what, "seconds": seconds, "memory_mb": round(memory, 1), "files": files, "tasks": tasks(proxy)}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    return memory


def ask(proxy: Proxy, count: int) -> int:
    """Failures among that many requests on a kept-alive connection."""
    failed = 0
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) as http:
        for _ in range(count):
            failed += http.post(CHAT, json=BODY).status_code != 200
    return failed


def stream(proxy: Proxy, number: int) -> None:
    with httpx.stream("POST", proxy.url + CHAT, json={**BODY, "stream": True}, trust_env=False, timeout=60) as answer:
        if number % 3 == 0:
            next(answer.iter_lines())
        else:
            answer.read()


def read_slowly(proxy: Proxy, google: Emulator) -> None:
    chunk = text("x" * 100_000)
    google.script("streamGenerateContent", Answer.sse([chunk] * 2_000 + [STOP]))
    before, _ = measure(proxy)
    with httpx.stream("POST", proxy.url + CHAT, json={**BODY, "stream": True}, trust_env=False, timeout=60) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        time.sleep(5)
        after, _ = measure(proxy)
    sys.stdout.write(json.dumps({"slow reader of 200 MB": True, "held_mb": round(after - before, 1)}) + "\n")


def main(requests: int = 100_000, streams: int = 2_000) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Emulator(record_limit=100) as google:
        sign_in(google, Path(folder) / "tokens.json")
        with running(Path(folder), google, "-q") as proxy, ThreadPoolExecutor(WORKERS) as pool:
            show("start", proxy, began)
            failed, tenth = 0, 0.0
            for part in range(1, 11):
                failed += sum(pool.map(lambda _: ask(proxy, requests // 10 // WORKERS), range(WORKERS)))
                list(pool.map(lambda number: stream(proxy, number), range(streams // 10)))
                memory = show(f"{part * 10} %", proxy, began)
                tenth = tenth or memory
            time.sleep(3)
            memory = show("3 s of rest", proxy, began)
            sys.stdout.write(
                json.dumps({"failed": failed, "growth_percent": round(100 * (memory / tenth - 1), 1)}) + "\n"
            )
            read_slowly(proxy, google)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
