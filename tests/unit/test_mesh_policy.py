from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_world import a_spec, a_world, peers
from spacecloud.errors import NotFound
from spacecloud.mesh.admits import Admits
from spacecloud.mesh.policy import Policy, affected, face, faces, host_ports
from spacecloud.model.declared import Declared, StoredDocument
from spacecloud.model.refs import ServiceKey
from spacecloud.model.service import callees_of, callers_of
from spacecloud.model.traffic import Admission, Caller, Entry, HostPortAccess

API = ServiceKey("shop", "api")

names = st.sampled_from(["a", "b", "c"])
some_peers = st.none() | st.lists(
    st.builds(
        lambda project, service: {"projectId": project, "service": service},
        st.just("*") | names,
        st.just("*") | names,
    ),
    max_size=3,
)
specs = st.builds(
    lambda whitelists, upstreams: a_spec(whitelists=whitelists, upstreams=upstreams),
    some_peers,
    some_peers,
)
worlds = st.dictionaries(
    st.builds(lambda project, service: f"{project}/{service}", names, names),
    st.none() | specs | st.fixed_dictionaries({"v1": specs, "v2": specs}),
    max_size=9,
).map(a_world)


def says_yes(declared: Declared, caller: ServiceKey, callee: ServiceKey) -> bool:
    """The rule as it is written down: both sides, each the union over its versions."""
    asking, asked = declared.services[caller], declared.services[callee]
    if not asked.versions:
        return False
    lets_in = any(
        p.covers(*caller) for v in asked.versions for p in callers_of(v.spec, callee.project)
    )
    named = any(
        p.covers(*callee) for v in asking.versions for p in callees_of(v.spec, caller.project)
    )
    return caller == callee or (lets_in and named)


@settings(max_examples=50, deadline=None)
@given(worlds)
def test_addresses_are_let_in_exactly_when_both_sides_say_yes(declared: Declared) -> None:
    policy = Policy(declared)

    for caller, callee in product(declared.services, repeat=2):
        # What is on its way out calls nobody new by name, and keeps its block until it is gone.
        if declared.services[caller].versions:
            address = str(declared.services[caller].allocation.subnet[2])
            expected = says_yes(declared, caller, callee)
            assert Admits(policy.face(callee).admission)(address) == expected
            assert (caller in policy.callers(callee)) == expected
            assert policy.at(address) == caller


@settings(max_examples=50, deadline=None)
@given(worlds)
def test_the_order_of_declarations_is_irrelevant(declared: Declared) -> None:
    turned = Declared(dict(reversed(list(declared.services.items()))), declared.blocks)

    assert faces(turned) == faces(declared)


@settings(max_examples=50, deadline=None)
@given(worlds, worlds)
def test_affected_names_exactly_the_faces_that_differ(before: Declared, after: Declared) -> None:
    earlier = Policy(before)
    found = affected(earlier, Policy(after))

    old, new = earlier.faces(), faces(after)
    assert found == {k for k in {*old, *new} if old.get(k) != new.get(k)}
    assert Policy(after, earlier).faces() == new


@settings(max_examples=80, deadline=None)
@given(worlds, st.data())
def test_after_an_edit_of_one_service_too(before: Declared, data: st.DataObject) -> None:
    """All other services are the same objects, as the store hands them out."""
    live = sorted(key for key, service in before.services.items() if service.versions)
    if not live:
        return
    service = before.services[data.draw(st.sampled_from(live))]
    spec, first = data.draw(specs), service.versions[0]
    kept = data.draw(st.sampled_from(["whitelists", "upstreams", "neither"]))
    if kept != "neither":
        spec = spec.model_copy(update={kept: getattr(first.spec, kept)})
    edited = replace(service, versions=(replace(first, spec=spec), *service.versions[1:]))
    after = Declared({**before.services, service.key: edited}, before.blocks)

    earlier = Policy(before)
    found = affected(earlier, Policy(after))

    old, new = earlier.faces(), faces(after)
    assert found == {k for k in old if old[k] != new[k]}
    assert Policy(after, earlier).faces() == new
    assert Policy(after, earlier).callers(service.key) == Policy(after).callers(service.key)


