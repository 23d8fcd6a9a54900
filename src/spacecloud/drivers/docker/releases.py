"""
In what releases of the Docker Engine differ, from 20.10 to 29: here, and nowhere else.

The rest of the driver asks only for what all of them have. The client speaks the newest API of
the engine; what a newer one left out (an image's empty fields, an event's old names) is not read.
Rules of the engine's own are looked at, not assumed: ``firewall_rules``.

The sentences in which engines tell failures: ``engine_errors``.
"""

from collections.abc import Mapping
from typing import Any

OLDEST = "20.10"
OLDEST_API = (1, 41)
RUNC = "runc"
THAWS_WHAT_IT_KILLS = (1, 1)
"""runc, from this release on."""


def is_too_old(version: Mapping[str, Any]) -> bool:
    """From the answer to ``/version``."""
    api = str(version.get("ApiVersion", ""))
    return bool(api) and tuple(int(part) for part in api.split(".") if part.isdigit()) < OLDEST_API


def lacks_init(info: Mapping[str, Any]) -> bool:
    """From the answer to ``/info``: no ``docker-init`` that says its version."""
    return (info.get("InitCommit") or {}).get("ID") == "N/A"


def sets_nftables(info: Mapping[str, Any]) -> bool:
    """From the answer to ``/info``. Before 28.2 an engine does not say, and knows iptables only."""
    backend = (info.get("FirewallBackend") or {}).get("Driver", "iptables")
    return str(backend).startswith("nftables")


def thaws_what_it_kills(version: Mapping[str, Any]) -> bool:
    """
    From the answer to ``/version``: does a SIGKILL end what is frozen on cgroup v1? Of what is no
    runc nothing is known.
    """
    parts = version.get("Components") or ()
    found = next((str(p.get("Version", "")) for p in parts if p.get("Name") == RUNC), "")
    numbers = found.split("-")[0].split("+")[0].split(".")[:2]
    if len(numbers) < 2 or not all(number.isdecimal() for number in numbers):
        return False
    return tuple(map(int, numbers)) >= THAWS_WHAT_IT_KILLS
