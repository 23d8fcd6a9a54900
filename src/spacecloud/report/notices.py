"""What of a document is kept but not acted on, and what will surprise: said, never silent. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from spacecloud.model.other_configuration import ClusterConfig, Integration, LetsEncrypt
from spacecloud.model.project import Project
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.service import Service, declared_replicas, would_sleep


def notices_of(spec: Resource) -> tuple[str, ...]:
    match spec:
        case Service():
            return tuple(_service(spec))
        case Routes(routes=(_, *_)):
            return ("routes are kept; traffic is not split by them yet",)
        case Role():
            return ("roles are kept; they mean something on Kubernetes only",)
        case IngressRoute():
            return tuple(_ingress(spec))
        case IngressGlobal() if spec.headers or spec.res_headers:
            return ("global ingress headers are kept; they are not set yet",)
        case Project():
            return tuple(_project(spec))
        case ClusterConfig() | LetsEncrypt() | Integration():
            return ("this is kept and given back; nothing acts on it",)
        case _:
            return ()


def volumes_of(
    spec: Service, images: Mapping[str, str], volumes: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """
    What an image keeps in a VOLUME and its task loses. ``images``: task id to the image's id;
    ``volumes``: an image's id or reference to the folders.
    """
    for task in spec.tasks:
        folders = volumes.get(images.get(task.id, task.docker.image), ())
        if folders:
            is_one = len(folders) == 1
            yield (
                f"task {task.id}: its image declares {', '.join(folders)} as "
                f"{'a VOLUME' if is_one else 'VOLUMEs'}; what it writes there is gone whenever its "
                "replica is replaced, as by every update: keep data in a database outside"
            )


def _service(spec: Service) -> Iterable[str]:
    run = declared_replicas(spec)
    if would_sleep(spec):
        yield "minReplicas is 0: one replica runs all the same, as no request wakes a service yet"
    if spec.auto_scale is not None and spec.auto_scale.triggers:
        yield f"autoScale.triggers are kept; {_running(run)}, whatever the load"
    elif spec.scale is not None and spec.scale.max_replicas > run:
        yield f"scale: {_running(run)}, whatever the load"
    elif (
        spec.auto_scale is None
        and spec.scale is not None
        and 0 < spec.scale.max_replicas < spec.scale.min_replicas
    ):
        yield (f"scale: maxReplicas ({spec.scale.max_replicas}) is below minReplicas, so {run} run")
    if spec.affinity:
        yield "affinity is kept; one machine has nothing to choose between"
    if spec.stats_inclusion_prefixes:
        yield "statsInclusionPrefixes is kept; it means something to Istio only"
    for task in spec.tasks:
        if task.resources.gpu is not None:
            yield f"task {task.id}: resources.gpu is kept; this driver does not act on it"
        if task.probe is None and not task.ports and not task.is_job:
            yield f"task {task.id}: no port and no probe, so running counts as ready"


def _running(replicas: int) -> str:
    return "1 replica runs" if replicas == 1 else f"{replicas} replicas run"


def _ingress(spec: IngressRoute) -> Iterable[str]:
    """What depends on other documents too is said by ``ingress.table.warnings``."""
    if spec.source.port:
        yield "source.port is kept; routes answer on the public port"


def _project(spec: Project) -> Iterable[str]:
    if spec.docker_registry:
        yield "dockerRegistry is kept; images are named with their registry in each task"
