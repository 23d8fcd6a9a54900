"""
The rules of the host, wanted against found. Pure.

Ours are in chains of our own, entered from the engine's and the kernel's chains by jumps that
stand above every rule that is not a jump like them. Rules are written as ``iptables-save``
prints them, so that "is it so" is a comparison of lines; ``as_printed`` takes over the words
of a release that prints them otherwise.

| chain | entered from     | what it does                                                    |
|-------|------------------|-----------------------------------------------------------------|
| RAW   | raw PREROUTING   | drops what claims an address of another bridge, and spares what |
|       |                  | goes to virtual IPs or to the gateway the engine's raw rules    |
| NAT   | nat PREROUTING   | brings calls to virtual IPs to the gateway, DNS to the resolver |
| IN    | filter INPUT     | closes the host to the pods, and our inner ports to everybody   |
| FWD   | DOCKER-USER      | closes other services' networks and link-local addresses        |
| TO    | DOCKER-USER      | closes our networks: the gateway is the host, and not forwarded |
| V6    | INPUT, FORWARD   | nothing of ours speaks IPv6                                     |

Where the engine has no ``DOCKER-USER``, or that is not the first thing in FORWARD, they are entered
from FORWARD.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spacecloud.drivers.docker.networking import Networking

LINK_LOCAL = "169.254.0.0/16"
FORWARD, DOCKER_USER = "FORWARD", "DOCKER-USER"
LIKE_OURS = re.compile(r"(^| )-j SC-[0-9a-f]{6}-[A-Z0-9]+$")
"""How every instance's jumps look: the order among those is nobody's concern."""

DNS_CONNECTIONS = 16
"""Over TCP, of one replica at a time: each is a process of the resolver until it ends."""

WITHIN_A_BRIDGE = "-m physdev --physdev-is-bridged -j RETURN"
"""Bridged packets pass here too where the kernel is told so; they never leave their service."""


@dataclass(frozen=True, slots=True)
class Chain:
    table: str
    name: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    table: str
    origin: str
    rule: str
    """As printed, without ``-A origin``."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    prefix: str
    """What the name of every chain of ours starts with, those of earlier releases too."""

    chains: tuple[Chain, ...]
    jumps: tuple[Jump, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(chain.table for chain in self.chains))


Found = Mapping[str, Mapping[str, Sequence[str]]]
"""Table to chain to rules, without ``-A chain``."""


def wanted(
    networking: Networking, found: Found, exempt: tuple[str, ...] = (WITHIN_A_BRIDGE,)
) -> Ruleset:
    """
    For IPv4, on a host that has the chains that were found.

    ``exempt``: what passes the forwarding chains without being forwarded. Empty where the
    kernel shows them no bridged packets: that rule alone would make it, for every bridge.
    """
    name, prefix = networking.chain_prefix, f"{networking.interface_prefix}+"
    forward = _forwarding_chain(found)
    return Ruleset(
        name,
        chains=(
            Chain("raw", f"{name}-RAW", _first_of_all(networking)),
            Chain("nat", f"{name}-NAT", _redirects(networking)),
            Chain("filter", f"{name}-IN", _to_host(networking)),
            Chain("filter", f"{name}-FWD", (*_ANSWERS, *exempt, *_to_others(networking))),
            Chain("filter", f"{name}-TO", (*_ANSWERS, *exempt, *_REFUSED)),
        ),
        jumps=(
            Jump("raw", "PREROUTING", f"-i {prefix} -j {name}-RAW"),
            Jump("nat", "PREROUTING", f"-i {prefix} -j {name}-NAT"),
            Jump("filter", "INPUT", f"-j {name}-IN"),
            Jump("filter", forward, f"-o {prefix} -j {name}-TO"),
            Jump("filter", forward, f"-i {prefix} -j {name}-FWD"),
        ),
    )


def wanted_v6(networking: Networking, _found: Found) -> Ruleset:
    name, ours = f"{networking.chain_prefix}-V6", f"-i {networking.interface_prefix}+"
    return Ruleset(
        networking.chain_prefix,
        chains=(Chain("filter", name, ("-j DROP",)),),
        jumps=(
            Jump("filter", "INPUT", f"{ours} -j {name}"),
            Jump("filter", FORWARD, f"{ours} -j {name}"),
        ),
    )


