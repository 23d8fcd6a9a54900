"""
What the Docker Engine's refusals mean: one table, of which the first row that fits decides.

``Terminal`` where only another declaration or another image helps, ``Transient`` where time may.
Engines tell failures in sentences, which change between releases; where one is known from some
releases only, they stand beside it. What no sentence fits is sorted by its status: a request that
was itself at fault stays so, all else is tried again.
"""

import re
from dataclasses import dataclass
from typing import Literal

from spacecloud.errors import Terminal, Transient
from spacecloud.model.json import Json
from spacecloud.model.lines import message
from spacecloud.reasons.platform import EngineFailed, EngineRefused
from spacecloud.reasons.tasks import ProgramNotFound

NOT_MODIFIED, NOT_FOUND, CONFLICT = 304, 404, 409
NO_COMMAND, NO_PROGRAM, NO_INIT = "no command", "no such program", "no docker-init"
NO_PLATFORM, NO_LOGIN, NO_IMAGE = (
    "no image for this machine",
    "no login at its registry",
    "no such image at its registry",
)
NO_REGISTRY, NO_SPACE = "no address of the registry", "no space"
NO_LOCAL_IMAGE = "no such image"
IN_STREAM = 500
MOST_CHARACTERS = 8_000
"""Of a message that is looked at: it may repeat what an image or a registry says."""

Operation = Literal[
    "create", "start", "write files", "create network", "remove network", "pull", "other"
]


class EngineError(Exception):
    """An answer that is not a success; what it means depends on the question."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def error_in_stream(told: Json) -> EngineError:
    """What the engine tells after it has said that all is well."""
    return EngineError(IN_STREAM, str(told["error"]))


@dataclass(frozen=True, slots=True)
class Row:
    reason: str
    outcome: type[Terminal] | type[Transient]
    operations: tuple[Operation, ...] = ()
    """Empty: whatever was asked for."""

    statuses: frozenset[int] = frozenset()
    """Empty: any."""

    sign: str = ""
    """An expression that the message, in small letters, has in it somewhere."""

    says: str = ""
    """In place of the engine's words, which say less."""

    fix: str = ""

    def fits(self, operation: Operation, status: int, answer: str) -> bool:
        return (
            (not self.operations or operation in self.operations)
            and (not self.statuses or status in self.statuses)
            and re.search(self.sign, answer, re.DOTALL) is not None
        )

    def failure(self, action: str, text: str) -> Terminal | Transient:
        """With its reason; ``text``: in place of the engine's, which may be others' lines."""
        answer = message(text)
        if self.reason == NO_PROGRAM:
            return self.outcome(ProgramNotFound(action, answer))
        kind = EngineRefused if self.outcome is Terminal else EngineFailed
        return self.outcome(kind(action, answer, self.fix))


CONTAINERS: tuple[Operation, ...] = ("create", "start")
REQUEST_FAULTS = frozenset(range(400, 500)) - {403, NOT_FOUND, 408, CONFLICT, 429}
"""Without those that time may change; 403: it is in use."""

