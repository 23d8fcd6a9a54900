from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cpu_and_memory_cost import SLACK_SECONDS, processor_seconds
from mesh_world import a_spec, a_world
from spacecloud.ingress.table import (
    KnownRoute,
    read,
    table,
    unreached,
    urls_of,
    warnings,
    warnings_by_route,
)
from spacecloud.model.declared import StoredDocument
from spacecloud.model.refs import ServiceKey
from spacecloud.model.traffic import IngressTarget
from spacecloud.reasons.notices import (
    EscapedSlashesNotKept,
    Notice,
    RouteNeverReached,
    RouteNotServed,
    RoutePortMissing,
    RoutePortNotHttp,
    RouteTargetMissing,
    RouteTargetOutside,
    RouteVersionMissing,
)

WEB = ServiceKey("shop", "web")
WORLD = a_world(
    {"shop/web": {"v1": a_spec(8080), "v2": a_spec(8080, 9090)}, "shop/db": a_spec("tcp:5432")}
)


def a_route(id: str, host: str = "web.shop.svc.cluster.local", **source: Any) -> KnownRoute:
    return _routes({id: {"source": source, "targets": [{"host": host, "port": 8080}]}})[0]


def _routes(documents: dict[str, Any]) -> tuple[KnownRoute, ...]:
    return read(StoredDocument("shop", id, document) for id, document in documents.items())


def ids(*routes: KnownRoute) -> list[str]:
    return [rule.id.removeprefix("shop/") for rule in table(routes, WORLD).rules]


def test_more_segments_come_before_fewer_whatever_the_length_of_the_text() -> None:
    assert ids(
        a_route("root", url="/"),
        a_route("long", url="/averylongsegment"),
        a_route("deep", url="/a/b"),
    ) == ["deep", "long", "root"]


def test_exact_comes_before_prefix_named_hosts_before_all_some_methods_before_any() -> None:
    assert ids(
        a_route("any", url="/a"),
        a_route("get", url="/a", methods=["GET"]),
        a_route("host", url="/a", hosts=["shop.example"]),
        a_route("exact", url="/a", type="exact"),
    ) == ["exact", "host", "get", "any"]


def test_equally_specific_routes_stay_in_the_order_of_creation() -> None:
    assert ids(a_route("z", url="/a"), a_route("a", url="/b")) == ["z", "a"]


segments = st.lists(st.sampled_from(["a", "b"]), max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(segments, st.sampled_from(["prefix", "exact"])), max_size=6))
def test_no_route_stands_before_a_more_specific_one(written: list[tuple[str, str]]) -> None:
    routes = [a_route(str(i), url=url, type=kind) for i, (url, kind) in enumerate(written)]

    rules = table(routes, WORLD).rules

    for position, later in enumerate(rules):
        for earlier in rules[:position]:
            assert not (
                earlier.match == "prefix"
                and later.url != earlier.url
                and (later.url.startswith(earlier.url.rstrip("/") + "/"))
            )


def test_targets_are_services_versions_and_their_ports() -> None:
    written = {
        "source": {"url": "/"},
        "targets": [
            {"host": "web.shop.svc.cluster.local", "port": 8080, "weight": 20},
            {"host": "WEB.shop.svc.cluster.local.", "port": 9090, "weight": 30},
            {"host": "web-v2-internal.shop.svc.cluster.local", "port": 8080, "weight": 50},
            {"host": "web.shop.svc.cluster.local", "version": "v2", "port": 8080, "weight": 1},
        ],
    }

    (rule,) = table(_routes({"r": written}), WORLD).rules

    assert rule.targets == (
        IngressTarget(WEB, "v1", 8080, 20),
        IngressTarget(WEB, "v2", 9090, 30),
        IngressTarget(WEB, "v2", 8080, 50),
        IngressTarget(WEB, "v2", 8080, 1),
    )


def test_a_target_that_leads_nowhere_is_left_out_and_warned_of() -> None:
    def told(host: str, port: int = 8080, **more: Any) -> Notice:
        document = {"targets": [{"host": host, "port": port, **more}]}
        routes = _routes({"r": document})
        assert table(routes, WORLD).rules[0].targets == ()
        (notice,) = warnings(routes, WORLD)
        return notice

    nobody, web = "api.shop.svc.cluster.local", "web.shop.svc.cluster.local"
    assert told(nobody) == RouteTargetMissing("shop/r", nobody)
    assert told(web, 1) == RoutePortMissing("shop/r", "shop/web", 1, (8080, 9090))
    assert told("db.shop.svc.cluster.local", 5432) == RoutePortNotHttp("shop/r", "shop/db", 5432)
    assert told("example.com") == RouteTargetOutside("shop/r", "example.com")
    assert told(web, version="v9") == RouteVersionMissing("shop/r", "shop/web", "v9")


def test_denied_and_unknown_rules_let_nobody_in() -> None:
    def refusal(rule: dict[str, Any] | None) -> str:
        target = {"host": "web.shop.svc.cluster.local", "port": 8080}
        document = {"targets": [target], **({"rule": rule} if rule is not None else {})}
        return table(_routes({"r": document}), WORLD).rules[0].refuse

    assert refusal(None) == refusal({"rule": "allow"}) == ""
    assert "rule: deny" in refusal({"rule": "deny"})
    assert "authenticated, which is not supported" in refusal({"rule": "authenticated"})
    assert "security rule without rule" in refusal({})
    assert "security rule without rule" in refusal({"rule": ""})
    assert "security rule without rule" in refusal({"clauses": [{"rule": "allow"}]})


