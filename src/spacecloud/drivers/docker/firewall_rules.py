"""
The rules of the host, wanted against found. Pure.

Ours are in chains of our own, entered from the engine's and the kernel's chains by jumps that
stand above every rule that is not a jump like them. Rules are written as ``iptables-save``
prints them, so that "is it so" is a comparison of lines; where a version prints them in other
words, ``as_printed`` takes those over.

| chain | entered from     | what it does                                                    |
|-------|------------------|-----------------------------------------------------------------|
| RAW   | raw PREROUTING   | drops what claims an address of another bridge                  |
| NAT   | nat PREROUTING   | brings calls to virtual IPs to the gateway, DNS to the resolver |
| IN    | filter INPUT     | closes the host to the pods, and our inner ports to everybody   |
| FWD   | DOCKER-USER      | closes other services' networks and link-local addresses        |
| TO    | DOCKER-USER      | closes our networks to everybody who is not on them             |
| V6    | INPUT, FORWARD   | nothing of ours speaks IPv6                                     |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spacecloud.settings import Settings

LINK_LOCAL = "169.254.0.0/16"
BRIDGED = "-m physdev --physdev-is-bridged -j RETURN"
"""Replicas of one service are on one bridge, and may talk."""

OURS = "-j SC-"
"""How every instance's jumps look: the order among those is nobody's concern."""


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

    @property
    def target(self) -> str:
        return self.rule[self.rule.index("-j ") :]


@dataclass(frozen=True, slots=True)
class Ruleset:
    chains: tuple[Chain, ...]
    jumps: tuple[Jump, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(chain.table for chain in self.chains))


Found = Mapping[str, Mapping[str, Sequence[str]]]
"""Table to chain to rules, without ``-A chain``."""


def wanted(settings: Settings, exempt: tuple[str, ...] = (BRIDGED,)) -> Ruleset:
    """
    For IPv4. ``exempt``: what in the FORWARD chains is not forwarded at all.

    That is empty where the kernel does not show bridged packets to these chains: the rule alone
    would make it start to, for every bridge of the machine.
    """
    name, ours = settings.chain_prefix, f"-i {settings.interface_prefix}+"
    return Ruleset(
        chains=(
            Chain("raw", f"{name}-RAW", ("-m rpfilter --invert -j DROP",)),
            Chain("nat", f"{name}-NAT", _redirects(settings)),
            Chain("filter", f"{name}-IN", _to_host(settings)),
            Chain("filter", f"{name}-FWD", (*_ANSWERS, *exempt, *_to_others(settings))),
            Chain("filter", f"{name}-TO", (*_ANSWERS, *exempt, *_REFUSED)),
        ),
        jumps=(
            Jump("raw", "PREROUTING", f"{ours} -j {name}-RAW"),
            Jump("nat", "PREROUTING", f"{ours} -j {name}-NAT"),
            Jump("filter", "INPUT", f"-j {name}-IN"),
            Jump("filter", "DOCKER-USER", f"-o {settings.interface_prefix}+ -j {name}-TO"),
            Jump("filter", "DOCKER-USER", f"{ours} -j {name}-FWD"),
        ),
    )


def wanted_v6(settings: Settings) -> Ruleset:
    name, ours = f"{settings.chain_prefix}-V6", f"-i {settings.interface_prefix}+"
    return Ruleset(
        chains=(Chain("filter", name, ("-j DROP",)),),
        jumps=(
            Jump("filter", "INPUT", f"{ours} -j {name}"),
            Jump("filter", "FORWARD", f"{ours} -j {name}"),
        ),
    )


_ANSWERS = ("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",)
_REFUSED = (
    "-p tcp -j REJECT --reject-with tcp-reset",
    "-j REJECT --reject-with icmp-port-unreachable",
)
"""Refused and not dropped: the caller knows at once."""


def _redirects(settings: Settings) -> tuple[str, ...]:
    pools = settings.pools
    return (
        f"-d {pools.dns_vip}/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports "
        f"{settings.dns_port}",
        f"-d {pools.dns_vip}/32 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports "
        f"{settings.dns_port}",
        f"-d {pools.vips} -p tcp -j REDIRECT --to-ports {settings.mesh_port}",
    )


def _to_host(settings: Settings) -> tuple[str, ...]:
    """From a pod: what was redirected, answers, the public port. From anywhere: no inner port."""
    ours = f"-i {settings.interface_prefix}+"
    mesh, dns = settings.mesh_port, settings.dns_port
    return (
        f"{ours} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        f"{ours} -m conntrack --ctstate DNAT --ctorigdst {settings.pools.vips} -j ACCEPT",
        f"{ours} -p tcp -m tcp --dport {settings.http_port} -j ACCEPT",
        *(f"{ours} {rule}" for rule in _REFUSED),
        f"-p tcp -m tcp --dport {mesh} -j REJECT --reject-with tcp-reset",
        f"-p tcp -m tcp --dport {dns} -j REJECT --reject-with tcp-reset",
        f"-p udp -m udp --dport {dns} -j REJECT --reject-with icmp-port-unreachable",
    )


def _to_others(settings: Settings) -> tuple[str, ...]:
    closed = (str(settings.subnet_pool), LINK_LOCAL)
    return tuple(f"-d {network} {rule}" for network in closed for rule in _REFUSED)


def parse(saved: str) -> dict[str, dict[str, list[str]]]:
    """What ``iptables-save`` printed."""
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in saved.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains.setdefault(line[1:].split()[0], [])
        elif line.startswith("-A "):
            # Some versions print two blanks where others print one.
            _, chain, *rule = line.split()
            chains.setdefault(chain, []).append(" ".join(rule))
    return tables


def differences(ruleset: Ruleset, found: Found) -> tuple[str, ...]:
    """What is not as it should be, a sentence each; empty when nothing has to be done."""
    said = [
        f"firewall chain {chain.name} was changed or missing"
        for chain in ruleset.chains
        if tuple(found.get(chain.table, {}).get(chain.name, ("?",))) != chain.rules
    ]
    said += [
        f"the jump from {jump.table} {jump.origin} was missing or not first"
        for jump in ruleset.jumps
        if not _in_place(jump, found.get(jump.table, {}).get(jump.origin, ()))
    ]
    return tuple(said)


def is_absent(ruleset: Ruleset, found: Found) -> bool:
    """Nothing of it is there: a first start, not a repair."""
    return not any(c.name in found.get(c.table, {}) for c in ruleset.chains)


def restore(ruleset: Ruleset, found: Found) -> str:
    """For ``iptables-restore --noflush``: each table changes at once or not at all."""
    lines: list[str] = []
    for table in ruleset.tables:
        lines.append(f"*{table}")
        chains = [chain for chain in ruleset.chains if chain.table == table]
        lines += [f":{chain.name} - [0:0]" for chain in chains]
        lines += [f"-A {chain.name} {rule}" for chain in chains for rule in chain.rules]
        for jump in ruleset.jumps:
            if jump.table == table:
                lines += [
                    f"-D {jump.origin} {rule}"
                    for rule in found.get(table, {}).get(jump.origin, ())
                    if rule.endswith(jump.target)
                ]
                lines.append(f"-I {jump.origin} 1 {jump.rule}")
        lines.append("COMMIT")
    return "\n".join([*lines, ""])


def as_printed(ruleset: Ruleset, found: Found) -> Ruleset:
    """The same rules in the words of this machine, found right after they were written."""
    chains, jumps = [], []
    for chain in ruleset.chains:
        rules = tuple(found.get(chain.table, {}).get(chain.name, ()))
        chains.append(replace(chain, rules=rules) if len(rules) == len(chain.rules) else chain)
    for jump in ruleset.jumps:
        there = found.get(jump.table, {}).get(jump.origin, ())
        rule = next((rule for rule in there if rule.endswith(jump.target)), jump.rule)
        jumps.append(replace(jump, rule=rule))
    return Ruleset(tuple(chains), tuple(jumps))


def removal(ruleset: Ruleset, found: Found) -> str:
    """Takes away what is there of it, and nothing else; empty when nothing is."""
    lines: list[str] = []
    for table in ruleset.tables:
        chains = found.get(table, {})
        names = [c.name for c in ruleset.chains if c.table == table and c.name in chains]
        if not names:
            continue
        lines.append(f"*{table}")
        for origin, rules in chains.items():
            lines += [
                f"-D {origin} {rule}"
                for rule in rules
                if any(rule.endswith(f"-j {name}") for name in names)
            ]
        lines += [f"-F {name}" for name in names]
        lines += [f"-X {name}" for name in names]
        lines.append("COMMIT")
    return "\n".join([*lines, ""]) if lines else ""


def _in_place(jump: Jump, rules: Sequence[str]) -> bool:
    if list(rules).count(jump.rule) != 1:
        return False
    above = rules[: list(rules).index(jump.rule)]
    return all(OURS in rule for rule in above)
