"""
The ports: what the control plane needs from a place that can run replicas.

| port      | Docker                              | Kubernetes             | memory |
|-----------|-------------------------------------|------------------------|--------|
| Workloads | containers and networks on the engine | Deployments          | dicts  |
| Images    | the engine's, and pulls             | the kubelet's matter   | dicts  |
| Resources | cgroups, read directly              | the metrics server     | dicts  |
| Logs      | the engine's log of a container     | the API server's       | dicts  |
| Traffic   | Envoy, fed by xDS                   | Istio's resources      | dicts  |
| Edge      | Envoy, fed by xDS                   | Istio's resources      | dicts  |
| Meter     | Envoy's load reports, open sockets  | Istio's metrics        | dicts  |
| Refusals  | Envoy's access log and counters     | Istio's access log     | dicts  |
| Gate      | a listener of Envoy that asks       | to be seen             | calls of a test |
| Names     | resolver files                      | Services               | dicts  |
| Host      | rules, gateway, resolver            | nothing                | nothing|

Coroutines raise ``Transient`` or ``Terminal`` and nothing else.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spacecloud.model.api import ClusterType
from spacecloud.model.gate_calls import CallRefused, HeldCall, Passed, WaitingCalls
from spacecloud.model.load import InFlightReport, LoadReport, MachineMemory, OpenConnection, Usage
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.status import HostState, PullView
from spacecloud.model.traffic import DeniedCall, Endpoint, Face, HostPortAccess, IngressTable
from spacecloud.model.wake import Resumed
from spacecloud.workloads.observed import ObservedPull, ObservedWorkloads, Published
from spacecloud.workloads.operations import WorkloadOp

WOKEN_SECONDS = 5.0
"""
For so long after a wake nothing of the version is laid down: meanwhile the store is told, and two
reports of what is in flight come that are younger than the wake.
"""


@dataclass(frozen=True, slots=True)
class LogRequest:
    project: str
    replica: str
    """Replica id."""

    task: str
    """Task id; empty: the first task of the replica."""

    follow: bool = False
    tail: int | None = None
    """Last lines; None for all."""

    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """Something may have changed. ``key`` None: look at everything."""

    key: ServiceKey | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a doctor has looked at, as those of all drivers tell it."""

    what: str
    message: str
    """What was found; where it is wrong, with the fix."""

    ok: bool


class Workloads(Protocol):
    async def observe(self, key: ServiceKey) -> ObservedWorkloads:
        """
        The service as it is, ours by label. Tasks that run are asked by their probe from then on,
        and ``unknown`` until there is a verdict: nobody waits for one here.
        """
        ...

    async def observe_all(self) -> Mapping[ServiceKey, ObservedWorkloads]:
        """Every service that has anything of ours, declared or not; one listing for all."""
        ...

    async def execute(self, op: WorkloadOp) -> None:
        """
        Carry out one operation. Repeating one that already happened is not an error.

        A pull is only begun: its end is a hint, and seen in ``Images.pulls``.
        """
        ...

    async def wake(self, ref: ServiceRef) -> Resumed:
        """
        Let the replica that is kept of a version run again; returns when it takes requests, and
        what that took.

        Straight to the engine, with what the last look knew, and behind nobody: no pull, no probe,
        no listing, no other operation. What it has woken is not laid down again by a decision that
        is older, nor for ``WOKEN_SECONDS``: that is ``Transient``.

        ``NotFound`` where nothing is kept that could be woken: the reconciler has to make it.
        ``Transient`` or ``Terminal`` with the reason where it does not get ready.
        """
        ...

    def hints(self) -> AsyncIterator[Hint]:
        """
        Engine events and changes of health, from this call on. That what an operation has started
        runs may be left out: its end says as much.
        """
        ...


class Images(Protocol):
    async def images(self, references: Iterable[str]) -> Mapping[str, str | None]:
        """Image reference to the local image's id, None where it is not here."""
        ...

    def volumes(self) -> Mapping[str, tuple[str, ...]]:
        """Of the images that ``images`` found: reference or id to the folders of its VOLUMEs."""
        ...

    def pulls(self, key: ServiceKey) -> tuple[ObservedPull, ...]:
        """The service's pulls that run, and how the last ones ended."""
        ...

    def progress(self) -> Mapping[str, PullView]:
        """How far the images are that are on their way now, by reference."""
        ...


class Resources(Protocol):
    """What replicas use of the machine, and what it has."""

    async def usage(self, key: ServiceKey) -> Mapping[str, Usage]:
        """
        By id of the replica, of those that ran at the last ``observe`` and still do. It is read
        from the machine itself, in less than a millisecond each: the engine is not asked.
        """
        ...

    def machine_memory(self) -> MachineMemory:
        """Without a wait; all 0 where nobody says."""
        ...