def test_a_route_that_another_covers_whole_is_warned_of() -> None:
    first = a_route("first", url="/a/")
    hidden = a_route("hidden", url="/a", hosts=["*"])
    seen = a_route("seen", url="/a", methods=["POST"])
    named = a_route("named", url="/a", hosts=["shop.example"])

    (notice,) = warnings([first, hidden, seen, named], WORLD)
    assert notice == RouteNeverReached("shop/hidden", "shop/first", "/a")


def test_a_wildcard_host_covers_the_hosts_below_it() -> None:
    wide = a_route("wide", url="/a", hosts=["*.example", "other"])
    inside = a_route("inside", url="/a", hosts=["x.shop.example"])
    half = a_route("half", url="/a", hosts=["y.example", "elsewhere"])
    narrower = a_route("narrower", url="/a", hosts=["*.shop.example"])

    assert warnings([wide, inside, half, narrower], WORLD) == (
        RouteNeverReached("shop/inside", "shop/wide", "/a"),
        RouteNeverReached("shop/narrower", "shop/wide", "/a"),
    )
    assert warnings_by_route([wide, inside], WORLD).keys() == {"shop/wide", "shop/inside"}


def test_routes_of_many_hosts_are_looked_at_in_a_time_linear_to_their_number() -> None:
    def many(count: int) -> list[KnownRoute]:
        return [a_route(f"r{n}", url="/", hosts=[f"shop{n}.example"]) for n in range(count)]

    few, most = many(100), many(1600)
    of_few = processor_seconds(lambda: warnings(few, WORLD))

    # As a square it would be 256 times as much.
    assert processor_seconds(lambda: warnings(most, WORLD)) < 16 * 2.5 * of_few + SLACK_SECONDS


def test_a_service_is_told_of_its_routes_that_never_answer() -> None:
    first = a_route("first", url="/a", host="api.shop.svc.cluster.local")
    routes = table([first, a_route("hidden", url="/a"), a_route("seen", url="/b")], WORLD)

    assert unreached(ServiceKey("shop", "db"), routes) == ()
    assert unreached(WEB, routes) == (RouteNeverReached("shop/hidden", "shop/first", "/a"),)


def test_what_is_kept_and_not_acted_on_is_said() -> None:
    target = {"host": "web.shop.svc.cluster.local", "port": 8080, "scheme": "https"}
    modify = {"requestTemplate": "{}"}
    document = {
        "source": {"hosts": [], "url": "/docs/x"},
        "targets": [target],
        "isRouteCacheable": True,
        "modify": modify,
    }

    said = "\n".join(map(str, warnings(_routes({"r": document}), WORLD)))

    for words in (
        "scheme https",
        "hosts is empty",
        "reach the API",
        "isRouteCacheable",
        "template",
    ):
        assert words in said


def test_the_urls_of_a_service_are_those_of_the_routes_that_lead_to_it() -> None:
    shown = table(
        [
            a_route("www", url="/shop"),
            a_route("host", url="/", hosts=["shop.example"]),
            a_route("v2", url="/v2", host="web-v2-internal.shop.svc.cluster.local"),
            a_route("else", url="/else", host="api.shop.svc.cluster.local"),
        ],
        WORLD,
    )

    assert urls_of(WEB, shown, 4122) == (
        "http://localhost:4122/shop",
        "http://localhost:4122/v2",
        "http://shop.example:4122/",
    )
    assert urls_of(WEB, shown, 4122, "v2") == ("http://localhost:4122/v2",)


def test_a_route_with_a_mistake_is_left_out_with_a_sentence_and_the_others_stay() -> None:
    wrong: list[dict[str, Any]] = [
        {"hosts": ["a b"]},
        {"methods": ["G T"]},
        {"url": "/a?b"},
        {"rewrite": "/\n"},
    ]
    routes = [a_route(str(n), **source) for n, source in enumerate(wrong)]
    edits = {"headers": [{"key": "host", "value": "x"}, {"key": "ok", "value": "a\nb"}]}
    target = {"host": "web.shop.svc.cluster.local", "port": 8080}
    routes += _routes(
        {"edits": {"targets": [target], "modify": edits}, "good": {"targets": [target]}}
    )

    assert ids(*routes) == ["good"]
    left_out = [w for w in warnings(routes, WORLD) if isinstance(w, RouteNotServed)]
    assert len(left_out) == len(warnings(routes, WORLD))
    assert [notice.route for notice in left_out] == [
        *(f"shop/{n}" for n in range(4)),
        "shop/edits",
        "shop/edits",
    ]


def test_escaped_slashes_are_kept_below_a_prefix_and_where_that_opens_nothing() -> None:
    kept = a_route("kept", url="/q", escapedSlashes="keep")
    exact = a_route("exact", url="/q", type="exact", escapedSlashes="keep")
    target = {"host": "web.shop.svc.cluster.local", "port": 8080}
    denied = _routes(
        {
            id: {"source": {"url": url}, "targets": [target], "rule": {"rule": "deny"}}
            for id, url in (("plain", "/q/admin"), ("other", "/r/%2F"), ("escaped", "/q/%2fx"))
        }
    )

    def slashes(*routes: KnownRoute) -> dict[str, str]:
        return {r.id: r.escaped_slashes for r in table(routes, WORLD).rules if not r.refuse}

    assert slashes(kept, *denied[:2]) == {"shop/kept": "keep"}
    assert slashes(kept, *denied) == {"shop/kept": "unescape"}
    assert warnings([kept, *denied], WORLD) == (
        EscapedSlashesNotKept("shop/kept", "shop/escaped", "/q/%2fx"),
    )
    assert slashes(exact) == {}
    assert "below a prefix only" in str(warnings([exact], WORLD)[0])
