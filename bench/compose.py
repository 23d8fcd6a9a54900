"""Twenty services by Compose: a network and a container each, which is all that it has for one."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import engine, tools
from bench.engine import Images
from bench.lane import lane

UP_SECONDS = 120


def up(images: Images, addresses: dict[str, str], answer: Callable[[], float]) -> float:
    """
    Seconds until all answer, which ``answer`` tells; what was made is removed.

    As parallel as it is by itself: some releases hang when they are given a limit.

    ``addresses``: subnet to the address of the one container in it. ``Missing`` without Compose.
    """
    command = tools.compose()
    with tempfile.TemporaryDirectory(prefix="space-cloud-bench-compose-") as folder:
        file = Path(folder) / "compose.json"
        file.write_text(json.dumps(_document(images, addresses)))
        try:
            began = time.perf_counter()
            subprocess.run(
                [*command, "-p", lane().resource("compose"), "-f", str(file), "up", "-d"],
                check=True,
                capture_output=True,
                timeout=UP_SECONDS,
            )
            return answer() - began
        finally:
            engine.remove_all()


def _document(images: Images, addresses: dict[str, str]) -> dict[str, Any]:
    labels = {lane().label: ""}
    services, networks = {}, {}
    for number, (subnet, address) in enumerate(addresses.items()):
        name = f"n{number}"
        services[name] = {
            "image": images.server,
            "labels": labels,
            "networks": {name: {"ipv4_address": address}},
        }
        networks[name] = {"labels": labels, "ipam": {"config": [{"subnet": subnet}]}}
    return {"version": "3.5", "services": services, "networks": networks}
