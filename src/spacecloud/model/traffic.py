"""
What a proxy needs to know, in our words and not the proxy's.

A *face* is how one service looks from outside: its names, its entries (address and port
that callers dial), its versions' ports, and who may call. It changes with declarations.
*Endpoints* are the replicas behind it. They change with the world. Both are plain values:
equal worlds give equal faces, so "has it changed" is ``==``.
"""

from dataclasses import dataclass
from typing import Literal

from spacecloud.model.refs import ServiceKey
from spacecloud.model.task import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One ready replica. A draining one finishes what it has and gets nothing new."""

    version: str
    address: str
    draining: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Caller:
    name: str
    """``project/service``."""

    subnet: str
    """Its network in CIDR form: the identity that a caller cannot forge."""


@dataclass(frozen=True, slots=True)
class SourceRanges:
    """
    Where calls to a service may come from: the outcome of both sides, in addresses.

    | source address in                      | allowed |
    |----------------------------------------|---------|
    | the subnet of one of ``named``         | yes     |
    | the subnet of one of ``except_``       | no      |
    | a block                                | yes     |
    | anything else                          | no      |
    """

    named: tuple[Caller, ...] = ()
    """The service itself is always among them."""

    blocks: tuple[str, ...] = ()
    """CIDRs of projects that may call as a whole."""

    except_: tuple[Caller, ...] = ()
    """Inside a block, but their upstreams do not name this service."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """Where callers dial: one virtual IP and port, answered by one version."""

    vip: str
    port: int
    protocol: Protocol
    version: str
    of_service: bool = False
    """At the service's own virtual IP: another version may answer there later."""


@dataclass(frozen=True, slots=True, order=True)
class VersionPort:
    version: str
    """Empty: of the service's own domain, whichever version answers there."""

    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True, order=True)
class VersionSources:
    """Where calls to one version may come from, where another version says something else."""

    version: str
    sources: SourceRanges
    rule: str


@dataclass(frozen=True, slots=True)
class Face:
    key: ServiceKey
    entries: tuple[Entry, ...]
    """Sorted; of the service's domain and of each version's."""

    ports: tuple[VersionPort, ...]
    """
    Sorted; one upstream cluster each: every port of every version, and the TCP ports of the
    service's own domain.
    """

    sources: SourceRanges
    """Of every version that is not in ``of_versions``."""

    names: tuple[tuple[str, str], ...]
    """Sorted (domain, virtual IP)."""

    rule: str = ""
    """The whitelist in force in one line, for the answer that a refused caller reads."""

    of_versions: tuple[VersionSources, ...] = ()
    """Sorted; of all versions where their whitelists differ, else empty."""

    gates: tuple[str, ...] = ()
    """Sorted; versions that may sleep, and so have a gate at which calls wait for them."""

    def sources_at(self, entry: Entry) -> SourceRanges:
        """Those of the version that answers there."""
        own = self._own(entry.version)
        return own.sources if own is not None else self.sources

    def rule_at(self, entry: Entry) -> str:
        own = self._own(entry.version)
        return own.rule if own is not None else self.rule

    def _own(self, version: str) -> VersionSources | None:
        return next((own for own in self.of_versions if own.version == version), None)


@dataclass(frozen=True, slots=True)
class IngressTarget:
    key: ServiceKey
    version: str
    port: int
    weight: int


@dataclass(frozen=True, slots=True)
class HeaderEdit:
    name: str
    value: str
    op: Literal["set", "add", "del"]


ANY_HOST = "*"

EscapedSlashes = Literal["unescape", "keep"]
"""Of a path that a callee gets: canonical, or as it was sent."""


@dataclass(frozen=True, slots=True)
class IngressRule:
    """One line of the outside's table. Rules are in order: the first that matches wins."""

    id: str
    """``project/route id``."""

    hosts: tuple[str, ...]
    methods: tuple[str, ...]
    """Empty: any."""

    match: Literal["prefix", "exact"]
    url: str
    rewrite: str
    targets: tuple[IngressTarget, ...]
    """Empty: nothing answers (503), as for a target that does not exist."""

    refuse: str = ""
    """Not empty: answered with 403 and this sentence."""

    escaped_slashes: EscapedSlashes = "unescape"
    request_headers: tuple[HeaderEdit, ...] = ()
    response_headers: tuple[HeaderEdit, ...] = ()

    def is_for(self, host: str) -> bool:
        """Also of a host with a wildcard: is every name that it stands for one of the rule's?"""
        return any(
            written in (ANY_HOST, host) or (written.startswith("*.") and host.endswith(written[1:]))
            for written in self.hosts
        )


@dataclass(frozen=True, slots=True)
class IngressTable:
    rules: tuple[IngressRule, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class HostPortAccess:
    """A host port that some projects may reach: ``egress``."""

    port: int
    blocks: tuple[str, ...]
    """CIDRs of the projects that asked for it."""


@dataclass(frozen=True, slots=True)
class DeniedCall:
    """A call that policy refused, as the proxy reported it. One per attempt."""

    caller_address: str
    callee: ServiceKey
    port: int
    vip: str = ""
    """The address that was dialled: which of the callee's versions it was for."""
