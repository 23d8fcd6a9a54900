"""How deep replicas sleep, as it was seen."""

from collections.abc import Iterable

from spacecloud.model.scaling import Depth
from spacecloud.workloads.observed import ObservedReplica
from spacecloud.workloads.situation import in_service


def depth_of(replica: ObservedReplica) -> Depth | None:
    """None: something of it runs."""
    if replica.is_frozen:
        return "frozen"
    runs = replica.sandbox == "running" and any(t.state == "running" for t in replica.tasks)
    return None if runs else "stopped"


def depth_of_all(replicas: Iterable[ObservedReplica]) -> Depth | None:
    """Of a version that is to sleep; None: it still takes requests, or is on its way."""
    replicas = tuple(replicas)
    depths = {depth_of(replica) for replica in replicas}
    if any(in_service(replica) for replica in replicas) or depths == {None}:
        return None
    return "frozen" if "frozen" in depths else "stopped"
