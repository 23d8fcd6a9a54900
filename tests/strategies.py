"""Random documents that are valid, for properties that hold of all of them."""

from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]

labels = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
versions = st.from_regex(r"[a-z0-9]([-a-z0-9._]{0,6}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True)
ports = st.integers(1, 65535)
secret_keys = st.from_regex(r"(secrets\.)?[a-z][-a-z0-9]{0,4}\.[A-Z_]{1,4}", fullmatch=True)


def objects(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Document]:
    """Optional fields are absent, null or given."""
    return st.fixed_dictionaries(
        required, optional={name: st.none() | given for name, given in optional.items()}
    )


peers = objects({"projectId": st.just("*") | labels}, {"service": st.just("*") | labels})

probes = st.one_of(
    objects(
        {"type": st.just("http")},
        {
            "port": ports,
            "path": st.just("/ready"),
            "host": st.sampled_from(["", "shop.example:80"]),
        },
    ),
    objects({"type": st.just("tcp")}, {"intervalSeconds": st.floats(0.1, 3600)}),
    objects(
        {"type": st.just("exec"), "command": st.lists(texts, min_size=1, max_size=3)},
        {"failures": st.integers(1, 100), "graceSeconds": st.integers(0, 86_400)},
    ),
)

cron_times = st.builds("{} {} * * {}".format, st.integers(0, 59), st.integers(0, 23), st.just("*"))
schedules = st.lists(cron_times, min_size=2, max_size=2, unique=True)
timezones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])
usages = st.integers(1, 100).map(str)

auth_refs = objects(
    {}, {"secretMapping": st.lists(objects({"param": texts, "key": secret_keys}, {}))}
)

triggers = st.one_of(
    objects(
        {
            "type": st.sampled_from(["requests-per-second", "active-requests"]),
            "metadata": st.integers(1, 1000).map(lambda n: {"target": str(n)}),
        },
        {"name": texts},
    ),
    objects(
        {
            "type": st.sampled_from(["cpu", "memory"]),
            "metadata": st.fixed_dictionaries(
                {"value": usages},
                optional={"type": st.sampled_from(["Utilization", "AverageValue", "Value"])},
            ),
        },
        {"name": texts, "authRef": auth_refs},
    ),
    objects(
        {
            "type": st.just("cron"),
            "metadata": st.builds(
                lambda times, zone, n: {
                    "start": times[0],
                    "end": times[1],
                    "timezone": zone,
                    "desiredReplicas": str(n),
                },
                schedules,
                timezones,
                st.integers(1, 1000),
            ),
        },
        {"name": texts},
    ),
)

sleeps = objects(
    {},
    {
        "freezeAfter": st.integers(1, 2_592_000) | st.just("never"),
        "stopAfter": st.integers(1, 2_592_000) | st.just("never"),
        "awake": st.lists(
            st.builds(
                lambda times, zone: {"start": times[0], "end": times[1], **zone},
                schedules,
                objects({}, {"timezone": timezones}),
            ),
            max_size=2,
        ),
        "busyCpu": st.integers(0, 1_024_000),
        "waitingPage": st.booleans(),
        "maxHeld": st.integers(1, 100_000),
    },
)

auto_scales = st.tuples(st.integers(0, 10), st.integers(10, 1000)).flatmap(
    lambda bounds: objects(
        {},
        {
            "minReplicas": st.just(bounds[0]),
            "maxReplicas": st.just(bounds[1]),
            "pollingInterval": st.integers(0, 100),
            "coolDownInterval": st.integers(0, 1000),
            "triggers": st.lists(triggers, max_size=3),
            "sleep": sleeps,
        },
    )
)

scales = objects(
    {},
    {
        "replicas": st.integers(0, 1000),
        "minReplicas": st.integers(0, 1000),
        "maxReplicas": st.integers(0, 1000),
        "concurrency": st.integers(0, 1000),
        "mode": st.sampled_from(["", "per-second", "parallel"]),
        "sleep": sleeps,
    },
)

affinities = objects(
    {"type": st.sampled_from(["node", "service"])},
    {
        "id": texts,
        "weight": st.integers(-100, 100),
        "operator": st.sampled_from(["preferred", "required"]),
        "topologyKey": texts,
        "projects": st.lists(labels, max_size=2),
        "matchExpressions": st.lists(
            objects({"key": texts, "operator": texts}, {"values": st.lists(texts, max_size=2)}),
            max_size=2,
        ),
    },
)


