"""Names of things, and the domains that follow from them."""

import re
from typing import Annotated, NamedTuple, Self

from pydantic import StringConstraints

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
VERSION = r"^[a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?$"

HOST_HEADER = r"^([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$|^$"
"""Of a request: a name or an address, with or without a port; empty for none."""

Id = Annotated[str, StringConstraints(pattern=DNS_LABEL)]
"""A project, service or task: a DNS label (lower-case letters, digits and ``-``, at most 63)."""

Version = Annotated[str, StringConstraints(pattern=VERSION)]
"""Like an id, and dots and underscores are allowed: ``1.4.2``."""

MESH_DOMAIN = "svc.cluster.local"
"""Every name in the mesh ends with it, on both drivers."""

VERSION_SUFFIX = "-internal"
"""What the first label of a version's domain ends with."""

PLATFORM_PROJECT = "space-cloud"
"""The project name that means the platform itself; users cannot take it."""


class ServiceKey(NamedTuple):
    """A service with all its versions: the unit of identity, network and reconciling."""

    project: str
    service: str

    def __str__(self) -> str:
        return f"{self.project}/{self.service}"

    @property
    def domain(self) -> str:
        return f"{self.service}.{self.project}.{MESH_DOMAIN}"

    @classmethod
    def parse(cls, text: str) -> Self:
        project, _, service = text.partition("/")
        return cls(project, service)


class ServiceRef(NamedTuple):
    """One version of a service: the unit that is declared and deployed."""

    project: str
    service: str
    version: str

    def __str__(self) -> str:
        return f"{self.project}/{self.service}@{self.version}"

    @property
    def key(self) -> ServiceKey:
        return ServiceKey(self.project, self.service)

    @property
    def label(self) -> str:
        """First label of the version's domain; dots and underscores become ``-``."""
        return f"{self.service}-{re.sub('[._]', '-', self.version)}{VERSION_SUFFIX}"

    @property
    def domain(self) -> str:
        return f"{self.label}.{self.project}.{MESH_DOMAIN}"


HOST = ServiceKey(PLATFORM_PROJECT, "host")
"""The ports of the host that projects may reach: their domain, their owner at the gateway."""

INGRESS = ServiceKey(PLATFORM_PROJECT, "ingress")
"""Owner of the public listener and of the routes to the API: no document changes either."""

INGRESS_TABLE = ServiceKey(PLATFORM_PROJECT, "ingress-table")
"""Owner of the ingress route table, which follows from documents."""

PLATFORM = ServiceKey(PLATFORM_PROJECT, "platform")
"""
Whom events of the machine itself are about: repaired rules, a gateway that came back. Its domain
is where a replica asks the platform for something: a lease.
"""


def replica_id(ref: ServiceRef, slot: int) -> str:
    """``web--v1--0``: unique in its project; the text before the first ``--`` is the service."""
    return f"{ref.service}--{ref.version}--{slot}"


def short_image(image: str) -> str:
    """The first 12 digits of an image id; anything else as it is."""
    digits = image.removeprefix("sha256:")
    return digits[:12] if digits != image else image