@settings(max_examples=50, deadline=None)
@given(st.lists(worlds, min_size=2, max_size=4), worlds)
def test_whatever_came_before_it_a_policy_is_what_it_is(
    chain: list[Declared], other: Declared
) -> None:
    """And what follows from a policy changes nothing of it, also where two follow from one."""
    policies = [Policy(chain[0])]
    for declared in chain[1:]:
        policies[-1].faces()
        Policy(other, policies[-1]).faces()
        policies.append(Policy(declared, policies[-1]))

    for policy, declared in zip(policies, chain, strict=True):
        fresh = Policy(declared)
        assert policy.faces() == fresh.faces()
        assert policy.projects() == fresh.projects()
        for key, service in declared.services.items():
            address = str(service.allocation.subnet[2])
            assert policy.face(key) == face(key, declared)
            assert policy.callers(key) == fresh.callers(key)
            assert policy.covering(key) == fresh.covering(key)
            assert policy.live(key.project) == fresh.live(key.project)
            assert policy.at(address) == fresh.at(address) == key


def test_a_new_service_with_the_default_policy_changes_no_other_face() -> None:
    some: dict[str, Any] = {f"shop/s{i}": a_spec() for i in range(10)}

    changed = affected(Policy(a_world(some)), Policy(a_world({**some, "shop/new": a_spec()})))

    assert changed == {ServiceKey("shop", "new")}


def test_a_project_is_let_in_by_its_blocks_and_its_silent_services_are_refused() -> None:
    declared = a_world(
        {"shop/api": a_spec(), "shop/web": a_spec(), "shop/mute": a_spec(upstreams=[])}
    )

    admission = face(API, declared).admission

    assert admission == Admission(
        callers=(Caller("shop/api", "10.120.0.0/25"),),
        blocks=("10.120.0.0/21",),
        refused=(Caller("shop/mute", "10.120.1.0/25"),),
        rule="the whitelists of shop/api let in shop/*, and a caller's upstreams must name shop/api",
    )


def test_few_callers_of_a_large_project_are_let_in_by_name() -> None:
    many: dict[str, Any] = {f"bank/s{i}": a_spec() for i in range(30)}
    many["bank/bill"] = a_spec(upstreams=peers("shop/api"))
    declared = a_world({"shop/api": a_spec(whitelists=peers("bank/*")), **many})

    admission = face(API, declared).admission

    assert [caller.name for caller in admission.callers] == ["bank/bill", "shop/api"]
    assert (admission.blocks, admission.refused) == ((), ())


def test_an_empty_whitelist_lets_in_nobody_but_the_service_itself() -> None:
    declared = a_world({"shop/api": a_spec(whitelists=[]), "shop/web": a_spec()})

    admission = face(API, declared).admission

    assert admission.callers == (Caller("shop/api", "10.120.0.0/25"),)
    assert admission.blocks == ()
    assert "let in nobody" in admission.rule


def test_the_service_domain_leads_to_the_oldest_version_that_declares_the_port() -> None:
    declared = a_world(
        {"shop/api": {"v1": a_spec(80), "v2": a_spec(80, "tcp:5432"), "v3": a_spec("tcp:5432")}}
    )

    shown = face(API, declared)

    general = str(declared.services[API].allocation.vip)
    v1, v2, v3 = (str(v.vip) for v in declared.services[API].versions)
    assert set(shown.entries) == {
        Entry(general, 80, "http", "v1"),
        Entry(general, 5432, "tcp", "v2"),
        Entry(v1, 80, "http", "v1"),
        Entry(v2, 80, "http", "v2"),
        Entry(v2, 5432, "tcp", "v2"),
        Entry(v3, 5432, "tcp", "v3"),
    }
    assert dict(shown.names) == {
        "api.shop.svc.cluster.local": general,
        "api-v1-internal.shop.svc.cluster.local": v1,
        "api-v2-internal.shop.svc.cluster.local": v2,
        "api-v3-internal.shop.svc.cluster.local": v3,
    }


def test_a_service_on_its_way_out_has_no_entry_and_no_name() -> None:
    gone = face(API, a_world({"shop/api": None, "shop/web": a_spec()}))

    assert (gone.entries, gone.ports, gone.names, gone.admission) == ((), (), (), Admission())


def test_an_unknown_service_has_no_face() -> None:
    with pytest.raises(NotFound, match="there is no service shop/api"):
        face(API, a_world({}))


def test_doors_to_the_host_open_for_the_projects_that_ask() -> None:
    declared = a_world({"shop/api": a_spec(), "bank/bill": a_spec()})
    projects = [
        StoredDocument("shop", "shop", {"egress": [{"port": 5432}, {"port": 6379}]}),
        StoredDocument("bank", "bank", {"egress": [{"port": 5432}]}),
        StoredDocument("new", "new", {"egress": [{"port": 25}]}),
    ]

    doors = host_ports(declared, projects)

    assert doors == (
        HostPortAccess(25, ()),
        HostPortAccess(5432, ("10.120.0.0/21", "10.120.8.0/21")),
        HostPortAccess(6379, ("10.120.0.0/21",)),
    )
