from typing import Any

from hypothesis import given, settings

from mesh_strategies import worlds
from mesh_world import a_spec, a_world, peers
from spacecloud.mesh.addressing import Addressing
from spacecloud.mesh.authorization import Authorization
from spacecloud.mesh.explain import callees, callers, warnings, why_refused
from spacecloud.model.declared import Declarations
from spacecloud.model.refs import ServiceKey
from spacecloud.reasons.notices import UpstreamsUnited, WhitelistsDiffer

API, WEB, BILL = ServiceKey("shop", "api"), ServiceKey("shop", "web"), ServiceKey("bank", "bill")


def policy_of(services: dict[str, Any]) -> Authorization:
    return Authorization(a_world(services).services)


def test_a_whole_project_is_named_as_one() -> None:
    policy = policy_of({"shop/api": a_spec(), "shop/web": a_spec(), "shop/db": a_spec()})

    assert callers(API, policy) == ("shop/*",)
    assert callees(API, policy) == ("shop/*",)


def test_who_is_left_out_of_a_project_is_named() -> None:
    policy = policy_of(
        {
            "shop/api": a_spec(),
            "shop/web": a_spec(),
            "shop/db": a_spec(whitelists=peers("shop/api")),
            "shop/job": a_spec(upstreams=[]),
            "shop/cart": a_spec(),
        }
    )

    assert callers(API, policy) == ("shop/* except shop/job",)
    assert callees(WEB, policy) == ("shop/* except shop/db",)
    assert callers(ServiceKey("shop", "db"), policy) == ("shop/api",)


def test_a_refusal_names_the_side_and_the_line_that_is_missing() -> None:
    policy = policy_of(
        {
            "shop/api": a_spec(),
            "shop/web": a_spec(upstreams=peers("shop/db")),
            "shop/db": a_spec(whitelists=peers("shop/api")),
            "bank/bill": a_spec(),
        }
    )

    assert why_refused(WEB, API, policy) == (
        "the upstreams of shop/web name shop/db and not shop/api: "
        'add "- {projectId: shop, service: api}" to upstreams of shop/web'
    )
    assert why_refused(WEB, ServiceKey("shop", "db"), policy) == (
        "the whitelists of shop/db name shop/api and not shop/web: "
        'add "- {projectId: shop, service: web}" to whitelists of shop/db'
    )
    both = why_refused(BILL, API, policy).split("; ")
    assert both[0].startswith("the whitelists of shop/api name shop/* and not bank/bill: ")
    assert "keep it" in both[0]
    assert any("the upstreams of bank/bill name bank/*" in part for part in both)
    assert why_refused(API, WEB, policy) == "it is allowed by now: policy has changed since"
    assert why_refused(API, ServiceKey("shop", "x"), policy) == "shop/x is not declared"
    assert "egress" in why_refused(API, ServiceKey("space-cloud", "host"), policy)


def test_versions_that_differ_are_warned_of() -> None:
    policy = policy_of(
        {
            "shop/api": {"v1": a_spec(), "v2": a_spec(upstreams=[], whitelists=[])},
            "shop/web": {"v1": a_spec(), "v2": a_spec(upstreams=peers("shop/*"))},
        }
    )

    assert warnings(API, policy) == (
        UpstreamsUnited("shop/api", ("v1", "v2")),
        WhitelistsDiffer("shop/api", ("v1", "v2"), API.domain, "v1"),
    )
    assert warnings(WEB, policy) == ()


def test_a_refused_call_is_explained_by_the_whitelist_of_the_version_that_was_called() -> None:
    lists = {"v1": a_spec(whitelists=peers("shop/web")), "v2": a_spec(whitelists=peers("shop/db"))}
    policy = policy_of({"shop/api": lists, "shop/web": a_spec(), "shop/db": a_spec()})

    assert "whitelists of shop/api@v2 name shop/db and not shop/web" in why_refused(
        WEB, API, policy, "v2"
    )
    assert "allowed by now" in why_refused(WEB, API, policy, "v1")


def test_a_name_that_leads_nowhere_or_is_not_returned_is_warned_of() -> None:
    policy = policy_of(
        {
            "shop/api": a_spec(
                upstreams=peers("shop/db", "shop/x", "shop/api"),
                whitelists=peers("shop/web", "shop/y"),
            ),
            "shop/db": a_spec(whitelists=[]),
            "shop/web": a_spec(upstreams=[]),
        }
    )

    assert tuple(map(str, warnings(API, policy))) == (
        "upstreams of shop/api name shop/db, whose whitelists do not let shop/api in",
        "upstreams of shop/api name shop/x, which is not declared",
        "whitelists of shop/api name shop/web, whose upstreams do not name shop/api",
        "whitelists of shop/api name shop/y, which is not declared",
    )


def test_an_address_is_traced_to_its_service() -> None:
    declared = a_world({"shop/api": a_spec(), "shop/web": a_spec()})
    addressing = Addressing(declared.addresses)

    assert addressing.at(str(declared.addresses.services[WEB].subnet[5])) == WEB
    assert addressing.at("192.168.1.1") is None


@settings(max_examples=50, deadline=None)
@given(worlds)
def test_who_admits_whom_is_who_calls_whom(declared: Declarations) -> None:
    policy = Authorization(declared.services)
    live = [key for key, service in declared.services.items() if service.versions]

    for caller in live:
        for callee in live:
            if caller != callee:
                line_in = _covered(caller, callers(callee, policy))
                line_out = _covered(callee, callees(caller, policy))
                assert line_in == line_out == policy.allowed(caller, callee)


def _covered(key: ServiceKey, lines: tuple[str, ...]) -> bool:
    for line in lines:
        whole, _, left_out = line.partition(" except ")
        if str(key) == whole or (
            whole == f"{key.project}/*" and str(key) not in left_out.split(", ")
        ):
            return True
    return False
