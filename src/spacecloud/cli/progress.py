"""A word on a terminal about anything that takes longer than a second."""

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

AFTER_SECONDS = 1.0
CLEAR_LINE = "\r\x1b[K"


@contextmanager
def progress(doing: str) -> Generator[None]:
    """Said on stderr, where a person reads it, and taken away when it is over."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()

    def say() -> None:
        if not over.wait(AFTER_SECONDS):
            sys.stderr.write(f"{doing} …")
            sys.stderr.flush()
            over.wait()
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()

    # A daemon, so that Ctrl-C ends the command at once.
    speaker = threading.Thread(target=say, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        over.set()
        speaker.join()
