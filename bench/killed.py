"""How soon a control plane that is killed answers again, and when it is slowed down."""

import os
import signal
import time

from bench import machine
from bench.engine import Images
from bench.figures import Figure, Goal, at_most, rounded
from bench.instance import Instance, wait_until
from spacecloud.supervisor import FIRST_BACKOFF_SECONDS, QUICK_RESTARTS, STABLE_SECONDS

ROUNDS = 3
BACK_SECONDS = 2.0
WITHIN = 60.0
EVERY_SECONDS = 0.01


def killed(stage: Instance, _images: Images) -> list[Figure]:
    """As often as it is started again at once, each time as soon as it answers; then once more."""
    starts: list[float] = []
    rounds: list[list[float]] = []
    try:
        for _ in range(ROUNDS):
            starts.append(_started_anew(stage))
            rounds.append(_round(stage))
        quick, slow = _slowed_down(stage)
    finally:
        stage.stop()
        stage.start()
    spent = [seconds for one in rounds for seconds in one]
    at_once = "five times in ten seconds"
    return [
        Figure(
            "killed", f"killed {at_once} → the API answers: slowest of {len(spent)}", "s",
            max(spent), {"slowest start without a kill": max(starts)},
            at_most(max(spent), BACK_SECONDS, f"≤ {BACK_SECONDS:g} s"),
            detail={"runs": rounded(spent), "of each five together": rounded(map(sum, rounds))},
        ),
        Figure(
            "killed", "killed a sixth time in ten seconds → started again", "s",
            slow, {"slowest of the first five": quick},
            Goal(
                f"≥ {FIRST_BACKOFF_SECONDS:g} s, the five before at once",
                quick < FIRST_BACKOFF_SECONDS <= slow,
            ),
        ),
    ]  # fmt: skip


def _started_anew(stage: Instance) -> float:
    """What a start takes on this machine now."""
    stage.stop()
    began = time.perf_counter()
    stage.start_supervised()
    return time.perf_counter() - began


def _round(stage: Instance) -> list[float]:
    _live_until_stable()
    return [_answers_after_kill(stage) for _ in range(QUICK_RESTARTS)]


def _slowed_down(stage: Instance) -> tuple[float, float]:
    """Killed when it has just been started: the slowest of the quick starts, and the next one."""
    _live_until_stable()
    *quick, slow = [_started_after_kill(stage) for _ in range(QUICK_RESTARTS + 1)]
    return max(quick), slow


def _live_until_stable() -> None:
    """So that what was before does not count."""
    time.sleep(STABLE_SECONDS + 1)


def _answers_after_kill(stage: Instance) -> float:
    began = time.perf_counter()
    _started_after_kill(stage)
    wait_until(stage.answers, within=WITHIN, every=EVERY_SECONDS)
    return time.perf_counter() - began


def _started_after_kill(stage: Instance) -> float:
    before = _control_plane(stage)
    assert before
    began = time.perf_counter()
    os.kill(before[0], signal.SIGKILL)
    wait_until(
        lambda: _control_plane(stage) not in ([], before), within=WITHIN, every=EVERY_SECONDS
    )
    return time.perf_counter() - began


def _control_plane(stage: Instance) -> list[int]:
    """The supervisor's child, where it has one."""
    return machine.family(stage.pid)[1:2]
