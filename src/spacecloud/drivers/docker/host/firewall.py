"""
Look at the host's rules and put ours right, in both address families.

Where the kernel numbers every change of them, rules that were right are printed again only when
there was one.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spacecloud.drivers.docker.host import firewall_rules as rules
from spacecloud.drivers.docker.host import kernel_rules
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.process import run
from spacecloud.errors import Transient

logger = logging.getLogger(__name__)

MOST_LOOKS, BETWEEN_LOOKS_SECONDS = 4, 0.1
"""While the engine may be moving its jump, which takes it some hundredths of a second."""

WAIT_SECONDS = "5"
"""For the lock that every user of iptables takes."""

IPV6 = Path("/proc/sys/net/ipv6")
"""Missing where the kernel does without."""

BRIDGE_FILTER = Path("/proc/sys/net/bridge")
"""There while the kernel shows bridged packets to iptables."""

Wanted = Callable[[Networking, rules.Found], rules.Ruleset]


NFTABLES = "(nf_tables)"
"""In what a program says of its version that writes its rules there."""

State = tuple[int, bool]
"""The number of the rules' last change, and whether the kernel filters bridged packets."""


@dataclass
class Family:
    """One of the two: its programs' name, what is wanted, and how that is printed here."""

    program: str
    wanted: Wanted
    written: rules.Ruleset | None = None
    """What was wanted when it was written last; None: not by this process."""

    printed: rules.Ruleset | None = None
    """The same in the words of this machine."""


class Firewall:
    def __init__(self, networking: Networking) -> None:
        self._networking = networking
        self._families = [Family("iptables", _wanted)]
        if IPV6.exists():
            self._families.append(Family("ip6tables", rules.wanted_v6))
        self._pool = str(networking.pools.vips)
        self._stood = False
        self._right: State | None = None
        """What there was when all rules were found right."""

        self._numbered: bool | None = None

    async def ensure(self) -> tuple[str, ...]:
        """What had to be mended, a sentence each; a first start is none."""
        mended: list[str] = []
        # Before the look: what comes after this moment is another state.
        state = await self._state()
        if state is None or state != self._right:
            for family in self._families:
                mended += await self._ensure_family(family)
            self._right = state
        mended += await self._ensure_route()
        self._stood = True
        return tuple(mended)

    async def look(self) -> tuple[str, ...]:
        """What is not as it should be; nothing is changed."""
        wrong: list[str] = []
        for family in self._families:
            found = await _settled(family)
            if rules.is_absent(family.wanted(self._networking, found), found):
                wrong.append(f"there are no {family.program} rules of ours")
                continue
            # Who looks once does not know how this machine prints what was written.
            wanted = rules.as_printed(family.wanted(self._networking, found), found)
            wrong += rules.differences(wanted, found)
        if self._route_protocol() != self._protocol:
            wrong.append(f"the route that closes {self._pool} is missing")
        return tuple(wrong)

    async def remove(self) -> None:
        for family in self._families:
            found = await _found(family)
            text = rules.removal(family.wanted(self._networking, found), found)
            if text:
                await _restore(family, text)
            family.written = family.printed = None
        if (protocol := self._route_protocol()) in (self._protocol, UNMARKED):
            await run("ip", "route", "del", "unreachable", self._pool, "proto", str(protocol))
        self._stood, self._right = False, None

    async def _state(self) -> State | None:
        """None where the kernel does not number what our programs write."""
        if self._numbered is None:
            versions = [await run(family.program, "--version") for family in self._families]
            self._numbered = all(NFTABLES in version for version in versions)
        return _state() if self._numbered else None

    async def _ensure_family(self, family: Family) -> tuple[str, ...]:
        found = await _settled(family)
        wanted = family.wanted(self._networking, found)
        expected = family.printed if family.written == wanted and family.printed else wanted
        wrong = rules.differences(expected, found)
        if not wrong:
            return ()
        await _restore(family, rules.restore(wanted, found))
        family.written = wanted
        family.printed = rules.as_printed(wanted, await _found(family))
        if family.printed != wanted:
            logger.debug("%s prints our rules in its own words", family.program)
        return wrong if self._stood or not rules.is_absent(wanted, found) else ()

    async def _ensure_route(self) -> tuple[str, ...]:
        """UDP and ICMP to a virtual IP, and calls from the host, go nowhere, and at once."""
        found = self._route_protocol()
        if found == self._protocol:
            return ()
        if found not in (None, UNMARKED):
            raise Transient(
                f"the pool {self._pool} is closed by a route of somebody else (protocol {found}): "
                "choose another with SPACE_CLOUD_VIP_POOL"
            )
        protocol = str(self._protocol)
        await run("ip", "route", "replace", "unreachable", self._pool, "proto", protocol)
        return (f"the route that closes {self._pool} was missing",) if self._stood else ()

    @property
    def _protocol(self) -> int:
        return self._networking.route_protocol

    def _route_protocol(self) -> int | None:
        """Who says that they made the route that closes our pool; None: there is none."""
        try:
            return kernel_rules.unreachable_route(self._networking.pools.vips)
        except OSError as error:
            raise Transient(f"the kernel's routes cannot be read: {error.strerror}") from error


UNMARKED = 3
"""What a route says that was made by hand: ``RTPROT_BOOT``."""


def _state() -> State | None:
    generation = kernel_rules.rules_generation()
    return None if generation is None else (generation, BRIDGE_FILTER.exists())


def _wanted(networking: Networking, found: rules.Found) -> rules.Ruleset:
    exempt = (rules.WITHIN_A_BRIDGE,) if BRIDGE_FILTER.exists() else ()
    return rules.wanted(networking, found, exempt)


async def _settled(family: Family) -> rules.Found:
    """What is found when the engine is not just moving its jump, as far as can be waited for."""
    found = await _found(family)
    for _ in range(MOST_LOOKS - 1):
        if not rules.jump_may_move(found):
            break
        await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
        found = await _found(family)
    return found


async def _found(family: Family) -> rules.Found:
    return rules.parse(await run(f"{family.program}-save"))


async def _restore(family: Family, text: str) -> None:
    command = f"{family.program}-restore"
    await run(command, "--noflush", "--wait", WAIT_SECONDS, given=text)
