"""
Puts the chain to sleep, calls it, and prints what each wake took.

    .venv/bin/python examples/sleepy/chain.py           # frozen
    .venv/bin/python examples/sleepy/chain.py --stop    # stopped: three processes are started

It is run on the control plane's machine, as its owner, after ``sleepy.yaml`` was applied.
"""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from spacecloud.settings import Settings

CLI = Path(sys.executable).parent / "space-cli"
URL = f"http://127.0.0.1:{Settings().http_port}/sleepy/"
SERVICES = ("web", "api", "store")
"""Callers first: an awake caller could wake what it calls."""


def main() -> None:
    depth = ["--stop"] if "--stop" in sys.argv[1:] else []
    for service in SERVICES:
        subprocess.run([CLI, "sleep", f"sleepy/{service}", *depth], check=True, timeout=90)
    show("asleep", *called())
    show("awake", *called())


def called() -> tuple[float, str | None, dict]:
    """How long it took at the client, what the gateway says of the wake, and the answer."""
    began = time.monotonic()
    with urllib.request.urlopen(URL, timeout=60) as answer:
        body = json.load(answer)
    return 1000 * (time.monotonic() - began), answer.headers["space-cloud-wake-ms"], body


def show(before: str, milliseconds: float, woken: str | None, body: dict) -> None:
    print(f"\n{before}: {URL} answered after {milliseconds:.1f} ms")
    while body:
        held = f"held {woken} ms while it woke" if woken else "not held"
        print(f"  {body['service']:6} {held:28} visit {body['visits']}")
        behind = body.get("behind")
        woken, body = (behind["wakeMs"], behind["said"]) if behind else (None, {})


if __name__ == "__main__":
    main()
