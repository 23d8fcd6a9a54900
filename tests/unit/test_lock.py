"""Who may ask for the holder of a lock, and what they are told who may not."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spacecloud import lock
from spacecloud.errors import Forbidden


@pytest.fixture
def closed_lock() -> Iterator[Path]:
    """Held, and in a folder that its owner alone enters: this process is not the owner."""
    me = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "serve.lock")
        held = lock.take(path)
        assert held is not None
        if me == 0:
            os.seteuid(65534)
        else:
            Path(folder).chmod(0)
        yield path
        os.seteuid(me)
        Path(folder).chmod(0o700)
        os.close(held)


def test_a_lock_that_may_not_be_opened_is_said_and_not_taken_for_free(closed_lock: Path) -> None:
    with pytest.raises(Forbidden, match=f"{closed_lock}.*sudo"):
        lock.holder(closed_lock)
