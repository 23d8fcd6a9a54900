"""Gateway and resolver as the containers that the engine is asked for. Pure."""

import hashlib
import json

from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.run_directory import GATEWAY_UID, RESOLVER_UID, RunDirectory
from spacecloud.model.json import Json
from spacecloud.model.refs import MESH_DOMAIN

MOST_QUERIES = 1000
MOST_TCP_CONNECTIONS = 256
LOCAL_TTL_SECONDS = 5
LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def gateway(
    networking: Networking,
    run: RunDirectory,
    image: str,
    known_by: list[str],
    arguments: list[str],
    files: int,
) -> Json:
    """
    In the host's namespace, without a capability: it listens on high ports only.

    A gateway that was made with ``known_by`` is the one that is wanted, whatever a newer release
    adds in ``arguments``.
    """
    body = _part(networking, "gateway", image, known_by)
    body["User"] = f"{GATEWAY_UID}:{GATEWAY_UID}"
    body["HostConfig"]["Binds"] = [f"{run.path}:{run.path}:ro", f"{run.gateway}:{run.gateway}"]
    _hashed(body)
    body["Cmd"] = arguments
    # Not part of the hash: it depends on the shell that the control plane was started from.
    body["HostConfig"]["Ulimits"] = [{"Name": "nofile", "Soft": files, "Hard": files}]
    return body


def resolver(networking: Networking, run: RunDirectory, image: str, known_options: str) -> Json:
    """``known_options``: what the image's dnsmasq says that it understands."""
    names, upstreams = run.names, run.upstreams
    arguments = [*resolver_arguments(networking, run), *resolver_limits(known_options)]
    body = _part(networking, "resolver", image, arguments)
    body["User"] = f"{RESOLVER_UID}:{RESOLVER_UID}"
    body["HostConfig"]["Binds"] = [f"{names}:{names}:ro", f"{upstreams}:{upstreams}:ro"]
    return _hashed(body)


def resolver_arguments(networking: Networking, run: RunDirectory) -> list[str]:
    if networking.upstream_dns:
        servers = ["--no-resolv", *(f"--server={server}" for server in networking.upstream_dns)]
    else:
        servers = [f"--resolv-file={run.upstream_resolv_conf}"]
    return [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        "--user=",
        "--group=",
        "--pid-file=",
        f"--port={networking.dns_port}",
        # The rules close the port to others; these hold while there are no rules (at boot).
        f"--interface={networking.interface_prefix}*",
        "--except-interface=lo",
        "--no-hosts",
        f"--hostsdir={run.names}",
        f"--local=/{MESH_DOMAIN}/",
        "--local=/bind/",
        f"--local-ttl={LOCAL_TTL_SECONDS}",
        f"--dns-forward-max={MOST_QUERIES}",
        *servers,
    ]


def resolver_limits(known_options: str) -> list[str]:
    """
    Of the newer releases: nothing is told of the resolver itself (its upstreams, its cache), and
    its TCP connections are enough for many replicas at the limit that the rules set for each.
    """
    wanted = ("--no-ident", f"--max-tcp-connections={MOST_TCP_CONNECTIONS}")
    known = {word.partition("=")[0] for word in known_options.split()}
    return [option for option in wanted if option.partition("=")[0] in known]


def _part(networking: Networking, part: str, image: str, arguments: list[str]) -> Json:
    return {
        "Image": image,
        "Cmd": arguments,
        "Labels": {labels.INSTANCE: networking.instance, labels.PART: part},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "host",
            "RestartPolicy": {"Name": "always"},
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "LogConfig": LOGS,
        },
    }


def _hashed(body: Json) -> Json:
    text = json.dumps(body, sort_keys=True)
    body["Labels"][labels.CONFIG] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return body
