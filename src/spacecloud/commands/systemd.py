"""Where systemd is the first process it keeps the control plane, and no supervisor of ours."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from spacecloud.errors import Unavailable
from spacecloud.settings import Settings

RUNNING = Path("/run/systemd/system")
"""There while systemd is the first process, as ``sd_booted`` has it."""

UNITS = Path("/etc/systemd/system")


def is_there() -> bool:
    return RUNNING.is_dir()


def unit_name(settings: Settings) -> str:
    suffix = "" if settings.instance == "default" else f"-{settings.instance}"
    return f"space-cloud{suffix}.service"


def is_set_up(settings: Settings) -> bool:
    return is_there() and (UNITS / unit_name(settings)).exists()


def unit(settings: Settings, command: Sequence[str]) -> str:
    """
    Started again half a second after it ends, however often.

    Settings that differ from the default are written down: the unit's environment is empty.
    Only the control plane's own process is ended: what it runs is in the engine.
    """
    changed = settings.model_dump(mode="json", exclude_defaults=True)
    environment = [
        f"Environment={_quoted(f'SPACE_CLOUD_{name.upper()}={_value(value)}')}"
        for name, value in sorted(changed.items())
    ]
    return "\n".join(
        [
            "[Unit]",
            f"Description=Space Cloud control plane ({settings.instance})",
            "Wants=docker.service network-online.target",
            "After=docker.service network-online.target",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            f"ExecStart={' '.join(_quoted(word).replace('$', '$$') for word in command)}",
            *environment,
            "Restart=always",
            "RestartSec=0.5",
            "KillMode=mixed",
            "TimeoutStopSec=15",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def exposes_api(settings: Settings) -> bool:
    """Was it set up so?"""
    return '"SPACE_CLOUD_EXPOSE_API=true"' in (UNITS / unit_name(settings)).read_text()


def set_up(settings: Settings) -> None:
    command = (sys.executable, "-m", "spacecloud.server", "serve")
    (UNITS / unit_name(settings)).write_text(unit(settings, command))
    _systemctl("daemon-reload")
    _systemctl("enable", unit_name(settings))
    # Not enable --now: one that runs takes over changed settings only when it is restarted.
    _systemctl("restart", unit_name(settings))


def start(settings: Settings) -> None:
    _systemctl("start", unit_name(settings))


def stop(settings: Settings) -> None:
    _systemctl("stop", unit_name(settings))


def remove(settings: Settings) -> None:
    _systemctl("disable", "--now", unit_name(settings))
    (UNITS / unit_name(settings)).unlink(missing_ok=True)
    _systemctl("daemon-reload")


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], text=True, capture_output=True, check=False)
    if done.returncode:
        raise Unavailable(
            f"systemctl {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}"
        )


def _value(value: object) -> str:
    """As it is read from the environment: lists as JSON, switches as words."""
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(word: str) -> str:
    """A dollar means something in a command, and nothing in an environment."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
