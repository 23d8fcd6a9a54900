"""Programs of the system, run to their end."""

import asyncio

from spacecloud.errors import Transient
from spacecloud.model.lines import message
from spacecloud.reasons.platform import HostFailed

COMMAND_SECONDS = 20


async def run(*command: str, given: str | None = None) -> str:
    """What a program of the system prints. ``Transient`` with its own words when it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if given is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise Transient(HostFailed(f"run {command[0]}", str(error.strerror))) from error
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            output, errors = await process.communicate(
                given.encode() if given is not None else None
            )
    except TimeoutError as error:
        late = f"it did not end within {COMMAND_SECONDS} s"
        raise Transient(HostFailed(f"run {command[0]}", late)) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Transient(HostFailed(" ".join(command), message(errors.decode(errors="replace"))))
    return output.decode()
