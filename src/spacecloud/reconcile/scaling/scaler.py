"""What the API needs of whatever decides about replicas; a person's word goes before load's."""

from typing import Protocol

from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scaling import Depth
from spacecloud.model.scaling_view import WakeView
from spacecloud.report.scaling import Known


class Scaler(Protocol):
    def known(self, version: DeclaredVersion) -> Known:
        """What was decided about it, and what became of it. Asks nobody."""
        ...

    async def pin(self, version: DeclaredVersion, replicas: int) -> None:
        """So many until the next apply, whatever the load. Returns when it is written down."""
        ...

    async def put_to_sleep(self, version: DeclaredVersion, depth: Depth) -> None:
        """
        Until it is called; a number that was asked for is forgotten. Of a version that may sleep.
        Returns when it is written down.
        """
        ...

    async def wake(self, ref: ServiceRef) -> WakeView | None:
        """Returns when it takes calls; None: it was awake. Raises why it does not."""
        ...