def _forwarding_chain(found: Found) -> str:
    """
    The engine keeps ``DOCKER-USER`` first and never touches what is in it.

    Where something stands above that jump, or it is gone, what we put into it may never be
    reached: until the engine has put it right, ours go into FORWARD themselves.
    """
    chains = found.get("filter", {})
    others = (rule for rule in chains.get(FORWARD, ()) if not LIKE_OURS.search(rule))
    leads_there = next(others, "") == f"-j {DOCKER_USER}"
    return DOCKER_USER if DOCKER_USER in chains and leads_there else FORWARD


def jump_may_move(found: Found) -> bool:
    """
    Is there a ``DOCKER-USER`` to which ``FORWARD`` does not lead first?

    The engine takes its jump out and puts it back on top whenever it makes a network: it may have
    been looked at in between.
    """
    return DOCKER_USER in found.get("filter", {}) and _forwarding_chain(found) != DOCKER_USER


_ANSWERS = ("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",)
_REFUSED = (
    "-p tcp -j REJECT --reject-with tcp-reset",
    "-j REJECT --reject-with icmp-port-unreachable",
)
"""Refused and not dropped: the caller knows at once."""


def _first_of_all(networking: Networking) -> tuple[str, ...]:
    """
    From 28 on the engine has a rule here for each container, and every packet walks that list.

    It protects containers' own addresses, so a virtual IP or the host's end of a network of
    ours, where the gateway's answers go, is accepted before it. What goes to a pod is not.
    """
    pools = networking.pools
    return (
        "-m rpfilter --invert -j DROP",
        f"-d {pools.vips} -j ACCEPT",
        f"-d {networking.pools.subnets} -m addrtype --dst-type LOCAL -j ACCEPT",
    )


def _redirects(networking: Networking) -> tuple[str, ...]:
    pools = networking.pools
    return (
        f"-d {pools.dns_vip}/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports "
        f"{networking.dns_port}",
        f"-d {pools.dns_vip}/32 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports "
        f"{networking.dns_port}",
        f"-d {pools.vips} -p tcp -j REDIRECT --to-ports {networking.mesh_port}",
    )


def _to_host(networking: Networking) -> tuple[str, ...]:
    """
    From a pod: what was redirected, answers, the public port. From anywhere: no inner port.

    No replica takes all of the resolver's TCP connections from the others.
    """
    ours = f"-i {networking.interface_prefix}+"
    mesh, dns = networking.mesh_port, networking.dns_port
    return (
        f"{ours} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        f"{ours} -p tcp -m tcp --dport {dns} -m connlimit --connlimit-above {DNS_CONNECTIONS} "
        "--connlimit-mask 32 --connlimit-saddr -j REJECT --reject-with tcp-reset",
        f"{ours} -m conntrack --ctstate DNAT --ctorigdst {networking.pools.vips} -j ACCEPT",
        f"{ours} -p tcp -m tcp --dport {networking.http_port} -j ACCEPT",
        *(f"{ours} {rule}" for rule in _REFUSED),
        f"-p tcp -m tcp --dport {mesh} -j REJECT --reject-with tcp-reset",
        f"-p tcp -m tcp --dport {dns} -j REJECT --reject-with tcp-reset",
        f"-p udp -m udp --dport {dns} -j REJECT --reject-with icmp-port-unreachable",
    )


def _to_others(networking: Networking) -> tuple[str, ...]:
    closed = (str(networking.pools.subnets), LINK_LOCAL)
    return tuple(f"-d {network} {rule}" for network in closed for rule in _REFUSED)


def parse(saved: str) -> dict[str, dict[str, list[str]]]:
    """What ``iptables-save`` printed."""
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in saved.splitlines():
        match line.split():
            case [word, *_] if word.startswith("*"):
                chains = tables.setdefault(word[1:], {})
            case [word, *_] if word.startswith(":"):
                chains.setdefault(word[1:], [])
            case ["-A", chain, *_]:
                chains.setdefault(chain, []).append(line.split(" ", 2)[2])
    return tables


def differences(ruleset: Ruleset, found: Found) -> tuple[str, ...]:
    """What is not as it should be, a sentence each; empty when nothing has to be done."""
    problems = [
        f"the firewall chain {chain.name} was changed or missing"
        for chain in ruleset.chains
        if tuple(found.get(chain.table, {}).get(chain.name, ("?",))) != chain.rules
    ]
    for (table, origin), jumps in _jumps_by_origin(ruleset).items():
        if not _in_place(jumps, found.get(table, {}).get(origin, ())):
            problems.append(f"the jumps of {table} {origin} to our rules were missing or not first")
    problems += [
        f"a rule led to a chain of ours from where none should: {table} {origin} {rule}"
        for table, origin, rule in _strays(ruleset, found)
    ]
    return tuple(problems)


