"""
The API's socket: root may open it, and the gateway by its group; nobody else even gets near it.

Its place stays the same, so that a gateway that runs goes on with it through an upgrade.
"""

import os
import socket
from pathlib import Path

from spacecloud.drivers.docker.run_directory import GATEWAY_UID, RunDirectory
from spacecloud.errors import Unavailable


def listen(run: RunDirectory) -> socket.socket:
    """Bound, and not listening yet. ``Unavailable`` where its folder cannot be used."""
    path = run.api_socket
    listener = socket.socket(socket.AF_UNIX)
    try:
        share_with_gateway(run.path, 0o750)
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        share_with_gateway(path, 0o660)
    except OSError as error:
        listener.close()
        raise Unavailable(f"the API cannot listen on {path}: {error.strerror}") from error
    return listener


def share_with_gateway(path: Path, mode: int) -> None:
    """By its group. The folder is mounted read-only there."""
    if os.geteuid() == 0:
        os.chown(path, 0, GATEWAY_UID)
    path.chmod(mode)
