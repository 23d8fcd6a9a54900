"""What of a document is kept and not acted on, or will surprise its author."""

from dataclasses import dataclass

from spacecloud.reasons.base import BaseReason


@dataclass(frozen=True, slots=True)
class ProjectCreated(BaseReason):
    project: str

    code = "ProjectCreated"

    def __str__(self) -> str:
        return f"there was no project {self.project}: it was created"


@dataclass(frozen=True, slots=True)
class RoleWithoutService(BaseReason):
    """Files are applied in any order: it may come before its service."""

    service: str

    code = "RoleWithoutService"

    def __str__(self) -> str:
        return f"there is no service {self.service} yet: the role waits for it"


@dataclass(frozen=True, slots=True)
class FieldIgnored(BaseReason):
    field: str
    why: str
    where: str = ""
    """What of the document has it, where that is not the document as a whole."""

    code = "FieldIgnored"

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return f"{where}{self.field} is kept; {self.why}"


@dataclass(frozen=True, slots=True)
class ReplicasFixed(BaseReason):
    field: str
    replicas: int
    may_sleep: bool = False

    code = "ReplicasFixed"

    def __str__(self) -> str:
        running = "1 replica runs" if self.replicas == 1 else f"{self.replicas} replicas run"
        awake = " while it is awake" if self.may_sleep else ""
        return f"{self.field} is kept; {running}{awake}, whatever the load"


@dataclass(frozen=True, slots=True)
class SleepNotSupported(BaseReason):
    code = "SleepNotSupported"
    remedy = "set scale.maxReplicas to 0 where none is to run"

    def __str__(self) -> str:
        return "minReplicas is 0: one replica runs all the same, as it has no port to be called at"


@dataclass(frozen=True, slots=True)
class MaximumBelowMinimum(BaseReason):
    maximum: int
    replicas: int

    code = "MaximumBelowMinimum"

    def __str__(self) -> str:
        return f"scale: maxReplicas ({self.maximum}) is below minReplicas, so {self.replicas} run"


@dataclass(frozen=True, slots=True)
class NothingToProbe(BaseReason):
    task: str

    code = "NothingToProbe"

    def __str__(self) -> str:
        return f"task {self.task}: no port and no probe, so running counts as ready"


@dataclass(frozen=True, slots=True)
class VolumeNotKept(BaseReason):
    task: str
    folders: tuple[str, ...]

    code = "VolumeNotKept"
    remedy = "keep data in a database outside"

    def __str__(self) -> str:
        kind = "a VOLUME" if len(self.folders) == 1 else "VOLUMEs"
        return (
            f"task {self.task}: its image declares {', '.join(self.folders)} as {kind}; what it "
            "writes there is gone whenever its replica is replaced, as by every update"
        )


@dataclass(frozen=True, slots=True)
class HostPortClosed(BaseReason):
    """Of a project that an earlier release has accepted."""

    project: str
    ports: tuple[int, ...]

    code = "HostPortClosed"
    remedy = "take these ports out of the project's egress"

    def __str__(self) -> str:
        ports = ", ".join(map(str, self.ports))
        return (
            f"project {self.project}: egress to {ports} stays closed: the platform itself listens "
            "there"
        )


@dataclass(frozen=True, slots=True)
class UpstreamsUnited(BaseReason):
    """A call shows which service it comes from, and not which version of it."""

    service: str
    versions: tuple[str, ...]

    code = "UpstreamsUnited"
    remedy = "write the same in each version, or make them services of their own"

    def __str__(self) -> str:
        return (
            f"versions {', '.join(self.versions)} of {self.service} have different upstreams: a "
            "call does not tell its version, so each may call whom any of them names"
        )


@dataclass(frozen=True, slots=True)
class WhitelistsDiffer(BaseReason):
    service: str
    versions: tuple[str, ...]
    domain: str
    oldest: str

    code = "WhitelistsDiffer"

    def __str__(self) -> str:
        return (
            f"versions {', '.join(self.versions)} of {self.service} have different whitelists: "
            f"each holds at its version's own domain; {self.domain} leads to {self.oldest} (a port "
            "that it lacks to the next that has it), whose whitelists hold there"
        )


@dataclass(frozen=True, slots=True)
class PeerNotDeclared(BaseReason):
    service: str
    side: str
    peer: str

    code = "PeerNotDeclared"

    def __str__(self) -> str:
        return f"{self.side} of {self.service} name {self.peer}, which is not declared"


@dataclass(frozen=True, slots=True)
class PeerOneSided(BaseReason):
    """The other side of a call does not say yes."""

    service: str
    side: str
    peer: str

    code = "PeerOneSided"
    remedy = "a call needs both sides: name each in the other's, or take the name out"

    def __str__(self) -> str:
        named = f"{self.side} of {self.service} name {self.peer}, whose"
        if self.side == "upstreams":
            return f"{named} whitelists do not let {self.service} in"
        return f"{named} upstreams do not name {self.service}"


@dataclass(frozen=True, slots=True)
class RouteNotServed(BaseReason):
    route: str
    """``project/id``, as in all that follow."""

    why: str

    code = "RouteNotServed"
    remedy = "change the route and apply it again, or delete it"

    def __str__(self) -> str:
        return f"ingress route {self.route} is not served: {self.why}"


