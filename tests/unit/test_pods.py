"""What the engine is asked for, and what is read from its answers."""

import base64
import io
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_networking, a_service, a_task
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.pods import containers, observe
from spacecloud.drivers.docker.pods.networks import interface
from spacecloud.drivers.docker.probes.prober import judged
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.secret import Secret, SecretFacts
from spacecloud.reasons.tasks import NothingListens, ProbeAnswered, ProbeReason
from spacecloud.workloads.observed import Health
from spacecloud.workloads.operations import CreateReplica

NETWORKING = a_networking()
DEFAULTS = containers.PodDefaults("default")
REF = ServiceRef("shop", "api", "v1.2")
ENV = SecretFacts("shop", "creds", "env", "", ("TOKEN",), 1)
FILE = SecretFacts("shop", "conf", "file", "/etc/app/", ("app.ini", "empty"), 1)
VALUES = {"creds": {"TOKEN": "s3cret", "NAME": "hidden"}, "conf": {"app.ini": "äöü", "empty": ""}}
IDS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,4}[a-z0-9])?", fullmatch=True)


def an_op(*tasks: dict[str, Any], **changes: Any) -> CreateReplica:
    spec = a_service(tasks=list(tasks) or [a_task()], **changes)
    return CreateReplica(
        ref=REF,
        slot=3,
        revision="r1",
        address="10.180.0.5",
        subnet="10.180.0.0/25",
        spec=spec,
        images={task.id: "sha256:abc" for task in spec.tasks},
        secrets=(ENV, FILE),
    )


def a_container(op: CreateReplica, pods: containers.PodDefaults = DEFAULTS) -> dict[str, Any]:
    return containers.task(pods, op, op.spec.tasks[0], "sandbox-id", "/resolv.conf", VALUES)


# ------------------------------------------------------------------ labels and names


def test_a_container_says_itself_what_it_is() -> None:
    probe = {"type": "http", "path": "/healthy", "graceSeconds": 7}
    op = an_op(a_task(probe=probe), a_task(id="side", ports=[]))

    tag = labels.read(a_container(op)["Labels"])

    assert tag is not None
    assert (tag.ref, tag.slot, tag.task, tag.revision) == (REF, 3, "main", "r1")
    assert (tag.address, tag.expected_tasks, tag.ports) == ("10.180.0.5", ("main", "side"), (8080,))
    assert tag.probe == op.spec.tasks[0].probe
    assert tag.replica == op.replica


def test_a_sandbox_is_the_one_without_a_task() -> None:
    body = containers.sandbox(DEFAULTS, an_op(), "sha256:pause", "net", "/resolv.conf")

    tag = labels.read(body["Labels"])

    assert tag is not None
    assert tag.task == ""


@pytest.mark.parametrize("missing", [labels.PROJECT, labels.SLOT, labels.TASKS, labels.REVISION])
def test_labels_that_are_not_complete_are_not_ours(missing: str) -> None:
    found = dict(a_container(an_op())["Labels"])
    del found[missing]

    assert labels.read(found) is None


@pytest.mark.parametrize(
    ("label", "broken"), [(labels.SLOT, "x"), (labels.TASKS, "["), (labels.PROBE, '{"type":"x"}')]
)
def test_labels_that_somebody_wrote_by_hand_are_not_ours(label: str, broken: str) -> None:
    assert labels.read({**a_container(an_op())["Labels"], label: broken}) is None


def test_labels_of_the_user_are_kept_and_never_pass_for_ours() -> None:
    op = an_op(labels={"team": "blue", labels.PROJECT: "bank", labels.PREFIX + "part": "gateway"})

    found = a_container(op)["Labels"]

    assert found["team"] == "blue"
    assert found[labels.PROJECT] == "shop"
    assert labels.PREFIX + "part" not in found


