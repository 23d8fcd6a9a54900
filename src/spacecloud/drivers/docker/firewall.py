"""Look at the host's rules and put ours right, in both address families."""

import asyncio
import json
import logging
from pathlib import Path

from spacecloud.drivers.docker import firewall_rules as rules
from spacecloud.errors import Transient
from spacecloud.settings import Settings

WAIT_SECONDS = "5"
"""For the lock that every user of iptables takes."""

COMMAND_SECONDS = 20
BRIDGE_FILTER = Path("/proc/sys/net/bridge")
"""There while the kernel shows bridged packets to iptables."""

logger = logging.getLogger(__name__)


class Firewall:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = str(settings.vip_pool)
        self._printed: dict[rules.Ruleset, rules.Ruleset] = {}
        self._had_route = False

    async def ensure(self) -> tuple[str, ...]:
        """What had to be mended, a sentence each; a first start is none."""
        mended: list[str] = []
        for program, wanted in self._families():
            ruleset = self._printed.get(wanted, wanted)
            found = rules.parse(await run(f"{program}-save"))
            wrong = rules.differences(ruleset, found)
            if not wrong:
                continue
            if not rules.is_absent(ruleset, found):
                mended += wrong
            await _restore(program, rules.restore(ruleset, found))
            written = rules.parse(await run(f"{program}-save"))
            if rules.differences(ruleset, written):
                logger.debug("%s prints our rules in its own words", program)
                self._printed[wanted] = rules.as_printed(ruleset, written)
        mended += await self._ensure_route()
        return tuple(mended)

    async def remove(self) -> None:
        for program, ruleset in self._families():
            text = rules.removal(ruleset, rules.parse(await run(f"{program}-save")))
            if text:
                await _restore(program, text)
        if await self._has_route():
            await run("ip", "route", "del", "unreachable", self._pool)

    def _families(self) -> tuple[tuple[str, rules.Ruleset], ...]:
        exempt = (rules.BRIDGED,) if BRIDGE_FILTER.exists() else ()
        return (
            ("iptables", rules.wanted(self._settings, exempt)),
            ("ip6tables", rules.wanted_v6(self._settings)),
        )

    async def _ensure_route(self) -> list[str]:
        """UDP and ICMP to a virtual IP, and calls from the host, go nowhere, and at once."""
        said = []
        if not await self._has_route():
            await run("ip", "route", "replace", "unreachable", self._pool)
            if self._had_route:
                said.append(f"the route that closes {self._pool} was missing")
        self._had_route = True
        return said

    async def _has_route(self) -> bool:
        shown = await run("ip", "-json", "route", "show", "type", "unreachable", self._pool)
        return bool(json.loads(shown or "[]"))


async def _restore(program: str, text: str) -> None:
    await run(f"{program}-restore", "--noflush", "--wait", WAIT_SECONDS, given=text)


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
            output, words = await process.communicate(given.encode() if given is not None else None)
    except TimeoutError as error:
        raise Transient(f"{command[0]} did not end within {COMMAND_SECONDS} s") from error
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise Transient(f"{' '.join(command)}: {words.decode(errors='replace').strip()}")
    return output.decode()
