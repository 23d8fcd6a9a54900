"""Load from ``wrk``, started inside a container's network and held to one core."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import machine, tools

REPORT = """
done = function(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""
SPARE_SECONDS = 20.0


class LoadFailed(Exception):
    """Requests failed: there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Run:
    """Latency in microseconds; CPU as shares of one core, and the proxy's per request."""

    p50: float
    p99: float
    per_second: float
    proxy_us: float
    client: float
    proxy: float
    server: float
    others: float
    """Everybody else on the machine: what disturbed this run."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the client stands."""

    pid: int
    """Its network namespace is entered."""

    resolv: Path | None = None
    """What it has as ``/etc/resolv.conf``; None: the machine's."""

    core: int = 0


def load(
    place: Place,
    url: str,
    connections: int,
    seconds: int,
    watched: Mapping[str, Sequence[int]],
) -> Run:
    """``watched``: processes of ``proxy`` and ``server``."""
    script = (tools.FOLDER / "report.lua").absolute()
    script.write_text(REPORT)
    wrk = [str(tools.program("wrk")), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    before = _spent(watched)
    process = subprocess.Popen(
        _inside(place, [*wrk, url]),
        # An unpacked one finds its libraries by it, in the run that unpacked it and in later ones.
        env={**os.environ, "LD_LIBRARY_PATH": tools.library_path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    output, errors = process.communicate(timeout=seconds + SPARE_SECONDS)
    after = _spent(watched)
    if process.returncode or "{" not in output:
        raise LoadFailed(f"{url}: {(errors or output).strip()}")
    result = json.loads(output[output.index("{") :])
    if result["errors"] or not result["requests"]:
        raise LoadFailed(f"{url}: {result['errors']} of {result['requests']} requests failed")
    return _run(result, {name: after[name] - before[name] for name in before})


def _inside(place: Place, command: Sequence[str]) -> list[str]:
    """Enters and then becomes the command: its CPU time is that of our child."""
    net = ["nsenter", f"--net=/proc/{place.pid}/ns/net"]
    pinned = ["nice", "-n", str(machine.FIRST), "taskset", "-c", str(place.core), *command]
    if place.resolv is None:
        return [*net, *pinned]
    mounted = f'mount --bind "{place.resolv}" /etc/resolv.conf && exec "$@"'
    return [*net, "unshare", "--mount", "sh", "-c", mounted, "sh", *pinned]


def _spent(watched: Mapping[str, Sequence[int]]) -> dict[str, float]:
    ours = os.times()
    return {
        "client": ours.children_user + ours.children_system,
        "machine": machine.machine_seconds(),
        **{name: machine.cpu_seconds(pids) for name, pids in watched.items()},
    }


def _run(result: Mapping[str, float], cpu: Mapping[str, float]) -> Run:
    seconds = result["microseconds"] / 1e6
    proxy, server = cpu.get("proxy", 0.0), cpu.get("server", 0.0)
    return Run(
        p50=result["p50"],
        p99=result["p99"],
        per_second=result["requests"] / seconds,
        proxy_us=proxy / result["requests"] * 1e6,
        client=cpu["client"] / seconds,
        proxy=proxy / seconds,
        server=server / seconds,
        others=max(0.0, cpu["machine"] - cpu["client"] - proxy - server) / seconds,
    )