def is_absent(ruleset: Ruleset, found: Found) -> bool:
    """Nothing of it is there: a first start, not a repair."""
    return not any(c.name in found.get(c.table, {}) for c in ruleset.chains)


def as_printed(ruleset: Ruleset, found: Found) -> Ruleset:
    """
    The same rules in the words of this machine's ``iptables-save``, right after it took them.

    Another release may print a rule otherwise than it was written; that is not a difference.
    A chain that holds another number of rules is not what was written.
    """
    chains = []
    for chain in ruleset.chains:
        there = tuple(found.get(chain.table, {}).get(chain.name, ()))
        same_length = len(there) == len(chain.rules)
        chains.append(replace(chain, rules=there) if same_length else chain)
    return replace(ruleset, chains=tuple(chains))


def restore(ruleset: Ruleset, found: Found) -> str:
    """For ``iptables-restore --noflush``: each table changes at once or not at all."""
    lines: list[str] = []
    strays = _strays(ruleset, found)
    for table in ruleset.tables:
        chains = [chain for chain in ruleset.chains if chain.table == table]
        lines.append(f"*{table}")
        lines += [f":{chain.name} - [0:0]" for chain in chains]
        lines += [f"-A {chain.name} {rule}" for chain in chains for rule in chain.rules]
        for (its_table, origin), jumps in _jumps_by_origin(ruleset).items():
            if its_table == table:
                there = list(found.get(table, {}).get(origin, ()))
                for rule in jumps:
                    lines += [f"-D {origin} {rule}"] * there.count(rule)
                lines += [f"-I {origin} 1 {rule}" for rule in reversed(jumps)]
        lines += [f"-D {origin} {rule}" for its, origin, rule in strays if its == table]
        lines.append("COMMIT")
    return "\n".join([*lines, ""])


def removal(ruleset: Ruleset, found: Found) -> str:
    """Takes away what is there of it, and nothing else; empty when nothing is."""
    lines: list[str] = []
    for table, chains in found.items():
        names = [name for name in chains if _is_ours(name, ruleset)]
        if not names:
            continue
        lines.append(f"*{table}")
        lines += [
            f"-D {origin} {rule}"
            for origin, rules in chains.items()
            for rule in rules
            if origin not in names and _target(rule) in names
        ]
        lines += [f"-F {name}" for name in names]
        lines += [f"-X {name}" for name in names]
        lines.append("COMMIT")
    return "\n".join([*lines, ""]) if lines else ""


def _jumps_by_origin(ruleset: Ruleset) -> dict[tuple[str, str], list[str]]:
    origins: dict[tuple[str, str], list[str]] = {}
    for jump in ruleset.jumps:
        origins.setdefault((jump.table, jump.origin), []).append(jump.rule)
    return origins


def _in_place(jumps: Sequence[str], rules: Sequence[str]) -> bool:
    """Each once, in their order, with nothing above the last that is not a jump like ours."""
    present = [rule for rule in rules if rule in jumps]
    if present != list(jumps):
        return False
    above = rules[: list(rules).index(jumps[-1])]
    return all(LIKE_OURS.search(rule) for rule in above)


def _strays(ruleset: Ruleset, found: Found) -> list[tuple[str, str, str]]:
    """(table, origin, rule): jumps to chains of ours from where none is wanted."""
    wanted_jumps = {(jump.table, jump.origin, jump.rule) for jump in ruleset.jumps}
    return [
        (table, origin, rule)
        for table in ruleset.tables
        for origin, rules in found.get(table, {}).items()
        for rule in rules
        if not _is_ours(origin, ruleset)
        and _is_ours(_target(rule), ruleset)
        and (table, origin, rule) not in wanted_jumps
    ]


def _is_ours(chain: str, ruleset: Ruleset) -> bool:
    return chain.startswith(f"{ruleset.prefix}-")


def _target(rule: str) -> str:
    """The chain that a rule leads to; empty where it leads to none."""
    options = rule.split()
    for option, target in itertools.pairwise(options):
        if option in ("-j", "-g"):
            return target
    return ""
