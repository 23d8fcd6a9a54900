"""Programs of the system, run to their end."""

import asyncio

from spacecloud.errors import Transient

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
        raise Transient(f"{command[0]} cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            output, errors = await process.communicate(
                given.encode() if given is not None else None
            )
    except TimeoutError as error:
        raise Transient(f"{command[0]} did not end within {COMMAND_SECONDS} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Transient(f"{' '.join(command)}: {errors.decode(errors='replace').strip()}")
    return output.decode()
