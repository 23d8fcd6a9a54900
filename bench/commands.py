"""What a person waits for at the shell."""

import statistics
import subprocess
import time
from collections.abc import Sequence

from bench.engine import Images
from bench.figures import Figure, at_most, rounded
from bench.instance import BIN, PROJECT, Instance

RUNS = 15
SERVICES = 5
LIMIT_MS = 150.0


def commands(stage: Instance, _images: Images) -> list[Figure]:
    services = [f"shown{n}" for n in range(SERVICES)]
    for service in services:
        stage.apply(service)
    stage.settle(*services)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(RUNS):
        ours.append(_milliseconds(stage, [str(BIN / "space-cli"), "get", "services"]))
        theirs.append(_milliseconds(stage, ["docker", "ps"]))
    stage.delete(*services)
    found = statistics.median(ours)
    return [
        Figure(
            "cli",
            "space-cli get services",
            "ms",
            found,
            {"docker ps": statistics.median(theirs)},
            at_most(found, LIMIT_MS, f"≤ {LIMIT_MS:g} ms"),
            detail={"runs": {"ours": rounded(ours), "docker ps": rounded(theirs)}},
        )
    ]


def _milliseconds(stage: Instance, command: Sequence[str]) -> float:
    began = time.perf_counter()
    environment = {**stage.environment, "SPACE_CLOUD_PROJECT": PROJECT}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    spent = (time.perf_counter() - began) * 1000
    assert "shown0" in done.stdout, done.stdout
    return spent
