"""A replica as the containers that the engine is asked for. Pure."""

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from spacecloud.drivers.docker import labels
from spacecloud.errors import Terminal
from spacecloud.model.json import Json
from spacecloud.model.secret import SecretFacts, as_bytes
from spacecloud.model.task import Task, is_variable
from spacecloud.reasons.platform import SecretUnusable
from spacecloud.workloads.operations import CreateReplica

Values = Mapping[str, Mapping[str, str]]
"""Secret id to its values."""

MIB = 1024 * 1024
DEFAULT_MILLICORES = 250
MOST_PROCESSES = 4096
SANDBOX_PROCESSES = 16
LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
HARDENING = ["no-new-privileges"]
SYSCTLS = {
    # Of every interface that is yet to come, and those that are there by now the engine has turned
    # off. Not ``all``: the runtime sets these in no order, and it would undo the next one.
    "net.ipv6.conf.default.disable_ipv6": "1",
    # ``localhost`` is ::1 too, in the hosts file of every pod. Engines from 26 on do so themselves.
    "net.ipv6.conf.lo.disable_ipv6": "0",
    "net.ipv4.ip_unprivileged_port_start": "0",
}
"""Of a pod's network namespace."""

LONGEST_HOSTNAME = 63

_DROPPED = {"default": ["NET_RAW", "MKNOD"], "restricted": ["ALL"]}
"""Capabilities that tasks do not get."""


@dataclass(frozen=True, slots=True)
class PodDefaults:
    """What all replicas of an installation have in common."""

    instance: str
    restrict: Literal["default", "restricted"] = "default"


def resolv_conf(nameserver: str, project: str) -> str:
    """A name with two dots is tried as it is first: ``api.shop.svc…`` costs one question."""
    return (
        f"nameserver {nameserver}\n"
        f"search {project}.svc.cluster.local svc.cluster.local\n"
        "options ndots:2 timeout:2 attempts:3\n"
    )


def sandbox(pods: PodDefaults, op: CreateReplica, image: str, network: str, resolv: str) -> Json:
    """Holds the namespace: address, names. The engine starts it again, after a reboot too."""
    return {
        "Image": image,
        "Hostname": op.replica[:LONGEST_HOSTNAME].rstrip("-"),
        "Labels": labels.pod_labels(pods.instance, op),
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": network,
            "RestartPolicy": {"Name": "always"},
            "CapDrop": ["ALL"],
            "SecurityOpt": HARDENING,
            "ReadonlyRootfs": True,
            "PidsLimit": SANDBOX_PROCESSES,
            "LogConfig": LOGS,
            "Binds": [f"{resolv}:/etc/resolv.conf:ro"],
            "Sysctls": SYSCTLS,
        },
        "NetworkingConfig": {
            "EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": op.address}}}
        },
    }


def task(
    pods: PodDefaults, op: CreateReplica, spec: Task, sandbox_id: str, resolv: str, values: Values
) -> Json:
    resources = spec.resources
    memory = resources.memory * MIB
    config: Json = {
        "Image": op.images[spec.id],
        "Env": environment(spec, op.secrets, values),
        "Labels": labels.task_labels(pods.instance, op, spec),
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": f"container:{sandbox_id}",
            "RestartPolicy": {"Name": "no"},
            "Init": spec.docker.init,
            "CapDrop": _DROPPED[pods.restrict],
            "SecurityOpt": HARDENING,
            "PidsLimit": MOST_PROCESSES,
            "LogConfig": LOGS,
            "Binds": [f"{resolv}:/etc/resolv.conf:ro"],
            "Memory": memory,
            # As much as memory means no swap beyond it: the limit is hard.
            "MemorySwap": memory,
            "CpuShares": max(2, (resources.cpu or DEFAULT_MILLICORES) * 1024 // 1000),
            "NanoCpus": resources.cpu_limit * 1_000_000,
        },
    }
    if spec.docker.cmd:
        config["Cmd"] = list(spec.docker.cmd)
    if op.spec.termination_grace_period_seconds is not None:
        # For those who stop it by hand, and for the engine when it ends itself.
        config["StopTimeout"] = op.spec.termination_grace_period_seconds
    return config


def environment(spec: Task, secrets: tuple[SecretFacts, ...], values: Values) -> list[str]:
    """
    What is written in the task is stronger than what its secrets bring.

    ``Terminal`` for a secret of an earlier release, whose keys were not looked at.
    """
    types = {secret.id: secret.type for secret in secrets}
    merged: dict[str, str] = {}
    for id in spec.secrets:
        if types.get(id) == "env":
            if not all(map(is_variable, values[id])):
                raise Terminal(SecretUnusable(spec.id, id))
            merged |= values[id]
    merged |= spec.env
    return [f"{name}={value}" for name, value in merged.items()]


def files(spec: Task, secrets: tuple[SecretFacts, ...], values: Values) -> bytes | None:
    """A tar of the file secrets, from the root; None where there are none."""
    folders = {s.id: s.root_path for s in secrets if s.type == "file" and s.id in spec.secrets}
    if not folders:
        return None
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        # No folders: the engine makes those that are missing, and leaves the image's as they are.
        for id, folder in sorted(folders.items()):
            for name, content in sorted(values[id].items()):
                info = tarfile.TarInfo(f"{folder.strip('/')}/{name}".lstrip("/"))
                data = as_bytes(content)
                info.size, info.mode = len(data), 0o444
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
