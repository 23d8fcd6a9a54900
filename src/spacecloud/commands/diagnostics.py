"""Looking at an installation from outside: what there is of it, and what is wrong with it."""

import asyncio
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from spacecloud import installation, supervisor
from spacecloud.commands import systemd
from spacecloud.commands.context import Machine, read_settings
from spacecloud.drivers.driver import Check
from spacecloud.reconcile.outcome import REMOVAL_FAILED
from spacecloud.settings import Settings
from spacecloud.store.stuck_deletions import stuck_deletions

output = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.command()
@output
@click.pass_obj
def doctor(machine: Machine, output: str) -> None:
    """Look at everything that can be wrong, with the fix. Exit code 1 if something is."""
    settings = read_settings()
    checks = [*_processes(settings)]
    if settings.driver == "docker":
        checks = [*asyncio.run(machine.examine(settings)), *checks]
    if output == "json":
        shown = [{"what": c.what, "ok": c.ok, "message": c.message} for c in checks]
        click.echo(json.dumps({"ok": all(c.ok for c in checks), "checks": shown}, indent=2))
    else:
        width = max(len(c.what) for c in checks)
        for one in checks:
            click.echo(f"{'ok ' if one.ok else 'BAD'}  {one.what:<{width}}  {one.message}")
    if not all(c.ok for c in checks):
        sys.exit(1)


@click.command()
@output
@click.pass_obj
def inspect(machine: Machine, output: str) -> None:
    """Versions, settings, folders, and what there is of it on this machine."""
    settings = read_settings()
    shown: dict[str, Any] = {
        "versions": {
            "space-cloud": version("spacecloud"),
            "python": platform.python_version(),
            "kernel": platform.release(),
        },
        "processes": _who_runs(settings),
        "settings": settings.model_dump(mode="json"),
        "folders": {
            str(folder): _size_kib(folder) for folder in (settings.state_dir, settings.run_dir)
        },
    }
    if settings.driver == "docker":
        shown["machine"] = dict(asyncio.run(machine.inventory(settings)))
    if output == "json":
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo("\n".join(_lines(shown)))


def _processes(settings: Settings) -> list[Check]:
    who = _who_runs(settings)
    serving = who["control plane"]
    manager = who["kept by"]
    there = f"process {serving}, {f'kept by {manager}' if manager else 'in the foreground'}"
    works = supervisor.works(settings)
    answers = works or supervisor.answers(settings)
    url = f"http://127.0.0.1:{settings.http_port}"
    return [
        Check(
            "control plane",
            there if serving else "it does not run: space-cloud start",
            ok=serving is not None,
        ),
        Check(
            "API",
            _api(settings, url, answers=answers, works=works),
            ok=works,
        ),
        *(_metrics(settings) if serving else []),
        _deletions(settings),
    ]


def _deletions(settings: Settings) -> Check:
    stuck = stuck_deletions(installation.database(settings), REMOVAL_FAILED)
    listed = "; ".join(f"{key}: {message}" for key, message in stuck)
    return Check("deletions", listed or "none is stuck", ok=not stuck)


def _metrics(settings: Settings) -> list[Check]:
    if not settings.metrics_port:
        return []
    url = f"http://127.0.0.1:{settings.metrics_port}/metrics"
    if supervisor.tells_metrics(settings):
        return [Check("metrics", f"{url} answers", ok=True)]
    said = f"{url} does not answer: is the port another program's? SPACE_CLOUD_METRICS_PORT"
    return [Check("metrics", said, ok=False)]


def _api(settings: Settings, url: str, *, answers: bool, works: bool) -> str:
    if works:
        return f"{url} answers"
    if answers:
        return f"{url} answers, but not all of the platform works: {supervisor.log_path(settings)}"
    return f"{url} does not answer: space-cloud start, then {supervisor.log_path(settings)}"


def _who_runs(settings: Settings) -> dict[str, Any]:
    serving, supervised = supervisor.control_plane(settings), supervisor.supervisor(settings)
    by = systemd.unit_name(settings) if systemd.is_set_up(settings) else None
    if supervised is not None:
        by = f"a supervisor (process {supervised.process})"
    return {"control plane": serving.process if serving else None, "kept by": by}


def _size_kib(folder: Path) -> int | None:
    """None where there is none yet."""
    if not folder.is_dir():
        return None
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) // 1024


def _lines(shown: Any, indent: str = "") -> list[str]:
    lines = []
    for name, value in shown.items():
        match value:
            case dict() if value:
                lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
            case [dict(), *_]:
                lines += [f"{indent}{name}:"]
                lines += [f"{indent}  {'  '.join(str(v) for v in one.values())}" for one in value]
            case _:
                lines.append(f"{indent}{name}: {value}")
    return lines