def tasks(id: str, numbers: list[int]) -> st.SearchStrategy[Document]:
    port_lists = st.tuples(
        *(
            objects(
                {"port": st.just(number)},
                {
                    "name": st.sampled_from(["", "http", "tcp-db", "x"]),
                    "protocol": st.sampled_from(["http", "tcp", "HTTP", ""]),
                },
            )
            for number in numbers
        )
    ).map(list)
    return objects(
        {
            "id": st.just(id),
            "docker": objects(
                {"image": st.from_regex(r"[a-z]{1,8}(:[a-z0-9][a-z0-9.]{0,7})?", fullmatch=True)},
                {
                    "cmd": st.lists(texts, max_size=3),
                    "secret": st.just(""),
                    "imagePullPolicy": st.sampled_from(["", "always", "pull-if-not-exists"]),
                    "init": st.booleans(),
                },
            ),
        },
        {
            "name": texts,
            "ports": port_lists,
            "env": st.dictionaries(names, texts, max_size=3),
            "secrets": st.just([]),
            "runtime": st.sampled_from(["", "image"]),
            "restart": st.sampled_from(["always", "on-failure", "never"]),
            "resources": objects(
                {},
                {
                    "cpu": st.integers(0, 1_024_000),
                    "memory": st.integers(0, 16_777_216),
                    "cpuLimit": st.integers(0, 1_024_000),
                    "gpu": objects({}, {"type": texts, "value": st.integers(0, 8)}),
                },
            ),
            "probe": probes,
        },
    )


@st.composite
def task_lists(draw: st.DrawFn) -> list[Document]:
    """Ids and ports are distinct, as all tasks of a replica share one localhost."""
    ids = draw(st.lists(labels, min_size=1, max_size=3, unique=True))
    numbers = draw(st.lists(ports, max_size=2 * len(ids), unique=True))
    return [draw(tasks(id, numbers[n :: len(ids)])) for n, id in enumerate(ids)]


services = objects(
    {"tasks": task_lists()},
    {
        "id": texts,
        "name": texts,
        "projectId": texts,
        "version": texts,
        "scale": scales,
        "autoScale": auto_scales,
        "rollout": objects({}, {"confirmSeconds": st.integers(0, 600) | st.floats(0, 600)}),
        "labels": st.dictionaries(st.text("abc./-", min_size=1, max_size=9), texts, max_size=3),
        "affinity": st.lists(affinities, max_size=2),
        "whitelists": st.lists(peers, max_size=3),
        "upstreams": st.lists(peers, max_size=3),
        "statsInclusionPrefixes": texts,
        "terminationGracePeriodSeconds": st.integers(0, 86_400),
    },
)
"""As a client sends them; without secrets, which would have to exist."""


long_texts = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 40, 1_000]))
header_names = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True)

header_changes = objects(
    {"key": header_names | texts},
    {"value": long_texts, "op": st.sampled_from(["", "set", "add", "del"])},
)

paths = st.builds("/{}".format, long_texts | st.from_regex(r"[a-z/%.()\\+]{0,40}", fullmatch=True))

ingress_routes = objects(
    {
        "source": objects(
            {"url": paths},
            {
                "hosts": st.lists(
                    st.sampled_from(["*", "*.x.example", "A.b:80"])
                    | st.from_regex(
                        r"(\*\.)?[a-z0-9_]([-a-z0-9_.]{0,60}[a-z0-9])?", fullmatch=True
                    ),
                    max_size=5,
                ),
                "methods": st.lists(
                    st.from_regex(r"[A-Za-z]{1,64}", fullmatch=True) | st.just("*"), max_size=50
                ),
                "type": st.sampled_from(["prefix", "exact"]),
                "rewrite": st.just("") | paths,
                "escapedSlashes": st.sampled_from(["unescape", "keep"]),
            },
        ),
        "targets": st.lists(
            objects(
                {
                    "host": st.sampled_from(
                        ["web.shop.svc.cluster.local", "web-v1-internal.shop.svc.cluster.local"]
                    )
                    | texts,
                    "port": st.just(8080) | ports,
                },
                {"weight": st.integers(0, 100)},
            ),
            min_size=1,
            max_size=5,
        ),
    },
    {
        "rule": objects({}, {"rule": st.sampled_from(["allow", "deny"]) | long_texts}),
        "modify": objects(
            {},
            {
                "headers": st.lists(header_changes, max_size=20),
                "resHeaders": st.lists(header_changes, max_size=20),
            },
        ),
    },
)
"""As a client sends them. Not all are accepted: text may be too long, or hold what may not be."""
