"""Look at the host's rules and put ours right, in both address families."""

import asyncio
import json

from spacecloud.drivers.docker import firewall_rules as rules
from spacecloud.errors import Transient
from spacecloud.settings import Settings

WAIT_SECONDS = "5"
"""For the lock that every user of iptables takes."""

COMMAND_SECONDS = 20


class Firewall:
    def __init__(self, settings: Settings) -> None:
        self._families = (
            ("iptables", rules.wanted(settings)),
            ("ip6tables", rules.wanted_v6(settings)),
        )
        self._pool = str(settings.vip_pool)

    async def ensure(self) -> tuple[str, ...]:
        """What had to be mended, a sentence each; a first start is none."""
        mended: list[str] = []
        for program, ruleset in self._families:
            found = rules.parse(await run(f"{program}-save"))
            wrong = rules.differences(ruleset, found)
            if not wrong:
                continue
            if not rules.is_absent(ruleset, found):
                mended += wrong
            text = rules.restore(ruleset, found)
            await run(f"{program}-restore", "--noflush", "--wait", WAIT_SECONDS, given=text)
        mended += await self._ensure_route()
        return tuple(mended)

    async def remove(self) -> None:
        for program, ruleset in self._families:
            text = rules.removal(ruleset, rules.parse(await run(f"{program}-save")))
            if text:
                await run(f"{program}-restore", "--noflush", "--wait", WAIT_SECONDS, given=text)
        if await self._has_route():
            await run("ip", "route", "del", "unreachable", self._pool)

    async def _ensure_route(self) -> list[str]:
        """UDP and ICMP to a virtual IP, and calls from the host, go nowhere, and at once."""
        if not await self._has_route():
            await run("ip", "route", "replace", "unreachable", self._pool)
        return []

    async def _has_route(self) -> bool:
        shown = await run("ip", "-json", "route", "show", "type", "unreachable", self._pool)
        return bool(json.loads(shown or "[]"))


async def run(*command: str, given: str | None = None) -> str:
    """What a program of the system prints. ``Transient`` with its own words when it fails."""
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE if given is not None else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, words = await process.communicate(given.encode() if given is not None else None)
    except TimeoutError as error:
        raise Transient(f"{command[0]} did not end within {COMMAND_SECONDS} s") from error
    except OSError as error:
        raise Transient(f"{command[0]} cannot be run: {error.strerror}") from error
    if process.returncode:
        raise Transient(f"{' '.join(command)}: {words.decode(errors='replace').strip()}")
    return output.decode()