class Logs(Protocol):
    def lines(self, request: LogRequest) -> AsyncIterator[bytes]:
        """Whole lines, each ending in a newline. Raises ``NotFound`` for an unknown replica."""
        ...

    async def last_lines(self, project: str, replica: str, task: str, count: int) -> list[str]:
        """The end of what a task's last run said, for an error message; empty: it said nothing."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayView:
    """What the gateway holds of a service."""

    published: Published | None
    """What was last acknowledged; None when this process does not know."""

    is_held: bool
    """Does it hold anything, from this or an earlier process?"""

    policy: Face | None = None
    """Whose policy was last acknowledged by itself; None once all of it was."""


class Traffic(Protocol):
    async def publish(
        self, face: Face, endpoints: tuple[Endpoint, ...], gated: tuple[str, ...] = ()
    ) -> None:
        """
        Make the gateway treat the service like this; returns when it has acknowledged.

        New calls of the ``gated`` versions pass the gate, and reach a replica from there.

        ``Terminal`` in the gateway's own words when it refuses, ``Transient`` when it does not
        answer in time.
        """
        ...

    async def publish_policy(self, face: Face) -> None:
        """
        Of what the gateway holds of the service, change who may call, and nothing else.

        Returns and raises as ``publish`` does. A new process tells the policy in force so, before
        it knows which replicas may serve.
        """
        ...

    async def withdraw(self, key: ServiceKey) -> None: ...

    def view(self, key: ServiceKey) -> GatewayView: ...

    def known(self) -> frozenset[ServiceKey]:
        """Every service of which the gateway holds anything."""
        ...


class Edge(Protocol):
    """What is no call between services: the outside to a service, a service to host or platform."""

    async def publish_ingress(self, table: IngressTable) -> Mapping[str, str]:
        """
        Serve the rules; returns when the gateway has acknowledged. The API is served first.

        A rule that the gateway refuses is left out and holds up no other: the id of each, with
        the gateway's words.
        """
        ...

    async def publish_host_ports(self, host_ports: tuple[HostPortAccess, ...]) -> None: ...

    async def publish_leases(self) -> None:
        """Let replicas take leases, at the platform's own domain. No document changes it."""
        ...


class Meter(Protocol):
    """What there is to do: requests and connections, as the gateway and the machine count them."""

    def load_reports(self) -> AsyncIterator[LoadReport]:
        """
        What each replica has had to do, about once a second from this call on.

        Of a gateway that an earlier release made, or that is away, there are none.
        """
        ...

    async def in_flight(self) -> tuple[InFlightReport, ...]:
        """
        What has been told lately of what is in flight, oldest first; at each call the same until
        there is more. While something drains that is several times in the time between two looks.
        """
        ...

    async def connections(self) -> Mapping[OpenConnection, int]:
        """
        How many are open between services now, those that wait for their next request as well.

        Asked of the machine when it is called, and of nobody otherwise. What comes from outside
        is not in it.
        """
        ...


class Refusals(Protocol):
    """What the gateway lets through to nobody."""

    async def refused_connections(self) -> int:
        """
        Connections that the public port closed because of its limits, since the gateway started.
        """
        ...

    def denied_calls(self) -> AsyncIterator[DeniedCall]: ...


class Gate(Protocol):
    """
    Where calls to a gated version wait for it.

    How many may wait, and for how long, is the gate's own matter (``model/gate_limits``).
    """

    def serve_calls(
        self,
        answer: Callable[[HeldCall], Awaitable[Passed | CallRefused]],
        refused: Callable[[ServiceRef], None] | None = None,
    ) -> None:
        """
        Ask this about each call from now on: it waits until the answer is there.

        It is cancelled when the client hangs up, and when the call has waited for as long as one
        may. Until there is somebody to ask, calls are refused. ``refused`` hears of the version of
        each that is refused because too many wait, of it or of others.

        A TCP connection waits in the gateway: what is answered for it is counted and no more.
        """
        ...

    def held(self) -> Mapping[ServiceRef, WaitingCalls]:
        """Those that wait now; a version for which none waits is not named."""
        ...

    def waiting(self, ref: ServiceRef) -> int:
        """How many wait for this version now, at a cost that does not grow with their number."""
        ...


class Revocation(Protocol):
    """
    Of a driver whose gateway asks policy only when a connection begins.

    Driven by what is declared and not by what was published: a callee that cannot be reconciled
    now, because its image is pulled or its engine is slow, loses revoked callers all the same.
    """

    async def close_revoked(self, allowed: Mapping[ServiceKey, Face]) -> int:
        """Close every live connection that policy no longer allows; how many there were."""
        ...


class Names(Protocol):
    async def publish(self, key: ServiceKey, names: tuple[tuple[str, str], ...]) -> None: ...

    async def published(self) -> Mapping[ServiceKey, tuple[tuple[str, str], ...]]: ...


class Host(Protocol):
    async def ensure(self) -> HostState:
        """Observe and mend rules, gateway and resolver. Cheap when nothing is wrong."""
        ...

    async def remove(self) -> None:
        """Take away every container, network, rule and route of this instance."""
        ...


@dataclass(frozen=True, slots=True)
class Driver:
    workloads: Workloads
    images: Images
    resources: Resources
    logs: Logs
    traffic: Traffic
    edge: Edge
    meter: Meter
    refusals: Refusals
    names: Names
    host: Host
    gate: Gate
    revocation: Revocation | None = None
    """None where policy is asked all the time, as a sidecar does."""

    cluster_type: ClusterType = "none"
    own_ports: frozenset[int] = frozenset()
    """Of the host, where the platform itself listens: no project is let in there."""
