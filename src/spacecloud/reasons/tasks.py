"""Why a task does not run, or runs and is not ready."""

from dataclasses import dataclass

from spacecloud.reasons.base import BaseReason

BY_EXIT_CODE = {
    0: "its command ended by itself: a service runs until it is asked to end; check docker.cmd, or "
    "give restart: on-failure to what is done when it ends",
    126: "its command is a file that cannot be executed: check docker.cmd and the file's mode",
    127: "its command does not exist in the image: check docker.cmd and the entrypoint",
    134: "it aborted itself: its log has the reason",
    137: "it was killed from outside, or used more memory than its limit: raise resources.memory",
    139: "it crashed on a memory fault: check that the image is built for this machine",
    143: "it was asked to end and did: something stopped it by hand",
}


def _said(last_output: str) -> str:
    return f"; last said: {last_output}" if last_output else ""


@dataclass(frozen=True, slots=True)
class OutOfMemory(BaseReason):
    last_output: str = ""

    code = "OOMKilled"
    remedy = "raise resources.memory of the task"

    def __str__(self) -> str:
        return f"killed: it used more memory than its limit{_said(self.last_output)}"


@dataclass(frozen=True, slots=True)
class Exited(BaseReason):
    exit_code: int | None
    last_output: str = ""

    code = "Exited"

    def __str__(self) -> str:
        how = f"exited with code {self.exit_code}" if self.exit_code is not None else "exited"
        return how + _said(self.last_output)

    @property
    def fix(self) -> str:
        """Empty where only its log has it."""
        return BY_EXIT_CODE.get(self.exit_code, "") if self.exit_code is not None else ""


@dataclass(frozen=True, slots=True)
class ProgramNotFound(BaseReason):
    what: str
    message: str

    code = "ContainerCannotRun"
    remedy = "check docker.cmd and the image's entrypoint"

    def __str__(self) -> str:
        return f"{self.what}: {self.message}: check docker.cmd and the image's entrypoint"


Ending = OutOfMemory | Exited | ProgramNotFound
"""Why a task ended."""


@dataclass(frozen=True, slots=True)
class BackOff(BaseReason):
    ending: Ending
    exits: int
    """In a row."""

    code = "BackOff"

    def __str__(self) -> str:
        return f"{self.ending}, exit {self.exits} in a row"

    @property
    def fix(self) -> str:
        return self.ending.fix


@dataclass(frozen=True, slots=True)
class CrashLoop(BaseReason):
    ending: Ending
    exits: int

    code = "CrashLoopBackOff"

    def __str__(self) -> str:
        return f"ended {self.exits} times in a row: {self.ending}"

    @property
    def fix(self) -> str:
        return self.ending.fix


@dataclass(frozen=True, slots=True)
class NotRestarted(BaseReason):
    """Its restart policy is ``never``."""

    ending: Ending

    code = "NotRestarted"
    remedy = (
        "mend it and apply it again: a changed document is run anew; with restart: on-failure it "
        "is tried again by itself"
    )

    def __str__(self) -> str:
        return f"{self.ending}; restart is never, so it is not started again"

    @property
    def fix(self) -> str:
        return f"{self.ending.fix}; {self.remedy}" if self.ending.fix else self.remedy


@dataclass(frozen=True, slots=True)
class Completed(BaseReason):
    code = "Completed"
    remedy = "nothing: it is done; a changed document is run anew"

    def __str__(self) -> str:
        return "completed: it ended with code 0"


@dataclass(frozen=True, slots=True)
class JobRunning(BaseReason):
    """It has neither ports nor a probe, and a restart policy that lets it end."""

    code = "JobRunning"
    remedy = "wait until it ends; of a task that is not to end: leave restart out, or give a probe"

    def __str__(self) -> str:
        return "runs, and is done when it ends with code 0"


@dataclass(frozen=True, slots=True)
class EndedLately(BaseReason):
    """It runs again."""

    exits: int

    code = "Restarted"

    def __str__(self) -> str:
        return f"it ended {'once' if self.exits == 1 else f'{self.exits} times'} lately"


@dataclass(frozen=True, slots=True)
class StartFailed(BaseReason):
    """``message``: the engine's words."""

    message: str

    code = "StartError"
    remedy = "check docker.cmd and the image's entrypoint"

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class NoCommand(BaseReason):
    image: str

    code = "NoCommand"
    remedy = "give docker.cmd: the image says nothing of what to run"

    def __str__(self) -> str:
        return f"image {self.image} has neither CMD nor ENTRYPOINT, and the task no docker.cmd"


