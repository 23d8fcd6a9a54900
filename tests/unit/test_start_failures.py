"""What the engine says of a container that does not start, and whether trying again helps."""

import pytest

from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.pods.replicas import start_failure
from spacecloud.errors import Terminal, Transient

RUNC = (
    "failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)


@pytest.mark.parametrize(
    "words",
    [
        RUNC + 'exec: "nope": executable file not found in $PATH: unknown',
        RUNC + 'exec: "/no/such": stat /no/such: no such file or directory: unknown',
        RUNC + 'exec: "/etc/passwd": permission denied: unknown',
    ],
)
def test_a_program_that_cannot_be_run_is_the_declarations_fault(words: str) -> None:
    failure = start_failure("start task api--v1--0/main", EngineError(400, words))

    assert isinstance(failure, Terminal)
    assert "check docker.cmd" in str(failure)


@pytest.mark.parametrize(
    "words",
    [
        "failed to update store for object type *libnetwork.endpoint: open : "
        "no such file or directory",
        RUNC + "error mounting resolv.conf: no such file or directory: unknown",
        "Could not attach to network: permission denied",
    ],
)
def test_a_file_that_the_engine_misses_is_worth_another_try(words: str) -> None:
    failure = start_failure("start pod api--v1--0", EngineError(500, words))

    assert isinstance(failure, Transient)
