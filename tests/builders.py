"""Values for tests, complete and small; give only what the test is about."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from spacecloud.drivers.docker.networking import Networking
from spacecloud.mesh.policy import Policy
from spacecloud.model.addresses import Addresses, Allocation, Pools
from spacecloud.model.declared import Declarations, DeclaredService, DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.revision import Revision, hash_of
from spacecloud.model.scale import may_sleep
from spacecloud.model.scaling import Scaling
from spacecloud.model.secret import SecretFacts
from spacecloud.model.service import Service
from spacecloud.model.traffic import Face
from spacecloud.reconcile.observe import depths_of, replicas_of
from spacecloud.workloads.decide import decide
from spacecloud.workloads.observed import History, Observed, ObservedWorkloads
from spacecloud.workloads.plan import Plan
from spacecloud.workloads.simulate import simulate
from spacecloud.workloads.situation import Declared, Desired, Leaving, Situation

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEB = ServiceKey("shop", "web")


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def a_networking(instance: str = "default", **given: Any) -> Networking:
    ports = {"http_port": 4122, "mesh_port": 15001, "dns_port": 15053}
    return Networking(**{"instance": instance, "pools": Pools(), **ports, **given})


def a_task(**given: Any) -> dict[str, Any]:
    return {
        "id": "main",
        "docker": {"image": "web:1"},
        "ports": [{"port": 8080, "protocol": "http"}],
        **given,
    }


def a_service(**given: Any) -> Service:
    """Confirmed as soon as it serves, unless a test is about that."""
    given.setdefault("tasks", [a_task()])
    given.setdefault("rollout", {"confirmSeconds": 0})
    return Service.model_validate(given)


def a_version(
    name: str = "v1",
    spec: Service | None = None,
    *,
    key: ServiceKey = WEB,
    generation: int = 1,
    order: int = 0,
    images: Mapping[str, str] | None = None,
) -> DeclaredVersion:
    """With ``images``: recorded and confirmed."""
    revision = a_revision(spec or a_service(), images) if images else None
    return DeclaredVersion(
        ref=ServiceRef(key.project, key.service, name),
        spec=spec or a_service(),
        generation=generation,
        order=order,
        revision=revision,
        resolved=generation if images else 0,
        confirmed=revision,
    )


def a_revision(spec: Service, images: Mapping[str, str], number: int = 1) -> Revision:
    document = spec.as_given()
    return Revision(number, hash_of(document, images, ()), document, images, (), 1, NOON)


def declared_service(*versions: DeclaredVersion, key: ServiceKey = WEB) -> DeclaredService:
    return DeclaredService(key, versions)


def allocation_of(service: DeclaredService) -> Allocation:
    vips = {v.ref.version: IPv4Address("10.184.2.1") + v.order for v in service.versions}
    return Allocation(IPv4Network("10.180.0.0/25"), IPv4Address("10.184.1.0"), vips)


def face_of(service: DeclaredService) -> Face:
    key, blocks = service.key, {service.key.project: (IPv4Network("10.180.0.0/21"),)}
    addresses = Addresses({key: allocation_of(service)}, blocks)
    return Policy(Declarations({key: service}, addresses)).face(key)


def desired(
    *versions: DeclaredVersion, secrets: Mapping[str, SecretFacts] | None = None
) -> Desired:
    service = declared_service(*versions)
    if not versions:
        return Leaving(WEB)
    wanted = replicas_of(versions)
    asleep = depths_of(versions)
    gates = tuple(sorted(v.ref.version for v in versions if may_sleep(v.spec)))
    face = replace(face_of(service), gates=gates)
    return Declared(service, face, allocation_of(service), secrets or {}, wanted, asleep)


def a_situation(
    *versions: DeclaredVersion,
    images: Mapping[str, str | None] | None = None,
    history: History | None = None,
) -> Situation:
    """Declared, and nothing of it exists yet but the image ``web:1``."""
    here = {"web:1": "sha256:aaaa", "sha256:aaaa": "sha256:aaaa"} if images is None else images
    observed = Observed(ObservedWorkloads(WEB, None), images=here)
    return Situation(desired(*versions), observed, history or History(), NOON)


def declaring(situation: Situation, *versions: DeclaredVersion) -> Situation:
    """The same world, with other versions declared; what was recorded of each stays."""
    recorded = (_as_recorded(situation, version) for version in versions)
    secrets = getattr(situation.desired, "secrets", None)
    return replace(situation, desired=desired(*recorded, secrets=secrets))


def _as_recorded(situation: Situation, version: DeclaredVersion) -> DeclaredVersion:
    before = situation.version(version.ref)
    if before is None or version.revision is not None:
        return version
    return replace(
        version,
        revision=before.revision,
        resolved=before.resolved,
        completed=before.completed,
        confirmed=before.confirmed,
        serving_since=before.serving_since,
        failure=before.failure if before.generation == version.generation else None,
        scaling=version.scaling or before.scaling,
    )


def scaled(situation: Situation, scaling: Scaling | None, *versions: str) -> Situation:
    """As it was decided meanwhile; of all versions where none is named."""
    service = situation.desired
    assert isinstance(service, Declared)
    changed = (
        replace(v, scaling=scaling) if not versions or v.ref.version in versions else v
        for v in service.versions
    )
    return replace(situation, desired=desired(*changed, secrets=service.secrets))


MOST_LOOKS = 64


def settled(situation: Situation) -> Situation:
    """After it was decided and done until nothing is left to decide."""
    for _ in range(MOST_LOOKS):
        decided = decide(situation)
        if not decided:
            return situation
        for step in decided.steps:
            situation = simulate(situation, step.op)
    raise AssertionError(f"never settles:\n{decide(situation)}")


def changed(
    situation: Situation,
    *,
    only: str = "",
    task: Mapping[str, Any] | None = None,
    replica: Mapping[str, Any] | None = None,
    workloads: Mapping[str, Any] | None = None,
) -> Situation:
    """With these fields of every task, of every replica (or of ``only`` one), of the workloads."""
    before = situation.observed.workloads
    replicas = tuple(
        replace(
            seen,
            **{"tasks": tuple(replace(t, **(task or {})) for t in seen.tasks), **(replica or {})},
        )
        if only in ("", seen.id)
        else seen
        for seen in before.replicas
    )
    after = replace(before, **{"replicas": replicas, **(workloads or {})})
    return replace(situation, observed=replace(situation.observed, workloads=after))


def shown(plan: Plan) -> str:
    """Its text, with r1, r2 … for the digests of revisions, in the order in which they come."""
    names: dict[str, str] = {}
    return re.sub(
        r"(?<=revision )[0-9a-f]{8,64}\b",
        lambda found: names.setdefault(found[0], f"r{len(names) + 1}"),
        str(plan),
    )
