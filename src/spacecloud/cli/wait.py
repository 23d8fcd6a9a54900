"""Wait until what was applied is ready, or until it is known that it will not be."""

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import click

from spacecloud.cli.deployment import (
    Awaited,
    DeploymentView,
    Goal,
    Outcome,
    Status,
    view_of,
    with_progress,
)
from spacecloud.cli.exit_codes import FAILED, SUPERSEDED, TIMED_OUT
from spacecloud.cli.output import domain_of, state
from spacecloud.client.client import Client
from spacecloud.errors import Unavailable

FIRST_INTERVAL_SECONDS = 0.1
LONGEST_INTERVAL_SECONDS = 1.0
PULL_SECONDS = 5.0
"""Between two lines on the progress of one pull."""


@dataclass(frozen=True, slots=True)
class End:
    exit_code: int
    statuses: list[Status]


class Screen(Protocol):
    def show(self, views: Sequence[DeploymentView], note: str) -> None: ...


def wait(
    client: Client,
    awaited: Sequence[Awaited],
    timeout_seconds: float,
    goal: Goal = "confirmed",
    *,
    is_quiet: bool,
) -> End:
    """Shows how it goes on, and at the end what came of it."""
    views: Sequence[DeploymentView] = [DeploymentView(each) for each in awaited]
    began = time.monotonic()
    ends_at = began + timeout_seconds
    interval = FIRST_INTERVAL_SECONDS
    with _screen(is_quiet=is_quiet) as screen:
        while not _is_over(views):
            note = ""
            try:
                views = _look(client, views, goal, began)
            except Unavailable as error:
                # It may be restarting; what it was told goes on when it is back.
                note = str(error)
            screen.show(views, note)
            if _is_over(views) or time.monotonic() >= ends_at:
                break
            time.sleep(min(interval, max(0.0, ends_at - time.monotonic())))
            interval = min(interval * 1.5, LONGEST_INTERVAL_SECONDS)
    return _end(views, timeout_seconds, is_quiet=is_quiet)


def _look(
    client: Client, views: Sequence[DeploymentView], goal: Goal, began: float
) -> list[DeploymentView]:
    projects = {view.awaited.project for view in views}
    statuses = {project: client.status(project) for project in sorted(projects)}
    seconds, now = time.monotonic() - began, datetime.now(UTC)
    return [
        with_progress(
            view_of(view.awaited, statuses[view.awaited.project], goal), view, seconds, now
        )
        for view in views
    ]


def _is_over(views: Sequence[DeploymentView]) -> bool:
    outcomes = [view.outcome for view in views]
    return "failed" in outcomes or "waiting" not in outcomes


def _end(views: Sequence[DeploymentView], timeout_seconds: float, *, is_quiet: bool) -> End:
    for view in views:
        if view.outcome == "ready" and not is_quiet:
            _tell_success(view)
    for view in views:
        sentence = _sentence(view, timeout_seconds, is_over=_is_over(views))
        if sentence:
            click.echo(f"error: {view.awaited}: {sentence}", err=True)
    outcomes = {view.outcome for view in views}
    code = next((c for o, c in _CODES if o in outcomes), 0)
    return End(code, [view.status for view in views])


_CODES: tuple[tuple[Outcome, int], ...] = (
    ("failed", FAILED),
    ("superseded", SUPERSEDED),
    ("waiting", TIMED_OUT),
)


def _tell_success(view: DeploymentView) -> None:
    status = view.status
    urls = "  ".join(status["urls"])
    told = "serving" if status["state"] == "progressing" else state(view.state)
    click.echo(f"{view.awaited} {told}  {domain_of(status)}  {urls}".rstrip())
    for notice in status["notices"]:
        # What is known of an image once it is here.
        if notice not in view.awaited.notices:
            click.echo(f"  note: {notice}")


def _sentence(view: DeploymentView, timeout_seconds: float, *, is_over: bool) -> str:
    if view.outcome == "failed":
        return view.message or "it failed"
    if view.outcome == "superseded":
        if not view.status or view.status["state"] == "removing":
            return "superseded: it was deleted meanwhile"
        return "superseded: a later apply replaced this one"
    if view.outcome == "waiting":
        why = f": {view.message}" if view.message else ""
        late = "is not ready yet" if is_over else f"is not ready after {timeout_seconds:g} s"
        return f"{late}{why} (the deployment goes on)"
    return ""


def _screen(*, is_quiet: bool) -> AbstractContextManager[Screen]:
    if is_quiet:
        return nullcontext(_Nothing())
    if sys.stdout.isatty():
        from spacecloud.cli.live import LiveScreen

        return LiveScreen()
    return nullcontext(Lines())


class _Nothing:
    def show(self, views: Sequence[DeploymentView], note: str) -> None:
        """For programs, which read the end."""


class Lines:
    """One line for every change, for logs and pipes; of a pull's progress one now and then."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._pulling: dict[str, float] = {}
        """When the progress of its pull was told last."""

    def show(self, views: Sequence[DeploymentView], note: str) -> None:
        self._say("", note)
        for view in views:
            if view.outcome == "waiting" and self._is_news(view):
                line = f"{view.awaited} {view.state} {view.replicas}"
                self._say(str(view.awaited), f"{line} {view.message}".rstrip())

    def _is_news(self, view: DeploymentView) -> bool:
        name, now = str(view.awaited), time.monotonic()
        if not view.status.get("pulls"):
            self._pulling.pop(name, None)
            return True
        if now - self._pulling.get(name, -PULL_SECONDS) < PULL_SECONDS:
            return False
        self._pulling[name] = now
        return True

    def _say(self, about: str, line: str) -> None:
        if line and self._said.get(about) != line:
            click.echo(f"  {line}")
        self._said[about] = line