TABLE = (
    Row(
        NO_SPACE,
        Transient,
        sign="no space left on device",
        fix="make room on the disk of the Docker Engine",
    ),
    # ------ a container is made and started
    Row(
        NO_LOCAL_IMAGE,
        Transient,
        ("create",),
        frozenset({NOT_FOUND}),
        sign="no such image",
    ),
    Row(
        "no such container",
        Transient,
        ("start",),
        frozenset({NOT_FOUND}),
        sign="no such container",
        says="it is not there any more",
    ),
    # A file of ours that the host had lost: the next try writes it.
    Row("no resolv.conf", Transient, ("start",), sign=r"resolv\.conf.*no such file"),
    Row(
        NO_COMMAND,
        Terminal,
        ("create",),
        sign="no command specified",
        fix="give docker.cmd: the image says nothing of what to run",
    ),
    Row(
        NO_INIT,
        Transient,
        ("start",),
        sign="docker-init.{0,2}: executable file not found",
        says="the engine has no docker-init: it is started without",
        fix="nothing; to have one, install docker-init (Debian: tini), or say docker.init: false",
    ),
    Row(
        "no room for docker-init",
        Terminal,
        ("start",),
        sign="mount.*docker-init",
        fix="set docker.init to false: the engine's init cannot be put into its image",
    ),
    Row(
        NO_PROGRAM,
        Terminal,
        ("start",),
        # Until 29, in one of its wordings; "exec": not a file of the engine's or of ours.
        sign="exec.*(executable file not found|no such file or directory|permission denied)",
        fix="check docker.cmd and the image's entrypoint",
    ),
    Row(
        "not a program",
        Terminal,
        ("start",),
        sign="exec format error",
        fix="check that the image's entrypoint is a program for this machine",
    ),
    Row(
        "unknown user",
        Terminal,
        CONTAINERS,
        sign="unable to find (user|group)|no matching entries in (passwd|group) file"
        "|uids and gids must be in range",
        fix="check USER of the image",
    ),
    Row(
        "volume in /proc",
        Terminal,
        CONTAINERS,
        # … "cannot be mounted because it is located inside "/proc""; runc 1.3.6 of a
        # folder that is not there: "create mountpoint for /proc/x mount: …: no such file …"
        sign="cannot be mounted because it is|proc-safety|create mountpoint for /proc/",
        fix="check VOLUME of the image",
    ),
    Row(
        "volume on a file",
        Terminal,
        CONTAINERS,
        sign="cannot mount volume over existing file",
        fix="check VOLUME of the image",
    ),
    Row(
        "bad mount",
        Terminal,
        CONTAINERS,
        sign="invalid (volume specification|mount config|mount path)",
    ),
    Row(
        "bad working directory",
        Terminal,
        CONTAINERS,
        sign="cannot mkdir: .*is not a directory|mkdir .*: not a directory|chdir to cwd",
        fix="check WORKDIR of the image",
    ),
    Row(
        "out of memory",
        Transient,
        ("start",),
        # The kernel's memory for the start differs from one to the next.
        sign=r"oom-killed|memory limit too low",
        fix="give it more memory (resources.memory)",
    ),
    # ------ files are written into it
    Row(
        "no such folder",
        Terminal,
        ("write files",),
        # Until 27: "Error processing tar file(exit status 1): mkdir …: not a directory"
        # From 28: "open …: not a directory"
        sign="not a directory",
    ),
    # A task without its secrets is never started: anything else is asked again.
    Row("not written", Transient, ("write files",)),
    # ------ a network is made
    # Names and subnets are ours; what stands in the way is somebody else's, and may go.
    Row("no network", Transient, ("create network",)),
    Row(
        "network in use",
        Transient,
        ("remove network",),
        # An engine may keep the endpoint of a container that is gone, until it is restarted.
        sign="has active endpoints",
        fix=(
            "docker network inspect shows what is on it; where that is nothing, the engine keeps "
            "a trace of what is gone, and systemctl restart docker frees it"
        ),
    ),
    # ------ an image is pulled
    Row(
        NO_REGISTRY,
        Transient,
        ("pull",),
        # Of the resolver that the engine asks, in the words of Go's library.
        sign=r"lookup \S+.*(no such host|server misbehaving|i/o timeout|connection refused"
        "|temporary failure)",
    ),
    Row(
        "no such layer",
        Transient,
        ("pull",),
        # Until 28, and later with the old image store: "unknown blob". From 29: "could not fetch
        # content descriptor sha256:… from remote: not found". It may come: a mirror that lags.
        sign="unknown blob|content descriptor",
    ),
    Row(
        NO_PLATFORM,
        Terminal,
        ("pull",),
        sign="no matching manifest",
        fix="build or choose the image for this machine",
    ),
    Row(
        NO_LOGIN,
        Terminal,
        ("pull",),
        # And no more: a registry that says "denied" may mean that there is no such image.
        sign="authentication required|no basic auth credentials",
        fix="name a secret of type docker with a login that may pull it in docker.secret",
    ),
    Row(
        NO_IMAGE,
        Terminal,
        ("pull",),
        sign="not found|manifest unknown|does not exist|unauthorized|denied|invalid reference",
        fix="check its name and tag, and docker.secret if its registry needs a login",
    ),
    # ------ by status alone
    Row("bad request", Terminal, statuses=REQUEST_FAULTS),
    Row("failure", Transient),
)


def row_of(operation: Operation, error: EngineError) -> Row:
    answer = str(error)[:MOST_CHARACTERS].lower()
    return next(row for row in TABLE if row.fits(operation, error.status, answer))


def meaning(
    action: str, error: EngineError, operation: Operation = "other"
) -> Terminal | Transient:
    """``action``: what was asked for, as the sentence that is told begins."""
    row = row_of(operation, error)
    return row.failure(action, row.says or plain(str(error)))


def plain(answer: str) -> str:
    """The engine's words without the layers of wrapping that say nothing."""
    last = answer.split("container init caused: ")[-1].split("starting container process caused: ")
    return last[-1].removesuffix(": unknown").strip()
