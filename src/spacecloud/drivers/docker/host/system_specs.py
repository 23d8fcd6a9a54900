"""Gateway and resolver as the containers that the engine is asked for. Pure."""

import hashlib
import json
from pathlib import Path

from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.gateway import bootstrap
from spacecloud.drivers.docker.host.dns import names_dir
from spacecloud.drivers.docker.images.platform_images import GATEWAY_UID
from spacecloud.model.json import Json
from spacecloud.model.refs import MESH_DOMAIN
from spacecloud.settings import Settings

PART = labels.PREFIX + "part"
CONFIG = labels.PREFIX + "config"
"""Hash of what a part was made from: another one means that it is made anew."""

NOBODY = "65534:65534"
MOST_QUERIES = 1000
MOST_TCP_CONNECTIONS = 256
LOCAL_TTL_SECONDS = 5
LOGS = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}


def name(settings: Settings, part: str) -> str:
    return f"{labels.scope(settings.instance)}-{part}"


def upstreams_dir(settings: Settings) -> Path:
    """A copy of the host's resolv.conf: the resolver follows its changes."""
    return settings.run_dir / "upstreams"


def gateway(settings: Settings, image: str, files: int) -> Json:
    """In the host's namespace, without a capability: it listens on high ports only."""
    run_dir, sockets = settings.run_dir, bootstrap.gateway_dir(settings)
    body = _part(settings, "gateway", image, bootstrap.arguments(settings))
    body["User"] = f"{GATEWAY_UID}:{GATEWAY_UID}"
    body["HostConfig"]["Binds"] = [f"{run_dir}:{run_dir}:ro", f"{sockets}:{sockets}"]
    _hashed(body)
    # Not part of the hash: it depends on the shell that the control plane was started from.
    body["HostConfig"]["Ulimits"] = [{"Name": "nofile", "Soft": files, "Hard": files}]
    return body


def resolver(settings: Settings, image: str, known_options: str) -> Json:
    """``known_options``: what the image's dnsmasq says that it understands."""
    names, upstreams = names_dir(settings), upstreams_dir(settings)
    arguments = [*resolver_arguments(settings), *resolver_limits(known_options)]
    body = _part(settings, "resolver", image, arguments)
    body["User"] = NOBODY
    body["HostConfig"]["Binds"] = [f"{names}:{names}:ro", f"{upstreams}:{upstreams}:ro"]
    return _hashed(body)


def resolver_arguments(settings: Settings) -> list[str]:
    if settings.upstream_dns:
        servers = ["--no-resolv", *(f"--server={server}" for server in settings.upstream_dns)]
    else:
        servers = [f"--resolv-file={upstreams_dir(settings)}/resolv.conf"]
    return [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--log-facility=-",
        "--user=",
        "--group=",
        "--pid-file=",
        f"--port={settings.dns_port}",
        # The rules close the port to others; these hold while there are no rules (at boot).
        f"--interface={settings.interface_prefix}*",
        "--except-interface=lo",
        "--no-hosts",
        f"--hostsdir={names_dir(settings)}",
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


def _part(settings: Settings, part: str, image: str, arguments: list[str]) -> Json:
    return {
        "Image": image,
        "Cmd": arguments,
        "Labels": {labels.INSTANCE: settings.instance, PART: part},
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
    body["Labels"][CONFIG] = hashlib.sha256(text.encode()).hexdigest()[:12]
    return body
