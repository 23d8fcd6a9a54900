"""No value of a secret in a mistake, nor in what is told of an engine's refusal."""

import os
import subprocess
import sys
from typing import Any

import pytest

from builders import a_task
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.pods.containers import environment
from spacecloud.drivers.docker.pods.replicas import create_failure
from spacecloud.errors import InvalidSpec, Terminal, Transient
from spacecloud.model.refs import ServiceRef
from spacecloud.model.secret import Secret, SecretFacts
from spacecloud.model.service import Service
from spacecloud.model.task import Task
from spacecloud.model.validation.mistakes import validate
from spacecloud.workloads.operations import CreateReplica

pytestmark = pytest.mark.attack

MARKER = "correct-horse-battery-staple"
FACTS = SecretFacts("shop", "creds", "env", "", ("=K",), 1)


def a_creation(*secrets: SecretFacts) -> CreateReplica:
    spec = Service.model_validate({"tasks": [a_task()]})
    return CreateReplica(
        ref=ServiceRef("shop", "api", "v1"),
        slot=0,
        revision="r1",
        address="10.0.0.2",
        subnet="10.0.0.0/25",
        spec=spec,
        images={"main": "sha256:aa"},
        secrets=secrets,
    )


@pytest.mark.parametrize("key", ["=K", "A=B", "1A", "", "A B", "A\n", f"A={MARKER}", MARKER + " "])
def test_the_key_of_an_env_secret_is_the_name_of_a_variable(key: str) -> None:
    with pytest.raises(InvalidSpec, match="is no name of an environment variable") as failure:
        validate(Secret, {"type": "env", "data": {"GOOD": "x", key: MARKER}}, "spec")

    assert MARKER not in f"{failure.value} {failure.value.mistakes}"


@pytest.mark.parametrize("key", ["A", "_a", "a.b-c_1"])
def test_a_name_of_a_variable_is_a_key(key: str) -> None:
    assert validate(Secret, {"type": "env", "data": {key: MARKER}}, "spec").data == {key: MARKER}


def test_a_key_that_an_earlier_release_took_is_not_given_to_the_engine() -> None:
    task = Task.model_validate(a_task(secrets=["creds"]))

    with pytest.raises(Terminal, match="secret creds has a key") as failure:
        environment(task, (FACTS,), {"creds": {"=K": MARKER}})

    assert MARKER not in str(failure.value)


@pytest.mark.parametrize(("status", "kind"), [(400, Terminal), (500, Transient)])
def test_what_the_engine_says_of_a_create_with_secrets_is_not_repeated(
    status: int, kind: type[Any]
) -> None:
    error = EngineError(status, f"invalid environment variable: =K={MARKER}")

    failure = create_failure("api-main", error, a_creation(FACTS))

    assert isinstance(failure, kind)
    assert str(failure) == f"create api-main: the Docker Engine refuses it (code {status})"
    assert "no space" in str(create_failure("x", EngineError(500, "no space"), a_creation()))


def test_the_control_plane_leaves_no_core_dump() -> None:
    program = """
import ctypes, resource
from spacecloud import server
server.leave_no_core()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout == "(0, 0) 0\n"
