"""
In what releases of the Docker Engine differ, from 20.10 to 29: here, and nowhere else.

The rest of the driver asks only for what all of them have. The client speaks the newest API of
the engine; what a newer one left out (an image's empty fields, an event's old names) is not read.
Rules of the engine's own are looked at, not assumed: ``firewall_rules``.

Engines tell failures in sentences, which change between releases while the status does not. What
is not known here is taken for passing, and tried again.
"""

from collections.abc import Mapping
from typing import Any

OLDEST = "20.10"
OLDEST_API = (1, 41)

_NO_IMAGE = (
    "not found",
    "manifest unknown",
    "does not exist",
    "unauthorized",
    "denied",
    "authentication required",
    "no basic auth credentials",
    "invalid reference",
    "no matching manifest",
)
_NO_LAYER = (
    # Until 28, and later with the old image store
    "unknown blob",
    # From 29: "could not fetch content descriptor sha256:… from remote: not found"
    "content descriptor",
)
_NO_FOLDER = (
    # Until 27: "Error processing tar file(exit status 1): mkdir …: not a directory"
    "processing tar file",
    # From 28: "open …: not a directory"
    "not a directory",
)
_PROGRAM = "exec"
"""Is said where the program is at fault, and not a file of the engine's or of ours."""

_NO_START = ("executable file not found", "no such file or directory", "permission denied")


def is_too_old(version: Mapping[str, Any]) -> bool:
    """From the answer to ``/version``."""
    api = str(version.get("ApiVersion", ""))
    return bool(api) and tuple(int(part) for part in api.split(".") if part.isdigit()) < OLDEST_API


def sets_nftables(info: Mapping[str, Any]) -> bool:
    """From the answer to ``/info``. Before 28.2 an engine does not say, and knows iptables only."""
    backend = (info.get("FirewallBackend") or {}).get("Driver", "iptables")
    return str(backend).startswith("nftables")


def says_no_such_image(words: str) -> bool:
    """
    The registry's answer to a pull, as the engine tells it: asking again will not help.

    A layer that is not there, of an image that is, may come: a mirror that lags, a push half done.
    """
    said = words.lower()
    return any(sign in said for sign in _NO_IMAGE) and not says_no_such_layer(said)


def says_no_such_platform(words: str) -> bool:
    """The image is there, and not for this machine."""
    return "no matching manifest" in words.lower()


def says_login_needed(words: str) -> bool:
    """And no more than that: a registry that says "denied" may mean that there is no such image."""
    said = words.lower()
    return any(sign in said for sign in ("authentication required", "no basic auth credentials"))


def says_no_command(words: str) -> bool:
    """A container cannot be made: neither its image nor who asks for it says what to run."""
    return "no command specified" in words.lower()


def says_no_such_layer(words: str) -> bool:
    """The image is known to the registry, and a part of what it is made of is not."""
    return any(sign in words.lower() for sign in _NO_LAYER)


def says_no_such_folder(words: str) -> bool:
    """Files cannot be written to a container, because its image has a file where a folder goes."""
    return any(sign in words.lower() for sign in _NO_FOLDER)


def says_no_such_program(words: str) -> bool:
    """A container cannot be started, because of its command."""
    return _PROGRAM in words and any(sign in words for sign in _NO_START)
