import json
from ipaddress import IPv4Network
from typing import Any

import pytest

from builders import a_networking
from spacecloud.drivers.docker.doctor.pool_conflicts import conflicts
from spacecloud.model.addresses import Pools

NETWORKING = a_networking(
    "here", pools=Pools(subnets=IPv4Network("10.180.0.0/14"), vips=IPv4Network("10.184.0.0/16"))
)


def routes(*destinations: str, **given: str) -> str:
    return json.dumps([{"dst": destination, **given} for destination in destinations])


def a_network(name: str, subnet: str, instance: str = "") -> dict[str, Any]:
    labels = {"space-cloud.io/instance": instance} if instance else None
    return {"Name": name, "Labels": labels, "IPAM": {"Config": [{"Subnet": subnet}]}}


def test_a_machine_that_goes_elsewhere_has_no_conflict() -> None:
    shown = routes("default", "192.168.1.0/24", "172.17.0.0/16", dev="eth0")

    assert conflicts(NETWORKING, [a_network("bridge", "172.17.0.0/16")], shown) == ()


@pytest.mark.parametrize(
    ("destination", "variable"),
    [
        ("10.180.0.0/14", "SPACE_CLOUD_SUBNET_POOL"),
        ("10.181.5.0/24", "SPACE_CLOUD_SUBNET_POOL"),
        ("10.183.255.255", "SPACE_CLOUD_SUBNET_POOL"),
        ("10.184.9.0/24", "SPACE_CLOUD_VIP_POOL"),
    ],
)
def test_a_route_inside_a_pool_is_named_with_its_fix(destination: str, variable: str) -> None:
    (problem,) = conflicts(NETWORKING, [], routes(destination, dev="tun0"))

    assert f"the route {destination} (by tun0)" in problem
    assert problem.endswith(f"choose another with {variable}")


def test_a_route_round_both_pools_is_said_of_both() -> None:
    assert len(conflicts(NETWORKING, [], routes("10.0.0.0/8", dev="tun0"))) == 2


def test_a_vpn_that_takes_everything_by_halves_is_a_default_route() -> None:
    assert conflicts(NETWORKING, [], routes("0.0.0.0/1", "128.0.0.0/1", dev="tun0")) == ()


def test_what_is_ours_is_no_conflict() -> None:
    ours = NETWORKING.interface_prefix + "0123"
    shown = [
        *json.loads(routes("10.180.0.0/25", dev=ours)),
        *json.loads(routes("10.180.0.1", dev=ours, type="local")),
        *json.loads(routes("10.184.0.0/16", type="unreachable")),
    ]
    own = a_network("space-cloud-here-shop--api", "10.180.0.0/25", instance="here")

    assert conflicts(NETWORKING, [own], json.dumps(shown)) == ()


def test_an_unreachable_route_of_another_size_is_not_ours() -> None:
    (problem,) = conflicts(NETWORKING, [], routes("10.184.0.0/17", type="unreachable"))

    assert "10.184.0.0/17" in problem


def test_another_instance_s_networks_are_named_by_the_engine_s_name() -> None:
    shown = routes("10.180.0.0/25", dev="scabc-0123")

    (problem,) = conflicts(NETWORKING, [a_network("theirs", "10.180.0.0/25", "there")], shown)

    assert "the Docker network theirs (10.180.0.0/25)" in problem
    assert "the route" not in problem


def test_many_conflicts_are_one_sentence() -> None:
    shown = routes(*(f"10.180.{n}.0/24" for n in range(200)), dev="eth1")

    (problem,) = conflicts(NETWORKING, [], shown)

    assert " and 197 more, which would be cut off" in problem
    assert len(problem) < 300


def test_pools_that_overlap_each_other_are_refused() -> None:
    overlapping = Pools(IPv4Network("10.180.0.0/14"), vips=IPv4Network("10.181.0.0/16"))

    (problem,) = conflicts(a_networking(pools=overlapping), [], "")

    assert "SPACE_CLOUD_SUBNET_POOL and SPACE_CLOUD_VIP_POOL" in problem


def test_networks_without_addresses_are_passed_over() -> None:
    networks: list[dict[str, Any]] = [
        {"Name": "host", "Labels": None, "IPAM": {"Config": None}},
        {"Name": "odd", "Labels": {}, "IPAM": {"Config": [{"Subnet": "fd00::/64"}, {}]}},
    ]

    assert conflicts(NETWORKING, networks, routes("fd00::/64", dev="eth0")) == ()


def test_another_instance_s_virtual_ips_are_seen_by_its_rules() -> None:
    other = a_networking("there").chain_prefix
    rules = ("-d 10.184.0.10/32 -p udp -m udp --dport 53", "-d 10.184.0.0/16 -p tcp")
    lines = [f"-A {other}-NAT {rule} -j REDIRECT --to-ports 15001" for rule in rules]
    saved = "\n".join(("*nat", ":PREROUTING ACCEPT [0:0]", *lines, "COMMIT"))
    own = saved.replace(other, NETWORKING.chain_prefix)

    (problem,) = conflicts(NETWORKING, [], "", saved)

    assert (
        f"the virtual IPs 10.184.0.0/16 of another instance (iptables chain {other}-NAT)" in problem
    )
    assert "SPACE_CLOUD_VIP_POOL" in problem
    assert conflicts(NETWORKING, [], "", own) == ()
