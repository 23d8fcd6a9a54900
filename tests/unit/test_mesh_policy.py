from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_strategies import specs, worlds
from mesh_world import a_spec, a_world, peers
from spacecloud.errors import NotFound
from spacecloud.mesh.addressing import SourceMatcher
from spacecloud.mesh.authorization import Callers
from spacecloud.mesh.host_ports import asking_for, host_ports
from spacecloud.mesh.policy import Policy, affected, face, faces
from spacecloud.model.declared import Declarations, StoredDocument
from spacecloud.model.refs import ServiceKey
from spacecloud.model.service import callees_of, callers_of
from spacecloud.model.traffic import Caller, Entry, HostPortAccess, SourceRanges

API = ServiceKey("shop", "api")


def says_yes(declared: Declarations, caller: ServiceKey, callee: ServiceKey) -> bool:
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


def address_of(declared: Declarations, key: ServiceKey) -> str:
    """Of a replica."""
    return str(declared.addresses.services[key].subnet[2])


@settings(max_examples=100, deadline=None)
@given(worlds)
def test_who_may_call_and_which_addresses_may_are_the_same_answer(declared: Declarations) -> None:
    """Of everybody, those on their way out included, and of addresses that nobody has."""
    policy = Policy(declared)

    for callee in declared.services:
        callers = policy.authorization.callers(callee)
        sources = SourceMatcher(policy.face(callee).sources)
        for caller in declared.services:
            assert callers.allowed(caller) == sources.allowed(address_of(declared, caller))
        assert not sources.allowed("10.1.2.3")


@settings(max_examples=50, deadline=None)
@given(worlds)
def test_addresses_are_let_in_exactly_when_both_sides_say_yes(declared: Declarations) -> None:
    policy = Policy(declared)

    for caller, callee in product(declared.services, repeat=2):
        # What is on its way out calls nobody new by name, and keeps its block until it is gone.
        if declared.services[caller].versions:
            address = address_of(declared, caller)
            expected = says_yes(declared, caller, callee)
            assert SourceMatcher(policy.face(callee).sources).allowed(address) == expected
            assert policy.authorization.allowed(caller, callee) == expected
            assert (caller in policy.authorization.every_caller(callee)) == expected
            assert policy.addressing.at(address) == caller


@settings(max_examples=100, deadline=None)
@given(worlds)
def test_the_whitelist_of_the_version_that_answers_decides(declared: Declarations) -> None:
    """A version's list widens nobody else's; a caller's upstreams are those of all its versions."""
    policy = Policy(declared)

    for caller, callee in product(declared.services, repeat=2):
        asking, asked = declared.services[caller], declared.services[callee]
        for version in asked.versions if asking.versions else ():
            alone = Declarations({**declared.services, callee: replace(asked, versions=(version,))})
            expected = says_yes(alone, caller, callee)
            shown = policy.face(callee)
            for entry in shown.entries:
                if entry.version == version.ref.version:
                    sources = SourceMatcher(shown.sources_at(entry))
                    assert sources.allowed(address_of(declared, caller)) == expected


@settings(max_examples=50, deadline=None)
@given(worlds)
def test_the_order_of_declarations_is_irrelevant(declared: Declarations) -> None:
    turned = Declarations(dict(reversed(list(declared.services.items()))), declared.addresses)

    assert faces(turned) == faces(declared)


@settings(max_examples=50, deadline=None)
@given(worlds, worlds)
def test_affected_names_exactly_the_faces_that_differ(
    before: Declarations, after: Declarations
) -> None:
    earlier = Policy(before)
    found = affected(earlier, Policy(after))

    old, new = earlier.faces(), faces(after)
    assert found == {k for k in {*old, *new} if old.get(k) != new.get(k)}
    assert Policy(after, earlier).faces() == new


@settings(max_examples=80, deadline=None)
@given(worlds, st.data())
def test_after_an_edit_of_one_service_too(before: Declarations, data: st.DataObject) -> None:
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
    after = Declarations({**before.services, service.key: edited}, before.addresses)

    earlier = Policy(before)
    found = affected(earlier, Policy(after))

    old, new = earlier.faces(), faces(after)
    assert found == {k for k in old if old[k] != new[k]}
    assert Policy(after, earlier).faces() == new
    follows, fresh = Policy(after, earlier).authorization, Policy(after).authorization
    assert follows.callers(service.key) == fresh.callers(service.key)
    assert follows.every_caller(service.key) == fresh.every_caller(service.key)