@dataclass(frozen=True, slots=True)
class RouteTargetMissing(BaseReason):
    route: str
    host: str

    code = "RouteTargetMissing"
    remedy = "apply the service that it leads to, or change its target"

    def __str__(self) -> str:
        return _unanswered(self.route, f"there is no service at {self.host}")


@dataclass(frozen=True, slots=True)
class RouteVersionMissing(BaseReason):
    route: str
    service: str
    version: str

    code = "RouteVersionMissing"
    remedy = "apply that version, or name another one in its target"

    def __str__(self) -> str:
        return _unanswered(self.route, f"{self.service} has no version {self.version}")


@dataclass(frozen=True, slots=True)
class RoutePortMissing(BaseReason):
    route: str
    service: str
    port: int
    offered: tuple[int, ...]

    code = "RoutePortMissing"
    remedy = "name a port in its target that the service declares"

    def __str__(self) -> str:
        offered = f": it has {', '.join(map(str, self.offered))}" if self.offered else ""
        return _unanswered(self.route, f"{self.service} has no port {self.port}{offered}")


@dataclass(frozen=True, slots=True)
class RoutePortNotHttp(BaseReason):
    route: str
    service: str
    port: int

    code = "RoutePortNotHttp"
    remedy = "declare the port with protocol: http, or name another one in its target"

    def __str__(self) -> str:
        speaks = f"port {self.port} of {self.service} speaks tcp: a route needs http"
        return _unanswered(self.route, speaks)


@dataclass(frozen=True, slots=True)
class RouteTargetOutside(BaseReason):
    route: str
    host: str

    code = "RouteTargetOutside"
    remedy = "write <service>.<project>.svc.cluster.local: outside targets are not supported"

    def __str__(self) -> str:
        return _unanswered(self.route, f"{self.host} is not a service's domain")


def _unanswered(route: str, why: str) -> str:
    return f"ingress route {route}: {why} (answered with 503)"


TargetNotice = (
    RouteTargetMissing
    | RouteVersionMissing
    | RoutePortMissing
    | RoutePortNotHttp
    | RouteTargetOutside
)
"""Why a route's target leads nowhere."""


@dataclass(frozen=True, slots=True)
class RouteRuleUnsupported(BaseReason):
    route: str
    rule: str

    code = "RouteRuleUnsupported"
    remedy = "write rule: {rule: allow} or {rule: deny}, or leave it out"

    def __str__(self) -> str:
        if not self.rule:
            return (
                f"the ingress route {self.route} has a security rule without rule: nobody is let in"
            )
        return (
            f"the ingress route {self.route} has the security rule {self.rule}, which is not "
            "supported yet: nobody is let in"
        )


@dataclass(frozen=True, slots=True)
class RouteWithoutHosts(BaseReason):
    route: str

    code = "RouteWithoutHosts"
    remedy = "write ['*'] for all hosts"

    def __str__(self) -> str:
        return (
            f"ingress route {self.route}: source.hosts is empty, so it matches nothing; write "
            "['*'] for all hosts"
        )


@dataclass(frozen=True, slots=True)
class RouteBehindApi(BaseReason):
    route: str
    url: str

    code = "RouteBehindApi"

    def __str__(self) -> str:
        return (
            f"ingress route {self.route}: callers on loopback reach the API at {self.url}, not "
            "this route"
        )


@dataclass(frozen=True, slots=True)
class EscapedSlashesNotKept(BaseReason):
    route: str
    denied: str
    url: str

    code = "EscapedSlashesNotKept"

    def __str__(self) -> str:
        return (
            f"ingress route {self.route}: escaped slashes are not kept: {self.denied} denies "
            f"{self.url}, which a path that is kept would get round"
        )


@dataclass(frozen=True, slots=True)
class RouteNeverReached(BaseReason):
    route: str
    earlier: str
    url: str

    code = "RouteNeverReached"
    remedy = "delete one of the two, or give them different hosts, methods or URLs"

    def __str__(self) -> str:
        return (
            f"ingress route {self.route} is never reached: {self.earlier} answers every request "
            f"for {self.url} before it"
        )


@dataclass(frozen=True, slots=True)
class TrialNotSkipped(BaseReason):
    code = "TrialNotSkipped"
    remedy = "nothing: a new revision of what sleeps is not started with it"

    def __str__(self) -> str:
        return "--no-verify changes nothing: it does not sleep, and its new revision is started"


Notice = (
    ProjectCreated
    | RoleWithoutService
    | FieldIgnored
    | ReplicasFixed
    | SleepNotSupported
    | MaximumBelowMinimum
    | NothingToProbe
    | VolumeNotKept
    | HostPortClosed
    | UpstreamsUnited
    | WhitelistsDiffer
    | PeerNotDeclared
    | PeerOneSided
    | RouteNotServed
    | TargetNotice
    | RouteRuleUnsupported
    | RouteWithoutHosts
    | RouteBehindApi
    | EscapedSlashesNotKept
    | RouteNeverReached
    | TrialNotSkipped
)
