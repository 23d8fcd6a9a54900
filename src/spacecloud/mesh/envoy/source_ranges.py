"""Source ranges in Envoy's words: for requests as an RBAC rule, for connections as a matcher."""

import functools
from collections.abc import Iterable
from ipaddress import IPv4Network

from spacecloud.model.json import Json
from spacecloud.model.traffic import SourceRanges

ALLOWED = "allowed"
DENIED = "denied"
"""Filter chains of a TCP listener."""

RBAC_FILTER = "envoy.filters.http.rbac"


def rbac(ranges: SourceRanges) -> Json:
    """Per-route configuration: a change of policy is a change of routes and of nothing else."""
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
        "rbac": {
            "rules": {
                "action": "ALLOW",
                "policies": {
                    "callers": {
                        "permissions": [{"any": True}],
                        "principals": _principals(ranges),
                    }
                },
            }
        },
    }


def _principals(ranges: SourceRanges) -> list[Json]:
    principals = [_from(caller.subnet) for caller in ranges.named]
    blocks = [_from(block) for block in ranges.blocks]
    if blocks and ranges.except_:
        excepted = [_from(caller.subnet) for caller in ranges.except_]
        in_block: Json = {"or_ids": {"ids": blocks}}
        not_excepted: Json = {"not_id": {"or_ids": {"ids": excepted}}}
        return [*principals, {"and_ids": {"ids": [in_block, not_excepted]}}]
    # An empty list would be an invalid rule: nobody is everybody turned round.
    return [*principals, *blocks] or [{"not_id": {"any": True}}]


def _from(cidr: str) -> Json:
    return {"direct_remote_ip": cidr_range(cidr)}


def connection_matcher(ranges: SourceRanges) -> Json:
    """
    Picks the filter chain by the connection's source, by the table of ``SourceRanges``.

    It is no part of the chains, so changing it leaves every open connection alone.
    """
    lines = (
        _line(ALLOWED, [caller.subnet for caller in ranges.named]),
        _line(DENIED, [caller.subnet for caller in ranges.except_]),
        _line(ALLOWED, ranges.blocks),
    )
    matchers = [line for line in lines if line]
    nobody_else: Json = {"on_no_match": {"action": _chain(DENIED)}}
    return {"matcher_list": {"matchers": matchers}, **nobody_else} if matchers else nobody_else


def _line(chain: str, cidrs: Iterable[str]) -> Json | None:
    ranges = [cidr_range(cidr) for cidr in sorted(set(cidrs))]
    if not ranges:
        return None
    matcher = {
        "name": "addresses",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.matching.input_matchers.ip.v3.Ip",
            "cidr_ranges": ranges,
            "stat_prefix": "callers",
        },
    }
    return {
        "predicate": {"single_predicate": {"input": _SOURCE, "custom_match": matcher}},
        "on_match": {"action": _chain(chain)},
    }


_SOURCE: Json = {
    "name": "source",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput"
    },
}


def _chain(name: str) -> Json:
    return {
        "name": name,
        "typed_config": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": name,
        },
    }


@functools.lru_cache(maxsize=4096)
def cidr_range(cidr: str) -> Json:
    """One object for all who name the same range: a large mesh names each of them often."""
    network = IPv4Network(cidr)
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
