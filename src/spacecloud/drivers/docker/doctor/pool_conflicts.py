"""Do our address pools run into what this machine reaches already? Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.host.firewall_rules import Found, parse
from spacecloud.drivers.docker.networking import Networking

LIST_ROUTES = ("ip", "-4", "-json", "route", "show", "table", "all")
SUBNET_VARIABLE, VIP_VARIABLE = "SPACE_CLOUD_SUBNET_POOL", "SPACE_CLOUD_VIP_POOL"

MOST_NAMED = 3
SHORTEST_PREFIX = 8
"""Of a route that leads somewhere in particular; a VPN takes all by two halves of everything."""

_NOWHERE = ("local", "broadcast", "multicast", "anycast")
"""Kinds of routes that the kernel keeps for its own addresses."""


def conflicts(
    networking: Networking,
    networks: Sequence[Mapping[str, Any]],
    routes: str,
    saved_rules: str = "",
) -> tuple[str, ...]:
    """
    ``networks`` as the engine lists them, ``routes`` as ``ip -json`` prints them, and
    ``saved_rules`` as ``iptables-save`` does.
    """
    pools = ((SUBNET_VARIABLE, networking.pools.subnets), (VIP_VARIABLE, networking.pools.vips))
    # The engine knows its networks by a name, the kernel only by their bridge.
    theirs = {
        **_routes(networking, json.loads(routes or "[]")),
        **_networks(networking, networks),
        **_virtual(networking, parse(saved_rules)),
    }
    problems = [
        f"the pool {pool} overlaps {_some(met)}, which would be cut off: choose another with "
        f"{variable}"
        for variable, pool in pools
        if (met := [what for network, what in theirs.items() if network.overlaps(pool)])
    ]
    if networking.pools.subnets.overlaps(networking.pools.vips):
        problems.append(
            f"the pools {networking.pools.subnets} and {networking.pools.vips} overlap: choose "
            f"others with {SUBNET_VARIABLE} and {VIP_VARIABLE}"
        )
    return tuple(problems)


def _networks(
    networking: Networking, networks: Sequence[Mapping[str, Any]]
) -> dict[IPv4Network, str]:
    return {
        network: f"the Docker network {each.get('Name')} ({network})"
        for each in networks
        if (each.get("Labels") or {}).get(labels.INSTANCE) != networking.instance
        for config in (each.get("IPAM") or {}).get("Config") or []
        if (network := _network(str(config.get("Subnet", "")))) is not None
    }


def _routes(networking: Networking, routes: Iterable[Mapping[str, Any]]) -> dict[IPv4Network, str]:
    named: dict[IPv4Network, str] = {}
    for route in routes:
        network = _network(str(route.get("dst", "")))
        if network is None or _is_ours(networking, route, network):
            continue
        by = f" (by {route['dev']})" if "dev" in route else ""
        named[network] = f"the route {route['dst']}{by}"
    return named


def _virtual(networking: Networking, found: Found) -> dict[IPv4Network, str]:
    """Pools of virtual IPs of other instances, which are no networks and have no route of note."""
    chains = {
        chain: rules
        for chain, rules in found.get("nat", {}).items()
        if chain.startswith("SC-") and not chain.startswith(networking.chain_prefix)
    }
    return {
        network: f"the virtual IPs {network} of another instance (iptables chain {chain})"
        for chain, rules in chains.items()
        for rule in rules
        if (network := _network(_destination(rule))) is not None and network.prefixlen < 32
    }


def _destination(rule: str) -> str:
    _, _, rest = f" {rule}".partition(" -d ")
    return rest.partition(" ")[0]


def _is_ours(networking: Networking, route: Mapping[str, Any], network: IPv4Network) -> bool:
    """Or nobody's. The route that closes the pool of virtual IPs says by itself whose it is."""
    if route.get("type") in _NOWHERE:
        return True
    if str(route.get("dev", "")).startswith(networking.interface_prefix):
        return True
    return route.get("type") == "unreachable" and network == networking.pools.vips


def _some(met: Sequence[str]) -> str:
    more = f" and {len(met) - MOST_NAMED} more" if len(met) > MOST_NAMED else ""
    return ", ".join(met[:MOST_NAMED]) + more


def _network(text: str) -> IPv4Network | None:
    """None for what is no IPv4 network, or as good as everything: a default route."""
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        return None
    return network if network.prefixlen >= SHORTEST_PREFIX else None