@given(st.tuples(IDS, IDS), st.tuples(IDS, IDS))
def test_different_services_have_different_networks_and_bridges(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    keys = {ServiceKey(*one), ServiceKey(*other)}

    assert len({labels.network_name("default", key) for key in keys}) == len(keys)
    assert len({interface(NETWORKING, key) for key in keys}) == len(keys)


@given(*[st.tuples(IDS, IDS, IDS, st.integers(0, 3), IDS | st.just(""))] * 2)
def test_different_containers_have_different_names(
    one: tuple[str, str, str, int, str], other: tuple[str, str, str, int, str]
) -> None:
    names = {
        labels.container_name("default", ServiceRef(*each[:3]), *each[3:]) for each in (one, other)
    }

    assert len(names) == len({one, other})


def test_a_service_is_not_another_one_that_reads_like_it() -> None:
    one, other = ServiceKey("a--b", "c"), ServiceKey("a", "b--c")

    assert labels.network_name("default", one) != labels.network_name("default", other)
    assert not labels.belongs(labels.network_labels("default", one), "default", other)


def test_names_are_for_people() -> None:
    assert labels.network_name("default", REF.key) == "space-cloud-shop--api"
    assert labels.network_name("test", REF.key) == "space-cloud-test-shop--api"
    name = labels.container_name("default", REF, 0, "main")
    assert name == "space-cloud-shop--api--v1.2--0--main"


def test_a_bridge_is_ours_by_its_prefix_and_fits_the_kernel() -> None:
    name = interface(NETWORKING, ServiceKey("a" * 63, "b" * 63))

    assert name.startswith(NETWORKING.interface_prefix)
    assert len(name) == 15


# ------------------------------------------------------------------ containers


def test_no_secret_value_is_anywhere_but_in_the_environment_and_the_files() -> None:
    op = an_op(a_task(secrets=["creds", "conf"]))

    body = a_container(op)

    assert "TOKEN=s3cret" in body.pop("Env")
    assert "s3cret" not in str(body)
    assert "äöü" not in str(body)


def test_what_the_task_says_is_stronger_than_its_secrets() -> None:
    op = an_op(a_task(secrets=["creds"], env={"NAME": "open"}))

    assert a_container(op)["Env"] == ["TOKEN=s3cret", "NAME=open"]


def test_files_lie_under_their_root_and_anybody_in_the_task_may_read_them() -> None:
    task = an_op(a_task(secrets=["conf"])).spec.tasks[0]

    packed = containers.files(task, (ENV, FILE), VALUES)

    assert packed is not None
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        members = {m.name: (m.mode, m.isfile()) for m in tar.getmembers()}
        content = tar.extractfile("etc/app/app.ini")
        assert content is not None
        assert content.read().decode() == "äöü"
    assert members == {"etc/app/app.ini": (0o444, True), "etc/app/empty": (0o444, True)}


def test_a_task_without_file_secrets_gets_no_files() -> None:
    task = an_op(a_task(secrets=["creds"])).spec.tasks[0]

    assert containers.files(task, (ENV, FILE), VALUES) is None


def test_bytes_of_a_file_are_packed_as_they_are() -> None:
    task = an_op(a_task(secrets=["conf"])).spec.tasks[0]
    content = bytes(range(256)) * 2
    secret = {"type": "file", "rootPath": "/etc/app"}
    given = Secret.model_validate(
        {**secret, "binaryData": {"app.ini": base64.b64encode(content).decode()}}
    )

    packed = containers.files(task, (FILE,), {"conf": given.values})

    assert packed is not None
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        file = tar.extractfile("etc/app/app.ini")
        assert file is not None
        assert file.read() == content


@pytest.mark.parametrize(("docker", "init"), [({}, True), ({"init": False}, False)])
def test_a_task_has_an_init_unless_it_says_no(docker: dict[str, Any], init: bool) -> None:
    body = a_container(an_op(a_task(docker={"image": "x", **docker})))

    assert body["HostConfig"]["Init"] is init


def test_how_long_a_task_may_take_to_end_is_known_to_the_engine_and_in_a_label() -> None:
    op = an_op(terminationGracePeriodSeconds=90)

    sandbox = containers.sandbox(DEFAULTS, op, "sha256:sandbox", "net", "/resolv.conf")

    assert a_container(op)["StopTimeout"] == 90
    tag = labels.read(sandbox["Labels"])
    assert tag is not None
    assert tag.termination_grace_seconds == 90
    assert "StopTimeout" not in a_container(an_op())


def test_a_restart_policy_is_a_label_and_containers_of_earlier_releases_have_none() -> None:
    found = dict(a_container(an_op(a_task(restart="on-failure")))["Labels"])

    tag = labels.read(found)
    del found[labels.RESTART]
    older = labels.read(found)

    assert tag is not None
    assert older is not None
    assert (tag.restart, older.restart) == ("on-failure", "always")
    assert labels.read({**found, labels.RESTART: "sometimes"}) is None


def test_an_interval_that_was_not_given_is_not_in_the_label() -> None:
    op = an_op(a_task(probe={"type": "http"}), a_task(id="side", ports=[]))

    tag = labels.read(a_container(op)["Labels"])

    assert tag is not None
    assert tag.probe is not None
    assert tag.probe.model_fields_set == {"type"}


def test_cmd_replaces_the_command_and_leaves_the_entrypoint() -> None:
    with_cmd = a_container(an_op(a_task(docker={"image": "x", "cmd": ["run", "--fast"]})))
    without = a_container(an_op())

    assert with_cmd["Cmd"] == ["run", "--fast"]
    assert "Cmd" not in without
    assert "Entrypoint" not in with_cmd


@pytest.mark.parametrize(
    ("resources", "memory", "shares", "nano"),
    [
        ({"memory": 64, "cpu": 500}, 64 << 20, 512, 0),
        ({"memory": 0, "cpu": 1000}, 0, 1024, 0),
        ({"memory": 512, "cpu": 1}, 512 << 20, 2, 0),
        ({"memory": 512, "cpu": 250, "cpuLimit": 1500}, 512 << 20, 256, 1_500_000_000),
    ],
)
def test_memory_is_a_limit_and_cpu_a_weight(
    resources: dict[str, int], memory: int, shares: int, nano: int
) -> None:
    host = a_container(an_op(a_task(resources=resources)))["HostConfig"]

    assert (host["Memory"], host["MemorySwap"]) == (memory, memory)
    assert (host["CpuShares"], host["NanoCpus"]) == (shares, nano)


def test_a_task_runs_the_image_by_its_id_in_its_sandbox() -> None:
    body = a_container(an_op())

    assert body["Image"] == "sha256:abc"
    assert body["HostConfig"]["NetworkMode"] == "container:sandbox-id"
    assert body["HostConfig"]["RestartPolicy"] == {"Name": "no"}
    assert body["Healthcheck"] == {"Test": ["NONE"]}


def test_restricted_tasks_have_no_capability_at_all() -> None:
    restricted = containers.PodDefaults("default", "restricted")

    assert a_container(an_op(), restricted)["HostConfig"]["CapDrop"] == ["ALL"]
    assert a_container(an_op())["HostConfig"]["CapDrop"] == ["NET_RAW", "MKNOD"]


def test_a_pod_asks_our_resolver_and_its_own_project_first() -> None:
    text = containers.resolv_conf("10.184.0.10", "shop").splitlines()

    assert text[0] == "nameserver 10.184.0.10"
    assert text[1] == "search shop.svc.cluster.local svc.cluster.local"
    assert "ndots:2" in text[2]


def test_a_long_name_of_a_replica_still_makes_a_host_name() -> None:
    op = replace(an_op(), ref=ServiceRef("shop", "a" * 58, "v1"), slot=0)

    name = containers.sandbox(DEFAULTS, op, "p", "net", "/r")["Hostname"]

    assert len(name) <= 63
    assert not name.endswith("-")


# ------------------------------------------------------------------ what is seen


NOON = "2026-01-01T12:00:00.123456789Z"
LATER = "2026-01-01T12:00:05Z"


def shown(op: CreateReplica, task: str, **state: Any) -> dict[str, Any]:
    body = (
        a_container(op)
        if task
        else containers.sandbox(DEFAULTS, op, "sha256:pause", "net", "/resolv.conf")
    )
    full = {"Status": "running", "StartedAt": NOON, "FinishedAt": observe.NEVER, "ExitCode": 0}
    return {
        "Id": f"id-{task or 'sandbox'}",
        "Image": "sha256:abc",
        "Config": {"Labels": body["Labels"]},
        "State": {**full, "Pid": 7, **state},
    }


def seen(*items: dict[str, Any], **health: Health) -> Any:
    found = [s for item in items if (s := observe.inspected(item)) is not None]
    health_of = {f"id-{task}": one for task, one in health.items()}
    return observe.workloads(REF.key, "10.180.0.0/25", found, health_of).replicas


def test_a_replica_with_all_its_tasks_ready_is_ready() -> None:
    op = an_op()

    [replica] = seen(shown(op, ""), shown(op, "main"), main=Health("ready"))

    assert replica.ready
    assert (replica.id, replica.address, replica.sandbox) == (op.replica, "10.180.0.5", "running")
    assert replica.tasks[0].started_at == datetime(2026, 1, 1, 12, 0, 0, 123456, UTC)


def test_a_task_that_nobody_asked_is_not_ready() -> None:
    op = an_op()

    [replica] = seen(shown(op, ""), shown(op, "main"))

    assert not replica.ready
    assert replica.tasks[0].health.state == "unknown"


def test_a_task_older_than_its_sandbox_is_orphaned() -> None:
    op = an_op()

    [replica] = seen(shown(op, "", StartedAt=LATER), shown(op, "main"), main=Health("ready"))

    assert replica.tasks[0].orphaned
    assert not replica.ready


@pytest.mark.parametrize(
    ("status", "sandbox"), [("running", "running"), ("exited", "stopped"), ("created", "stopped")]
)
def test_a_sandbox_runs_or_it_does_not(status: str, sandbox: str) -> None:
    op = an_op()

    [replica] = seen(shown(op, "", Status=status), shown(op, "main"))

    assert replica.sandbox == sandbox


@pytest.mark.parametrize(
    ("networks", "sandbox"),
    [
        ({"ours": {"IPAddress": "10.180.0.5"}}, "running"),
        ({"by-hand": {"IPAddress": "172.17.0.2"}}, "off its network"),
        ({}, "off its network"),
    ],
)
def test_a_sandbox_is_on_its_network_or_of_no_use(networks: dict[str, Any], sandbox: str) -> None:
    op = an_op()
    item = {**shown(op, ""), "NetworkSettings": {"Networks": networks}}

    [replica] = seen(item, shown(op, "main"), main=Health("ready"))

    assert replica.sandbox == sandbox
    assert replica.ready == (sandbox == "running")


@pytest.mark.parametrize(
    ("state", "networks", "subnet"),
    [
        ("running", {"ours": {"IPAddress": "10.140.3.130", "IPPrefixLen": 25}}, "10.140.3.128/25"),
        ("running", {"theirs": {"IPAddress": "10.140.3.130", "IPPrefixLen": 25}}, None),
        ("running", {"ours": {"IPAddress": "", "IPPrefixLen": 0}}, None),
        ("running", {}, None),
        ("exited", {"ours": {"IPAddress": "10.140.3.130", "IPPrefixLen": 25}}, None),
    ],
)
def test_what_runs_in_a_network_tells_its_subnet(
    state: str, networks: dict[str, Any], subnet: str | None
) -> None:
    item = {"State": state, "NetworkSettings": {"Networks": networks}}

    assert observe.subnet([{"State": "running"}, item], "ours") == subnet


def test_tasks_without_their_sandbox_are_still_a_replica() -> None:
    [replica] = seen(shown(an_op(), "main"))

    assert replica.sandbox == "missing"
    assert replica.expected_tasks == ("main",)


def test_an_exit_is_seen_with_all_that_explains_it() -> None:
    op = an_op()
    state = {"Status": "exited", "ExitCode": 137, "OOMKilled": True, "FinishedAt": LATER}

    [replica] = seen(shown(op, ""), shown(op, "main", **state))

    [task] = replica.tasks
    assert (task.state, task.exit_code, task.out_of_memory) == ("exited", 137, True)
    assert task.exited_at == datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("engine", "ours"),
    [
        ("running", "running"),
        ("paused", "running"),
        ("created", "created"),
        ("exited", "exited"),
        ("dead", "exited"),
        ("removing", "exited"),
        ("restarting", "exited"),
    ],
)
def test_the_engines_seven_states_are_three(engine: str, ours: str) -> None:
    op = an_op()

    [replica] = seen(shown(op, ""), shown(op, "main", Status=engine))

    assert replica.tasks[0].state == ours


@given(st.permutations(range(4)))
def test_the_order_of_the_engines_answer_means_nothing(order: list[int]) -> None:
    one, two = an_op(), replace(an_op(), slot=1)
    items = [shown(one, ""), shown(one, "main"), shown(two, ""), shown(two, "main")]

    assert seen(*[items[i] for i in order]) == seen(*items)


# ------------------------------------------------------------------ health

NO, STILL = NothingListens(80), ProbeAnswered("/", 80, 500)


@pytest.mark.parametrize(
    ("before", "reason", "after"),
    [
        (Health("starting"), None, Health("ready")),
        (Health("starting", 4, NO), STILL, Health("starting", 5, STILL)),
        (Health("ready"), None, Health("ready")),
        (Health("ready"), NO, Health("ready", 1, NO)),
        (Health("ready", 2, NO), NO, Health("failing", 3, NO)),
        (Health("ready", 2, NO), None, Health("ready")),
        (Health("failing", 3, NO), STILL, Health("failing", 4, STILL)),
        (Health("failing", 9, NO), None, Health("ready")),
    ],
)
def test_health_follows_the_answers(
    before: Health, reason: ProbeReason | None, after: Health
) -> None:
    assert judged(before, reason, 3) == after
