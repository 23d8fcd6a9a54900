"""
The HEALTHCHECK that an image brings, as the probe of a task that declares none. Pure.

Docker's words: ``CMD`` with arguments, ``CMD-SHELL`` with one line for the image's shell,
``NONE``; durations in nanoseconds, 0 for the engine's default.
Source: the engine's API, ``HealthConfig``.
"""

from collections.abc import Mapping
from typing import Any

from spacecloud.model.task import LONGEST_INTERVAL_SECONDS, LONGEST_TIMEOUT_SECONDS, Probe

SECOND = 1_000_000_000
DEFAULT_TIMEOUT_SECONDS = 30
"""The engine's own, for an image that says nothing."""

DEFAULT_FAILURES = 3
DEFAULT_SHELL = ("/bin/sh", "-c")


def probe_of(config: Mapping[str, Any]) -> Probe | None:
    """``config``: of an image. None where it brings no command."""
    check = config.get("Healthcheck") or {}
    command = _command(check.get("Test") or [], config.get("Shell") or DEFAULT_SHELL)
    if not command:
        return None
    timeout = _seconds(check, "Timeout") or DEFAULT_TIMEOUT_SECONDS
    grace = max(_seconds(check, "StartPeriod"), Probe().grace_seconds)
    interval = _seconds(check, "Interval")
    probe = {
        "type": "exec",
        "command": command,
        "timeoutSeconds": min(LONGEST_TIMEOUT_SECONDS, max(0.1, timeout)),
        "graceSeconds": min(LONGEST_INTERVAL_SECONDS, grace),
        "failures": min(100, check.get("Retries") or DEFAULT_FAILURES),
    }
    if interval:
        # An image that says nothing is asked as often as any other task: at the engine's own
        # interval, 30 s, three wrong answers take a minute and a half.
        probe["intervalSeconds"] = min(LONGEST_INTERVAL_SECONDS, max(0.1, interval))
    return Probe.model_validate(probe)


def _command(test: list[str], shell: Any) -> tuple[str, ...]:
    match test:
        case ["CMD", *arguments]:
            return tuple(arguments)
        case ["CMD-SHELL", line]:
            return (*shell, line)
        case _:
            return ()


def _seconds(check: Mapping[str, Any], name: str) -> float:
    return max(0.0, (check.get(name) or 0) / SECOND)
