"""
How fast the demo's shop is on this machine, as a person at the browser and the shell sees it.

Needs ``make demo`` to run. The client is Python on the same cores as everything else, so its
figures are a floor; compare them with each other and over time.
"""

import http.client
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from spacecloud.settings import Settings

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parent.parent
SINGLE_SECONDS = 3.0
PARALLEL_SECONDS = 5.0
CLIENTS = 16
COMMAND_RUNS = 5


def main() -> int:
    port = Settings().http_port
    try:
        fetch(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "/health")
    except (OSError, http.client.HTTPException) as error:
        print(f"error: the shop does not answer on 127.0.0.1:{port}: {error}", file=sys.stderr)
        print("  fix: make demo", file=sys.stderr)
        return 1
    print(f"{'':44} {'p50':>9} {'p99':>9} {'per second':>12}")
    requests("outside → gateway → web", port, "/health", 1, SINGLE_SECONDS)
    requests(f"the same, {CLIENTS} at a time", port, "/health", CLIENTS, PARALLEL_SECONDS)
    requests("the report: web → api → cache and more", port, "/report.json", 1, SINGLE_SECONDS)
    command("space-cli --help", "--help")
    command("space-cli plan (nothing to do)", "plan", "-f", "examples/shop/shop.yaml")
    return 0


def requests(title: str, port: int, path: str, clients: int, seconds: float) -> None:
    spent: list[float] = []
    end = time.monotonic() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        while time.monotonic() < end:
            spent.append(timed(lambda: fetch(connection, path)))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    line(title, spent, f"{len(spent) / seconds:12.0f}")


def fetch(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise http.client.HTTPException(f"{path} answered {answer.status}")


def command(title: str, *arguments: str) -> None:
    def once() -> None:
        subprocess.run(
            [str(BIN / "space-cli"), *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True
        )

    line(title, [timed(once) for _ in range(COMMAND_RUNS)], "")


def timed(do: Callable[[], None]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def line(title: str, seconds: list[float], rate: str) -> None:
    *_, p99 = statistics.quantiles(seconds, n=100, method="inclusive")
    print(f"{title:44} {statistics.median(seconds) * 1000:6.1f} ms {p99 * 1000:6.1f} ms {rate}")


if __name__ == "__main__":
    sys.exit(main())
