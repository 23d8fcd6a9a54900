"""The end of what a task has said, for a message."""

from spacecloud.drivers.driver import Logs
from spacecloud.model.lines import message

LAST_LINES = 5
LONGEST_WORDS = 1024
"""In characters, of a task's last lines: a message holds more than them."""


async def last_output(logs: Logs, project: str, replica: str, task: str) -> str:
    """Empty: it said nothing."""
    lines = await logs.last_lines(project, replica, task, LAST_LINES)
    return message(" | ".join(line.strip() for line in lines if line.strip()), LONGEST_WORDS)
