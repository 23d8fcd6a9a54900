"""
What ``make demo`` does once the machine is set up: start the platform, deploy the shop, ask it.

Everything it says about the shop is an answer that it has just received. It fails when a step
fails, when a call of the shop fails, and when the call that has to be refused is let through.
At the end a service is put to sleep, and the call that wakes it is told with its time.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from spacecloud.model.defaults import ADMIN, PASSWORD_FILE
from spacecloud.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
Result = TypeVar("Result")
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 5
"""For the first answer: the gateway may lag a moment behind what it was told."""


class Failed(Exception):
    """A sentence for the person who runs the demo."""


def main() -> int:
    settings = Settings()
    url = f"http://127.0.0.1:{settings.http_port}"
    started = time.monotonic()
    try:
        step("building the shop's images from local files", build_images)
        step("starting the platform", lambda: run("space-cloud", "start"))
        step("logging in", lambda: login(settings, url))
        step(
            "deploying examples/shop",
            lambda: run("space-cli", "apply", "-f", "examples/shop/shop.yaml", "--wait=serving"),
        )
        report = step(f"asking {url}/report.json", lambda: ask(f"{url}/report.json"))
        step("putting shop/web to sleep", lambda: run("space-cli", "sleep", "shop/web"))
        wake = step(f"asking {url}/health", lambda: called(f"{url}/health"))
    except Failed as failure:
        print(f"\nerror: {failure}", file=sys.stderr)
        return 1
    print_report(report)
    print_wake(wake)
    if wake.held_ms is None:
        print("\nerror: shop/web was asleep, and its call was not held", file=sys.stderr)
        return 1
    if not report["ok"]:
        print("\nerror: the shop does not work as declared, see above", file=sys.stderr)
        return 1
    print_next(url, time.monotonic() - started)
    return 0


def step(text: str, do: Callable[[], Result]) -> Result:
    print(f"==> {text}", flush=True)
    started = time.monotonic()
    result = do()
    print(f"    {time.monotonic() - started:.1f} s", flush=True)
    return result


def build_images() -> None:
    execute([sys.executable, "examples/shop/build.py"])


def login(settings: Settings, url: str) -> None:
    password = (settings.state_dir / PASSWORD_FILE).read_text().strip()
    # By environment: arguments can be read by every user of the machine.
    run(
        "space-cli",
        "login",
        "--id",
        "demo",
        "--project",
        "shop",
        USER_NAME=ADMIN,
        KEY=password,
        URL=url,
    )


def run(program: str, *arguments: str, **environment: str) -> None:
    execute([str(BIN / program), *arguments], **environment)


def execute(command: list[str], **environment: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, check=False, timeout=600
    )
    if done.returncode:
        shown = " ".join([Path(command[0]).name, *command[1:]])
        raise Failed(f"`{shown}` ended with exit code {done.returncode}")


def ask(url: str) -> dict:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=15) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = f"{error.code} {error.read(300).decode(errors='replace')}"
        except (OSError, ValueError) as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise Failed(f"GET {url}: {problem}")
        time.sleep(0.1)


@dataclass(frozen=True)
class Call:
    status: int
    held_ms: str | None
    """For how long the gateway held it while the service woke; None: not at all."""

    milliseconds: float


def called(url: str) -> Call:
    """Once: the call that wakes a service is the one that counts."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            answer.read()
    except OSError as error:
        raise Failed(f"GET {url}: {error}") from None
    milliseconds = 1000 * (time.monotonic() - began)
    return Call(answer.status, answer.headers["space-cloud-wake-ms"], milliseconds)


def print_report(report: dict) -> None:
    api, cache, stats = report["api"], report["cache"], report["stats"]
    refusal = "refused" if cache["refused"] else "REACHED" if cache["reached"] else "no answer"
    print()
    line("web → api → cache", outcome(api), seen(api, "visits", "replica"), api["ms"])
    line("web → cache", refusal, cache["how"], cache["ms"])
    line("web → stats", outcome(stats), seen(stats, "views", "median_ms"), stats["ms"])


def outcome(call: dict) -> str:
    return f"{call['status']}" if call["ok"] else "FAILED"


def seen(call: dict, *names: str) -> str:
    if not call["ok"]:
        return str(call["error"])
    return ", ".join(f"{name} {call[name]}" for name in names)


def line(route: str, result: str, detail: str, milliseconds: float) -> None:
    print(f"    {route:18} {result:10} {detail:42} {milliseconds:7.1f} ms")


def print_wake(wake: Call) -> None:
    held = f"was frozen, held {wake.held_ms} ms while it woke"
    line("outside → web", str(wake.status), held, wake.milliseconds)


def print_next(url: str, seconds: float) -> None:
    cli = (BIN / "space-cli").relative_to(ROOT)
    shop = "examples/shop/shop.yaml"
    hints = (
        (f"{cli} status shop/api", "who runs, who may call whom, what happened"),
        (f"{cli} scale explain shop/web", "when it sleeps again, and what its wakes took"),
        (f"{cli} get events", "the refused calls are there too, with what would allow them"),
        (f"{cli} logs shop/web -f", "and reload the page"),
        (f"$EDITOR {shop}", "name cache in web's upstreams and web in cache's whitelists"),
        (f"{cli} plan -f {shop}", "what that changes, and why; nothing is touched"),
        (f"{cli} apply -f {shop} --wait", "now web reaches the cache"),
        ("make down", "take everything away again"),
    )
    print(
        f"\nThe shop answers, and the one call that is not allowed was refused ({seconds:.0f} s)."
    )
    print(f"\n    {url}/\n\nTry next:\n")
    for command, effect in hints:
        print(f"    {command:60} {effect}")


if __name__ == "__main__":
    sys.exit(main())
