"""What of a document is kept but not acted on, and what will surprise: said, never silent. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from spacecloud.model.other_configuration import ClusterConfig, Integration, LetsEncrypt
from spacecloud.model.project import Project
from spacecloud.model.resource import Resource
from spacecloud.model.routing import IngressGlobal, IngressRoute, Role, Routes
from spacecloud.model.scale import SleepPolicy, UnusedTrigger, scale_policy
from spacecloud.model.service import Service
from spacecloud.model.task import Task
from spacecloud.model.trigger_metadata import READ
from spacecloud.reasons.notices import (
    FieldIgnored,
    MaximumBelowMinimum,
    NothingToProbe,
    Notice,
    ReplicasFixed,
    SleepNotSupported,
    VolumeNotKept,
)
from spacecloud.report.scaling import never_sleeps


def notices_of(spec: Resource) -> tuple[Notice, ...]:
    match spec:
        case Service():
            return tuple(_service(spec))
        case Routes(routes=(_, *_)):
            return (FieldIgnored("routes", "traffic is not split by it yet"),)
        case Role():
            return (FieldIgnored("the role", "it means something on Kubernetes only"),)
        case IngressRoute() if spec.source.port:
            # What depends on other documents too is said by ``ingress.table.warnings``.
            return (FieldIgnored("source.port", "routes answer on the public port"),)
        case IngressGlobal() if spec.headers or spec.res_headers:
            return (FieldIgnored("the global list of headers", "they are not set yet"),)
        case Project() if spec.docker_registry:
            named = "images are named with their registry in each task"
            return (FieldIgnored("dockerRegistry", named),)
        case ClusterConfig() | LetsEncrypt() | Integration():
            return (FieldIgnored("the document", "it is given back as it is"),)
        case _:
            return ()


def volumes_of(
    spec: Service, images: Mapping[str, str], volumes: Mapping[str, tuple[str, ...]]
) -> Iterator[VolumeNotKept]:
    """
    What an image keeps in a VOLUME and its task loses. ``images``: task id to the image's id;
    ``volumes``: an image's id or reference to the folders.
    """
    for task in spec.tasks:
        folders = volumes.get(images.get(task.id, task.docker.image), ())
        if folders:
            yield VolumeNotKept(task.id, folders)


def _service(spec: Service) -> Iterable[Notice]:
    yield from _scale(spec)
    yield from _sleep(spec)
    yield from _metadata(spec)
    if spec.affinity:
        yield FieldIgnored("affinity", "one machine has nothing to choose between")
    if spec.stats_inclusion_prefixes:
        yield FieldIgnored("statsInclusionPrefixes", "it means something to Istio only")
    for task in spec.tasks:
        yield from _task(task)


def _scale(spec: Service) -> Iterator[Notice]:
    policy, written = scale_policy(spec), spec.auto_scale
    if policy.minimum == 0 and policy.floor > 0 and policy.sleep is None:
        yield SleepNotSupported()
    if written is not None and written.triggers:
        if all(isinstance(trigger, UnusedTrigger) for trigger in policy.triggers):
            yield ReplicasFixed("autoScale.triggers", policy.initial)
    elif written is not None:
        if "max_replicas" in written.model_fields_set and written.max_replicas > policy.maximum:
            may_sleep = policy.sleep is not None
            yield ReplicasFixed("autoScale.maxReplicas", policy.initial, may_sleep)
    elif spec.scale is not None and 0 < spec.scale.max_replicas < spec.scale.min_replicas:
        yield MaximumBelowMinimum(spec.scale.max_replicas, policy.initial)


def _sleep(spec: Service) -> Iterator[FieldIgnored]:
    """Where it is written and never happens."""
    field = "autoScale.sleep" if spec.auto_scale is not None else "scale.sleep"
    scale, policy = spec.auto_scale or spec.scale, scale_policy(spec)
    if scale is None or scale.sleep is None:
        return
    why = never_sleeps(spec)
    if why is not None:
        yield FieldIgnored(field, f"it never sleeps: {why}")
    elif policy.sleep is not None and _is_never_frozen(policy.sleep):
        yield FieldIgnored(f"{field}.freezeAfter", "it is stopped before, and so never frozen")


def _is_never_frozen(sleep: SleepPolicy) -> bool:
    freeze, stop = sleep.freeze_after_seconds, sleep.stop_after_seconds
    return freeze is not None and stop is not None and stop <= freeze


def _metadata(spec: Service) -> Iterator[FieldIgnored]:
    triggers = spec.auto_scale.triggers if spec.auto_scale is not None else ()
    for n, trigger in enumerate(triggers):
        for name in trigger.metadata:
            if name not in READ.get(trigger.type, trigger.metadata):
                where = f"autoScale.triggers[{n}]"
                yield FieldIgnored(f"metadata.{name}", f"{trigger.type} does not read it", where)


def _task(task: Task) -> Iterable[Notice]:
    if task.resources.gpu is not None:
        yield FieldIgnored("resources.gpu", "this driver does not act on it", f"task {task.id}")
    if task.probe is None and not task.ports and not task.is_job:
        yield NothingToProbe(task.id)
