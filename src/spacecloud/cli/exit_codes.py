"""Ends of a command that are no errors of the tree, each with its exit code."""

FAILED = 1
SUPERSEDED = 7
TIMED_OUT = 8
INTERRUPTED = 130


class CommandEnd(Exception):
    """Everything there is to say has been said."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"exit code {exit_code}")
        self.exit_code = exit_code