@settings(max_examples=50, deadline=None)
@given(st.lists(worlds, min_size=2, max_size=4), worlds)
def test_whatever_came_before_it_a_policy_is_what_it_is(
    chain: list[Declarations], other: Declarations
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
        who, anew = policy.authorization, fresh.authorization
        assert who.projects() == anew.projects()
        for key in declared.services:
            address = address_of(declared, key)
            assert policy.face(key) == face(key, declared)
            assert who.callers(key) == anew.callers(key)
            assert who.every_caller(key) == anew.every_caller(key)
            assert who.covering(key) == anew.covering(key)
            assert who.live(key.project) == anew.live(key.project)
            assert policy.addressing.at(address) == fresh.addressing.at(address) == key


def test_a_new_service_with_the_default_policy_changes_no_other_face() -> None:
    some: dict[str, Any] = {f"shop/s{i}": a_spec() for i in range(10)}

    changed = affected(Policy(a_world(some)), Policy(a_world({**some, "shop/new": a_spec()})))

    assert changed == {ServiceKey("shop", "new")}


def test_a_project_is_allowed_by_its_blocks_except_for_its_silent_services() -> None:
    declared = a_world(
        {"shop/api": a_spec(), "shop/web": a_spec(), "shop/mute": a_spec(upstreams=[])}
    )

    policy = Policy(declared)

    assert policy.authorization.callers(API) == Callers(
        named=(API,), projects=("shop",), except_=(ServiceKey("shop", "mute"),)
    )
    shown = policy.face(API)
    assert shown.sources == SourceRanges(
        named=(Caller("shop/api", "10.120.0.0/25"),),
        blocks=("10.120.0.0/21",),
        except_=(Caller("shop/mute", "10.120.1.0/25"),),
    )
    assert shown.rule == (
        "the whitelists of shop/api let in shop/*, and a caller's upstreams must name shop/api"
    )


def test_few_callers_of_a_large_project_are_let_in_by_name() -> None:
    many: dict[str, Any] = {f"bank/s{i}": a_spec() for i in range(30)}
    many["bank/bill"] = a_spec(upstreams=peers("shop/api"))
    declared = a_world({"shop/api": a_spec(whitelists=peers("bank/*")), **many})

    sources = face(API, declared).sources

    assert [caller.name for caller in sources.named] == ["bank/bill", "shop/api"]
    assert (sources.blocks, sources.except_) == ((), ())


def test_an_empty_whitelist_lets_in_nobody_but_the_service_itself() -> None:
    declared = a_world({"shop/api": a_spec(whitelists=[]), "shop/web": a_spec()})

    shown = face(API, declared)

    assert shown.sources.named == (Caller("shop/api", "10.120.0.0/25"),)
    assert shown.sources.blocks == ()
    assert "let in nobody" in shown.rule


def test_the_service_domain_leads_to_the_oldest_version_that_declares_the_port() -> None:
    declared = a_world(
        {"shop/api": {"v1": a_spec(80), "v2": a_spec(80, "tcp:5432"), "v3": a_spec("tcp:5432")}}
    )

    shown = face(API, declared)

    allocation = declared.addresses.services[API]
    general, (v1, v2, v3) = str(allocation.vip), map(str, allocation.versions.values())
    assert set(shown.entries) == {
        Entry(general, 80, "http", "v1", of_service=True),
        Entry(general, 5432, "tcp", "v2", of_service=True),
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

    assert (gone.entries, gone.ports, gone.names, gone.sources) == ((), (), (), SourceRanges())


def test_an_unknown_service_has_no_face() -> None:
    with pytest.raises(NotFound, match="there is no service shop/api"):
        face(API, a_world({}))


def test_host_ports_open_for_the_projects_that_ask() -> None:
    declared = a_world({"shop/api": a_spec(), "bank/bill": a_spec()})
    projects = [
        StoredDocument("shop", "shop", {"egress": [{"port": 5432}, {"port": 6379}]}),
        StoredDocument("bank", "bank", {"egress": [{"port": 5432}]}),
        StoredDocument("new", "new", {"egress": [{"port": 25}]}),
    ]

    opened = host_ports(declared.addresses, projects)

    assert opened == (
        HostPortAccess(25, ()),
        HostPortAccess(5432, ("10.120.0.0/21", "10.120.8.0/21")),
        HostPortAccess(6379, ("10.120.0.0/21",)),
    )


@pytest.mark.attack
def test_ports_of_the_platform_itself_open_for_nobody_whatever_was_declared_before() -> None:
    declared = a_world({"shop/api": a_spec(), "bank/bill": a_spec()})
    projects = [
        StoredDocument("shop", "shop", {"egress": [{"port": 4122}, {"port": 6379}]}),
        StoredDocument("bank", "bank", {"egress": [{"port": 5432}]}),
    ]
    own = frozenset({4122, 15001})

    opened = host_ports(declared.addresses, projects, own)

    assert [access.port for access in opened] == [5432, 6379]
    assert asking_for(own, projects) == {"shop": (4122,)}


@pytest.mark.parametrize(
    ("scaling", "gates"),
    [
        ({}, ()),
        ({"scale": {"replicas": 2}}, ()),
        ({"scale": {"replicas": 0}}, ()),
        ({"scale": {"replicas": 1, "minReplicas": 0}}, ("v1",)),
        ({"scale": {"replicas": 1, "maxReplicas": 10}}, ("v1",)),
        ({"scale": {"minReplicas": 1, "maxReplicas": 10}}, ()),
        ({"scale": {"minReplicas": 0, "maxReplicas": 0}}, ()),
        ({"autoScale": {}}, ("v1",)),
        ({"autoScale": {"minReplicas": 0, "maxReplicas": 0}}, ("v1",)),
        ({"autoScale": {"minReplicas": 1, "maxReplicas": 2}}, ()),
        ({"autoScale": {"triggers": []}}, ("v1",)),
        ({"autoScale": {"minReplicas": 1}, "scale": {"minReplicas": 0}}, ()),
    ],
)
def test_a_version_has_gates_where_it_may_sleep(
    scaling: dict[str, Any], gates: tuple[str, ...]
) -> None:
    world = a_world({"shop/api": {"v1": a_spec(**scaling), "v2": a_spec()}})

    assert face(API, world).gates == gates
