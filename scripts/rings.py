"""
Run the rings of the tests that need an engine side by side, each in a process of its own.

They wait more than they compute: for drains, for probes, for an engine. What each printed is shown
when it ends; the exit status is 0 when all of them were green.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOGS = ROOT / "build" / "rings"
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


def rings() -> dict[str, list[str]]:
    """Paths by name; every file of the rings is in exactly one."""
    e2e = sorted((ROOT / "tests" / "e2e").glob("test_*.py"))
    network = [path for path in e2e if path.name.startswith("test_network_")]
    found = {
        "contract-integration": ["tests/contract", "tests/integration"],
        "e2e-network": [str(path.relative_to(ROOT)) for path in network],
        "e2e-others": [str(path.relative_to(ROOT)) for path in e2e if path not in network],
    }
    return {name: paths for name, paths in found.items() if paths}


def start(name: str, paths: list[str], *options: str) -> Ring:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    command = [sys.executable, "-m", "pytest", "-q", "--durations=5", *options, *paths]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    return Ring(name, process, log, time.monotonic())


def ended(running: list[Ring]) -> Iterator[tuple[Ring, int]]:
    """Each with its exit status, in the order of their ends."""
    while running:
        for ring in list(running):
            code = ring.process.poll()
            if code is None and time.monotonic() - ring.began > WITHIN_SECONDS:
                stop(ring.process)
                code = TOO_LATE
            if code is not None:
                running.remove(ring)
                yield ring, code
        time.sleep(POLL_SECONDS)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """It may take down what it has set up."""
    process.terminate()
    try:
        process.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def main(options: list[str]) -> int:
    running = [start(name, paths, *options) for name, paths in rings().items()]
    print(f"==> {', '.join(ring.name for ring in running)}, side by side", flush=True)
    worst = 0
    try:
        for ring, code in ended(list(running)):
            print(f"==> {ring.name}: after {time.monotonic() - ring.began:.0f} s", flush=True)
            print(ring.log.read_text("utf-8", "replace"), flush=True)
            worst = worst or code
    finally:
        for ring in running:
            if ring.process.poll() is None:
                stop(ring.process)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
