"""Refusals of engines that were seen: whether trying again helps, in each release's words."""

import time

import pytest

from spacecloud.drivers.docker.engine_errors import (
    MOST_CHARACTERS,
    TABLE,
    EngineError,
    Operation,
    meaning,
    row_of,
)
from spacecloud.errors import Terminal, Transient

RUNC = (
    "failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)
MOUNT = (
    RUNC + 'error during container init: error mounting "/var/lib/docker/volumes/c69/_data" to '
    'rootfs at "/proc": "/var/lib/docker/overlay2/e1d/merged/proc" cannot be mounted because it is '
)

SEEN: list[tuple[Operation, int, str, str]] = [
    ("create", 404, "No such image: shop/web:1", "no such image"),
    ("create", 409, 'Conflict. The container name "/a" is already in use', "failure"),
    ("create", 400, "invalid reference format", "bad request"),
    ("create", 400, "Minimum memory limit allowed is 6MB", "bad request"),
    ("create", 500, "Cannot mkdir: /etc/passwd is not a directory", "bad working directory"),
    ("create", 500, "cannot mount volume over existing file, file exists /x", "volume on a file"),
    ("create", 500, "invalid volume specification: '/tmp:relative'", "bad mount"),
    ("create", 500, "open /var/lib/docker/x: no space left on device", "no space"),
    ("create", 400, "No command specified", "no command"),
    ("create", 500, "no command specified", "no command"),
    ("start", 404, "No such container: 4b32", "no such container"),
    ("start", 404, "network shop not found", "failure"),
    ("start", 409, "cannot join network of a non running container: 4b32", "failure"),
    ("start", 403, "Address already in use", "failure"),
    ("start", 500, "Bind for 0.0.0.0:80 failed: port is already allocated", "failure"),
    ("start", 500, "Could not attach to network: permission denied", "failure"),
    ("start", 500, "failed to update store: open : no such file or directory", "failure"),
    (
        "start",
        400,
        RUNC + "error mounting resolv.conf: no such file or directory",
        "no resolv.conf",
    ),
    ("start", 500, 'exec: "docker-init": executable file not found in $PATH', "no docker-init"),
    (
        "start",
        500,
        RUNC + 'error mounting "/usr/bin/docker-init" to rootfs at "/sbin/docker-init": open '
        "o_path procfd: open /sbin/docker-init: not a directory",
        "no room for docker-init",
    ),
    ("start", 400, RUNC + 'exec: "no": executable file not found in $PATH', "no such program"),
    ("start", 400, RUNC + 'exec: "/no": stat /no: no such file or directory', "no such program"),
    ("start", 400, RUNC + 'exec: "/etc/passwd": permission denied', "no such program"),
    ("start", 500, RUNC + "exec /app: exec format error", "not a program"),
    ("start", 500, "unable to find user no: no matching entries in passwd file", "unknown user"),
    ("start", 500, "unable to find group no: no matching entries in group file", "unknown user"),
    ("start", 500, "uids and gids must be in range 0-2147483647", "unknown user"),
    # 20.10.24, and from runc 1.2 on
    ("start", 500, MOUNT + 'located inside "/proc"', "volume in /proc"),
    ("start", 500, MOUNT + "inside /proc", "volume in /proc"),
    (
        "start",
        400,
        RUNC + 'error mounting "/v" to rootfs at "/proc/x": create mountpoint for /proc/x mount: '
        'make mountpoint "/proc/x": mkdirat /rootfs/proc/x: no such file or directory',
        "volume in /proc",
    ),
    ("start", 500, RUNC + "container init was OOM-killed (memory limit too low?)", "out of memory"),
    # 20.10.24 and 26.1.5, then 28.5.1 and 29.8.1
    (
        "write files",
        500,
        "Error processing tar file(exit status 1): mkdir /etc/passwd/app: not a directory",
        "no such folder",
    ),
    ("write files", 500, "open /etc/passwd/app/app.ini: not a directory", "no such folder"),
    (
        "write files",
        500,
        "Error processing tar file(exit status 1): write /a: no space left on device",
        "no space",
    ),
    ("write files", 400, "anything else", "not written"),
    ("create network", 403, "Pool overlaps with other one on this address space", "no network"),
    ("create network", 409, "network with name ct-n already exists", "no network"),
    (
        "remove network",
        403,
        "error while removing network: network sc-x id 4b32 has active endpoints",
        "network in use",
    ),
    ("other", 409, "Container 4b32 is not running", "failure"),
    # 20.10.24, then 29.8.1
    (
        "pull",
        500,
        "manifest for shop/web:2 not found: manifest unknown",
        "no such image at its registry",
    ),
    (
        "pull",
        500,
        'failed to resolve reference "127.0.0.1:5000/shop/web:2": not found',
        "no such image at its registry",
    ),
    (
        "pull",
        404,
        "pull access denied for shop/web, repository does not exist",
        "no such image at its registry",
    ),
    (
        "pull",
        404,
        "no matching manifest for linux/amd64 in the manifest list entries: no match for platform "
        "in manifest: not found",
        "no image for this machine",
    ),
    (
        "pull",
        500,
        'Head "https://registry.example/v2/shop/web/manifests/2": no basic auth credentials',
        "no login at its registry",
    ),
    ("pull", 401, "unauthorized: authentication required", "no login at its registry"),
    ("pull", 400, "invalid tag format", "bad request"),
    ("pull", 500, "Get https://registry/v2/: dial tcp: i/o timeout", "failure"),
    (
        "pull",
        500,
        'Get "https://far.example/v2/": dial tcp: lookup far.example on 9.9.9.9:53: no such host',
        "no address of the registry",
    ),
    (
        "pull",
        500,
        "failed to do request: dial tcp: lookup far.example: Temporary failure in name resolution",
        "no address of the registry",
    ),
    # 20.10.24, 26.1.5 and 28.5.1, then 29.8.1
    ("pull", 500, "unknown blob", "no such layer"),
    (
        "pull",
        500,
        "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor "
        "sha256:6b86 (application/vnd.oci.image.layer.v1.tar) from remote: not found",
        "no such layer",
    ),
]

TERMINAL = {
    "bad request",
    "bad working directory",
    "volume on a file",
    "bad mount",
    "no command",
    "no room for docker-init",
    "no such program",
    "not a program",
    "unknown user",
    "volume in /proc",
    "no such folder",
    "no image for this machine",
    "no login at its registry",
    "no such image at its registry",
}
"""Those where only another document or another image helps."""


@pytest.mark.parametrize(("operation", "status", "answer", "reason"), SEEN)
def test_a_refusal_is_sorted_by_one_table(
    operation: Operation, status: int, answer: str, reason: str
) -> None:
    error = EngineError(status, answer)

    assert row_of(operation, error).reason == reason
    failure = meaning("do it", error, operation)
    assert isinstance(failure, Terminal if reason in TERMINAL else Transient)
    assert str(failure).startswith("do it: ")


def test_every_row_has_been_seen() -> None:
    assert {row.reason for row in TABLE} == {reason for *_, reason in SEEN}
    assert {row.reason for row in TABLE if row.outcome is Terminal} == TERMINAL


def test_what_can_be_done_is_said() -> None:
    error = EngineError(500, "unable to find user no: no matching entries in passwd file")

    assert str(meaning("start task main", error, "start")) == (
        "start task main: unable to find user no: no matching entries in passwd file: "
        "check USER of the image"
    )


@pytest.mark.attack
def test_a_message_without_an_end_is_sorted_in_no_time() -> None:
    began = time.perf_counter()

    for sign in ("exec ", "resolv.conf ", "mkdir ", "cannot mkdir: "):
        row_of("start", EngineError(500, sign * (2**20 // len(sign))))

    assert len("exec " * 2**18) > MOST_CHARACTERS
    assert time.perf_counter() - began < 2