@dataclass(frozen=True, slots=True)
class PodDown(BaseReason):
    """Its sandbox is missing, stopped or off its network."""

    state: str

    code = "PodNotRunning"
    remedy = "nothing: it is made anew"

    def __str__(self) -> str:
        return f"its pod is {self.state}"


@dataclass(frozen=True, slots=True)
class NothingListens(BaseReason):
    port: int
    others: tuple[int, ...] = ()
    """What is listened on beyond loopback."""

    code = "NothingListens"
    remedy = (
        "if the app is still starting, give probe.graceSeconds; else make ports say what it "
        "listens on"
    )

    def __str__(self) -> str:
        nothing = f"nothing listens on port {self.port}"
        others = ", ".join(map(str, self.others))
        return f"{nothing}; it listens on {others}" if others else nothing


@dataclass(frozen=True, slots=True)
class OnlyOnLoopback(BaseReason):
    port: int

    code = "ListensOnLoopback"
    remedy = "have the app listen on 0.0.0.0 (an option or a variable of it)"

    def __str__(self) -> str:
        return (
            f"listens on 127.0.0.1:{self.port} only, where nobody but its own pod reaches it: "
            f"make it listen on 0.0.0.0:{self.port}"
        )


@dataclass(frozen=True, slots=True)
class ProbeAnswered(BaseReason):
    path: str
    port: int
    status: int

    code = "ProbeStatus"
    remedy = (
        "let probe.path name what answers 200 when it is ready, and probe.host a name that the app "
        "serves where it refuses its own address (400, 403, 421); else mend the app"
    )

    def __str__(self) -> str:
        return f"GET {self.path} on port {self.port} answered {self.status}"


@dataclass(frozen=True, slots=True)
class ProbeFailed(BaseReason):
    path: str
    port: int
    message: str

    code = "ProbeFailed"
    remedy = "check that the app speaks HTTP on that port; else give a probe of type tcp"

    def __str__(self) -> str:
        return f"GET {self.path} on port {self.port} failed: {self.message}"


@dataclass(frozen=True, slots=True)
class ProbeTimedOut(BaseReason):
    type: str
    seconds: float

    code = "ProbeTimeout"
    remedy = "the app is too slow or stuck: raise probe.timeoutSeconds, or mend it"

    def __str__(self) -> str:
        return f"no answer to its {self.type} probe within {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class ProbeExited(BaseReason):
    command: str
    exit_code: int | None

    code = "ProbeExited"
    remedy = "check probe.command; it runs inside the task"

    def __str__(self) -> str:
        return f"its command {self.command!r} ended with code {self.exit_code}"


@dataclass(frozen=True, slots=True)
class ProbeNotRun(BaseReason):
    """The engine refuses the command."""

    command: str
    message: str

    code = "ProbeCannotRun"
    remedy = "check probe.command; it runs inside the task"

    def __str__(self) -> str:
        return f"its command {self.command!r} cannot be run: {self.message}"


@dataclass(frozen=True, slots=True)
class ProbeNotAsked(BaseReason):
    """The engine was not reached: nothing is known of the task."""

    command: str
    message: str

    code = "ProbeNotAsked"
    remedy = "the Docker Engine did not run it, which is not the task's fault: space-cloud doctor"

    def __str__(self) -> str:
        return f"its command {self.command!r} could not be run: {self.message}"


@dataclass(frozen=True, slots=True)
class ProbeWithoutPort(BaseReason):
    code = "ProbeWithoutPort"
    remedy = "give probe.port, or declare the port in the task's ports"

    def __str__(self) -> str:
        return "its http probe needs a port: the task declares none"


@dataclass(frozen=True, slots=True)
class JustStarted(BaseReason):
    code = "ContainerStarting"

    def __str__(self) -> str:
        return "it has no port to ask, and has only just started"


ProbeReason = (
    NothingListens
    | OnlyOnLoopback
    | ProbeAnswered
    | ProbeFailed
    | ProbeTimedOut
    | ProbeExited
    | ProbeNotRun
    | ProbeNotAsked
    | ProbeWithoutPort
    | JustStarted
)
"""What an answer to a probe says that is no yes."""


@dataclass(frozen=True, slots=True)
class WakeTimedOut(BaseReason):
    seconds: float
    why: ProbeReason | None

    code = "WakeTimedOut"

    def __str__(self) -> str:
        told = f": {self.why}" if self.why is not None else ""
        return f"it was woken, and is not ready after {self.seconds:g} s{told}"

    @property
    def fix(self) -> str:
        return self.why.fix if self.why is not None else ""


TaskReason = (
    Ending
    | WakeTimedOut
    | BackOff
    | CrashLoop
    | NotRestarted
    | Completed
    | JobRunning
    | EndedLately
    | StartFailed
    | NoCommand
    | PodDown
    | ProbeReason
)
