"""What the machine has for the gateway: descriptors and memory."""

import os
import resource

MOST_FILES = 1_048_576
SHARE_OF_MEMORY = 2
"""Of so many parts of the machine's memory the gateway may have one before it sheds load."""

STEP_BYTES = 256 << 20
"""The kernel keeps a little for itself, and not always as much: the gateway is not made anew."""


def most_files() -> int:
    """As many as the engine may give without asking for more than this machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)


def heap_bytes() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, memory // SHARE_OF_MEMORY // STEP_BYTES) * STEP_BYTES
