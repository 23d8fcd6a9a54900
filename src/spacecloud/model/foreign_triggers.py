"""Triggers that a platform has not: such a document is refused, as nothing would scale. Pure."""

from collections.abc import Iterator

from spacecloud.errors import InvalidSpec, Mistake, shortened
from spacecloud.model.api import ClusterType
from spacecloud.model.service import Service
from spacecloud.model.validation.mistakes import mistake_at
from spacecloud.reasons.scaling import TriggerNotSupported

TRIGGERS = frozenset({"requests-per-second", "active-requests", "cpu", "memory", "cron"})
"""Of Docker. On Kubernetes KEDA has many more; where nothing runs any is kept."""

LONGEST_TYPE = 60


def check_triggers(service: Service, cluster_type: ClusterType) -> None:
    """Raises ``InvalidSpec`` with each trigger that the platform has not."""
    wrong = tuple(_foreign(service)) if cluster_type == "docker" else ()
    if wrong:
        raise InvalidSpec("; ".join(str(mistake) for mistake in wrong), wrong)


def _foreign(service: Service) -> Iterator[Mistake]:
    triggers = service.auto_scale.triggers if service.auto_scale is not None else ()
    for n, trigger in enumerate(triggers):
        if trigger.type not in TRIGGERS:
            reason = TriggerNotSupported(shortened(trigger.type, LONGEST_TYPE), "Docker")
            place = ("spec", "autoScale", "triggers", n, "type")
            yield mistake_at(place, f"{reason}; {reason.fix}")
