"""
Somebody else on this machine: a program that gives up all rights once it is loaded.

So it does not matter who may read the interpreter and this working tree, as a clone below root's
home is nobody's to enter.
"""

import subprocess
import sys
from collections.abc import Mapping

NOBODY = 65534
SECONDS = 60

_DROP = f"""
import os
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
"""


def as_nobody(
    loaded: str, done: str, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``loaded`` runs as who runs the tests, ``done`` after it as nobody, without any group."""
    return subprocess.run(
        [sys.executable, "-c", f"{loaded}\n{_DROP}\n{done}", *arguments],
        env=env,
        text=True,
        capture_output=True,
        cwd="/",
        timeout=SECONDS,
    )
