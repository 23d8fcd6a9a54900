"""What a new replica is made of."""

from spacecloud.workloads.operations import CreateReplica
from spacecloud.workloads.rollout import VersionRollout
from spacecloud.workloads.situation import Situation


def creation(
    situation: Situation, rollout: VersionRollout, slot: int, address: str
) -> CreateReplica:
    """Of the wanted revision, which must be known."""
    version = rollout.version
    images = situation.images_of(version)
    assert rollout.revision is not None
    assert images is not None
    return CreateReplica(
        ref=version.ref,
        slot=slot,
        revision=rollout.revision,
        address=address,
        subnet=str(situation.subnet),
        spec=version.spec,
        images=images,
        secrets=situation.secrets_of(version),
    )
