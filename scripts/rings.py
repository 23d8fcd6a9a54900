"""
Run the rings of the tests that need an engine in groups, some side by side, each a process.

They wait more than they compute: for drains, for probes, for an engine. What measures the time of a
piece of work goes with them. What each printed is shown when it ends; the exit status is 0 when all
of them were green.
"""

import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOGS = ROOT / "build" / "rings"
AT_ONCE = 4
WITHIN_SECONDS = 1200
POLL_SECONDS = 0.2
KILL_SECONDS = 30
TOO_LATE = 124
"""As ``timeout`` has it."""


@dataclass
class Ring:
    name: str
    process: subprocess.Popen[bytes]
    log: Path
    began: float


GROUPS = {
    "engine": (
        "tests/contract",
        *(
            f"tests/integration/test_{of}*.py"
            for of in ("docker", "engine", "host", "images", "res")
        ),
    ),
    "commands": ("tests/e2e/test_commands_*.py", "tests/e2e/test_machine_*.py"),
    "envoy": ("tests/integration/test_envoy*.py",),
    "api-cli-store": ("tests/integration/test_*.py",),
    "attack": ("tests/bounds/test_*.py", "tests/e2e/test_*_attack*.py"),
    "network": ("tests/e2e/test_network_*.py",),
    "e2e": ("tests/e2e/test_*.py",),
}
"""A file is in the first whose pattern has it, so that a new one is in some."""

LONGEST_FIRST = ("engine", "api-cli-store", "commands", "attack", "e2e", "envoy", "network")


def rings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    known: set[str] = set()
    for name, patterns in GROUPS.items():
        paths = [str(p.relative_to(ROOT)) for one in patterns for p in sorted(ROOT.glob(one))]
        if new := [path for path in paths if path not in known]:
            found[name] = new
        known.update(paths)
    return {name: found[name] for name in sorted(found, key=LONGEST_FIRST.index)}


def start(name: str, paths: list[str], *options: str) -> Ring:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    command = [sys.executable, "-m", "pytest", "-q", "--durations=5", *options, *paths]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    return Ring(name, process, log, time.monotonic())


def run(waiting: deque[tuple[str, list[str]]], *options: str) -> Iterator[tuple[Ring, int]]:
    """Each with its exit status, in the order of their ends."""
    running: list[Ring] = []
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(start(*waiting.popleft(), *options))
            for ring in list(running):
                if (code := status(ring, time.monotonic())) is not None:
                    running.remove(ring)
                    yield ring, code
            time.sleep(POLL_SECONDS)
    finally:
        for ring in running:
            stop(ring.process)


def status(ring: Ring, now: float) -> int | None:
    """None while it runs and may."""
    code = ring.process.poll()
    if code is None and now - ring.began > WITHIN_SECONDS:
        stop(ring.process)
        return TOO_LATE
    return code


def stop(process: "subprocess.Popen[bytes]") -> None:
    """It may take down what it has set up."""
    process.terminate()
    try:
        process.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def main(options: list[str]) -> int:
    waiting = deque(rings().items())
    print(f"==> {', '.join(name for name, _ in waiting)}: {AT_ONCE} at once", flush=True)
    worst = 0
    for ring, code in run(waiting, *options):
        print(f"==> {ring.name}: after {time.monotonic() - ring.began:.0f} s", flush=True)
        print(ring.log.read_text("utf-8", "replace"), flush=True)
        worst = worst or code
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
