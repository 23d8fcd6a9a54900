"""What the public port closed because of its limits: counted by the gateway, told by us."""


class RefusedConnections:
    def __init__(self) -> None:
        self.total = 0
        """Since this process started; what was counted before it is not."""

        self._counted: int | None = None

    def note(self, counted: int) -> int:
        """How many more than at the last look. A gateway that started anew counts from nothing."""
        before, self._counted = self._counted, counted
        if before is None:
            return 0
        more = counted - before if counted >= before else counted
        self.total += more
        return more
