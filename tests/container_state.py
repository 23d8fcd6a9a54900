"""How a container is: in the engine's words, or held by the kernel, which the engine need not know."""

import json
import subprocess

from spacecloud.drivers.docker.pods.freezer import Freezer

INSPECT_SECONDS = 60


def state_of(container: str) -> str:
    """``frozen``, or as the engine says: ``running``, ``exited``, …"""
    command = ["docker", "inspect", "-f", "{{json .}}", container]
    shown = json.loads(
        subprocess.run(command, check=True, capture_output=True, timeout=INSPECT_SECONDS).stdout
    )
    state = shown["State"]
    if state["Running"] and Freezer(shown["Id"], state["Pid"]).state() == "frozen":
        return "frozen"
    return str(state["Status"])
