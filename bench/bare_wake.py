"""The bare engine's side of a wake: containers that are kept, paused or ended, by a script."""

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bench import engine
from bench.caller import NotAnswered, get
from bench.engine import EngineError, Images, call
from bench.images import HTTP_PORT, TCP_PORT
from bench.lane import lane
from bench.sleeping import Depth

WITHIN = 60.0
PARALLEL = 8
ATTEMPTS = 5
RETRY_SECONDS = 0.001


class BareContainers:
    """Pause and task in one network. The pause runs on, so the namespace is kept."""

    def __init__(self, images: Images, count: int, image: str, number: int = 0) -> None:
        """``number`` of the bare network."""
        name = lane().resource(f"kept{number}")
        net = engine.network(name, lane().bare_subnet(number))
        self._addresses = [lane().bare(number, 2 + n) for n in range(count)]
        self._tasks = []
        for n, address in enumerate(self._addresses):
            pause = engine.container(f"{name}-{n}", images.pause, net, address)
            self._tasks.append(engine.container(f"{name}-{n}-main", image, f"container:{pause}"))
        for address in self._addresses:
            _until(lambda its=address: get(its, HTTP_PORT, "bare") is not None)  # type: ignore[misc]

    def lay_down(self, n: int, depth: Depth) -> None:
        word = "pause" if depth == "frozen" else "stop?t=1"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                call("POST", f"/containers/{self._tasks[n]}/{word}")
            except EngineError:
                # On a busy machine the kernel may not have frozen all of it within runc's tries.
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def lay_all_down(self, which: Sequence[int], depth: Depth) -> None:
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda n: self.lay_down(n, depth), which))

    def wake(self, n: int, depth: Depth) -> float:
        """Seconds until the first 200."""
        began = time.perf_counter()
        self._run(n, depth)
        _until(lambda: get(self._addresses[n], HTTP_PORT, "bare") is not None)
        return time.perf_counter() - began

    def wake_at_once(self, which: Sequence[int], depth: Depth) -> float:
        """Side by side: seconds until the last one's 200."""
        began = time.perf_counter()
        with ThreadPoolExecutor(len(which)) as pool:
            list(pool.map(lambda n: self.wake(n, depth), which))
        return time.perf_counter() - began

    def wake_tcp(self, n: int, depth: Depth) -> float:
        """Seconds until the first byte of a server that speaks first."""
        began = time.perf_counter()
        self._run(n, depth)
        _until(lambda: first_byte(self._addresses[n], TCP_PORT, 1.0) is not None)
        return time.perf_counter() - began

    def _run(self, n: int, depth: Depth) -> None:
        word = "unpause" if depth == "frozen" else "start"
        call("POST", f"/containers/{self._tasks[n]}/{word}")


def first_byte(address: str, port: int, within: float) -> float | None:
    """When it came; None: it did not."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), within) as opened:
        opened.settimeout(within)
        if opened.recv(1):
            return time.perf_counter()
    return None


def _until(check: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + WITHIN
    while not check():
        if time.perf_counter() > deadline:
            raise NotAnswered(f"a bare container does not answer within {WITHIN:g} s")
        time.sleep(RETRY_SECONDS)
