"""
Runs of the tests side by side on one machine: each has ports, pools and names of its own.

A lane is held by a lock on a file for as long as the process lives, so that one that was killed
leaves it free. Pools give way to whatever has a route or a network on the machine already.
"""

import fcntl
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

LANES = 9
TURN_SECONDS = 1800
COMMAND_SECONDS = 30
_FOLDER = Path("/tmp")
"""Not the one of TMPDIR: all runs have to meet."""


@functools.cache
def lane() -> int:
    for number in range(LANES):
        held = _open(f"space-cloud-tests-lane-{number}")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
        else:
            return number
    raise RuntimeError(f"{LANES} runs of the tests are on this machine already")


@functools.cache
def take_turn(what: str) -> None:
    """Waits until no other run is at it, and keeps it until this one ends."""
    held = _open(f"space-cloud-tests-{what}")
    deadline = time.monotonic() + TURN_SECONDS
    waits = False
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(held)
                raise RuntimeError(f"{what}: another run has been at it for too long") from None
            if not waits:
                print(f"\n{what}: another run of the tests is at it, waiting", file=sys.__stderr__)
            waits = True
            time.sleep(0.2)
        else:
            return


def pools(place: int, taken: Iterable[IPv4Network]) -> tuple[IPv4Network, IPv4Network]:
    """For subnets and for virtual addresses: the first of the place's own that are free."""
    known = tuple(taken)
    for whole in _candidates(place):
        if not any(whole.overlaps(network) for network in known):
            subnets, addresses = whole.subnets(new_prefix=17)
            return subnets, addresses
    raise RuntimeError(f"every network that installation {place} of the tests may have is taken")


def _candidates(place: int) -> Iterator[IPv4Network]:
    """No two places share one, and none is what the integration tests have by number."""
    for octet in (200 + place, place, 100 + place):
        if octet < 250 and octet not in _FIXED:
            yield IPv4Network(f"10.{octet}.0.0/16")


_FIXED = {8, 9, *range(120, 142), *range(180, 185)}


def taken_networks(prefix: str, protocol: int) -> list[IPv4Network]:
    """
    Of the machine, but for those of the installation whose bridges and routes are marked so.

    What a killed run left of it must not drive it off to where it would not find that.
    """
    found = []
    for route in json.loads(_output("ip", "-json", "-4", "route", "show", "table", "all")):
        ours = route.get("dev", "").startswith(prefix) or route.get("protocol") == str(protocol)
        if not ours and route["dst"] != "default":
            found.append(IPv4Network(route["dst"], strict=False))
    networks = _output("docker", "network", "ls", "-q").split()
    for network in _inspected(networks):
        bridge = (network["Options"] or {}).get("com.docker.network.bridge.name", "")
        if not bridge.startswith(prefix):
            ranges = network["IPAM"]["Config"] or ()
            found += [
                IPv4Network(r["Subnet"]) for r in ranges if ip_network(r["Subnet"]).version == 4
            ]
    return found


def _inspected(networks: list[str]) -> Iterator[dict[str, Any]]:
    """Without those that went meanwhile: the others are shown all the same."""
    if networks:
        shown = subprocess.run(
            ["docker", "network", "inspect", *networks],
            text=True,
            capture_output=True,
            timeout=COMMAND_SECONDS,
        )
        yield from json.loads(shown.stdout)


def _output(*command: str) -> str:
    return subprocess.run(
        command, text=True, capture_output=True, check=True, timeout=COMMAND_SECONDS
    ).stdout


def _open(name: str) -> int:
    return os.open(_FOLDER / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
