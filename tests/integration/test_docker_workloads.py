"""Replicas on a real engine: made, asked, killed, found again, removed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import pytest

from apps.images import ensure_test_images
from docker_bench import GONE, KEY, REF, Bench, now, open_bench, values
from docker_objects import DOCKER_HOST, Container, create
from eventually import BUSY, eventually
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine, connect
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.ownership import Ownership
from spacecloud.drivers.docker.pods.last_looks import GOOD_SECONDS
from spacecloud.drivers.docker.pods.local_images import LocalImages
from spacecloud.drivers.docker.pods.replicas import Pods
from spacecloud.drivers.docker.pods.workloads import DockerWorkloads
from spacecloud.drivers.driver import Hint, LogRequest
from spacecloud.errors import NotFound, Terminal, Transient
from spacecloud.model.refs import ServiceKey
from spacecloud.model.secret import SecretFacts
from spacecloud.reasons.images import ImageVanished
from spacecloud.reasons.platform import SecretMissing
from spacecloud.reasons.tasks import NothingListens
from spacecloud.workloads.operations import (
    PullImage,
    RemoveNetwork,
    RemoveReplica,
    RestartTask,
    StartTask,
    StopReplica,
)

pytestmark = pytest.mark.docker


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


async def test_usage_is_what_the_engine_counts_and_is_read_without_it(bench: Bench) -> None:
    await bench.workloads.execute(bench.op())
    task = (await bench.ready()).tasks[0]

    async def counted() -> tuple[float, int]:
        stats = await bench.engine.get(f"containers/{task.container}/stats", stream=False)
        memory, cpu = stats["memory_stats"], stats["cpu_stats"]["cpu_usage"]["total_usage"]
        of_files = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file"))
        return cpu / 1e9, memory["usage"] - of_files

    cpu_before, memory_before = await counted()
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        [used] = (await bench.workloads.resources.usage(KEY)).values()
        seconds.append(time.perf_counter() - began)
    cpu_after, memory_after = await counted()

    assert 0 < cpu_before <= used.cpu_seconds <= cpu_after
    low, high = sorted((memory_before, memory_after))
    assert low - (8 << 20) < used.memory_bytes < high + (8 << 20)
    assert used.memory_bytes > 1 << 20
    print(f"\nusage: {used}, read in {median(seconds) * 1000:.2f} ms")
    assert median(seconds) < 0.001 * BUSY


async def test_what_an_image_says_of_its_health_and_its_volumes_is_known(
    bench: Bench,
) -> None:
    test = 'HEALTHCHECK --timeout=2s CMD ["/usr/bin/call", "http", "http://127.0.0.1:1/"]'
    made = await create(bench.engine, {"Image": bench.image})
    changes = f"{test}\nVOLUME /data /log"
    committed = await bench.engine.post("commit", {}, container=made.id, changes=changes)
    await made.delete()
    try:
        await bench.workloads.images([bench.image, committed["Id"]])
        assert bench.workloads.volumes() == {committed["Id"]: ("/data", "/log")}
        asked = replace(bench.op(), images={"main": committed["Id"]})
        await bench.workloads.execute(asked)

        async def not_ready() -> None:
            health = (await bench.main()).health
            assert "http://127.0.0.1:1/' ended with code 1" in str(health.reason), health

        await eventually(not_ready, within=30)

        await bench.workloads.execute(RemoveReplica(REF, (await bench.replica()).id))
        declared = bench.op(bench.task(probe={"type": "tcp"}))
        await bench.workloads.execute(replace(declared, images={"main": committed["Id"]}))
        await bench.ready()
    finally:
        for left in (await bench.workloads.observe(KEY)).replicas:
            await bench.workloads.execute(RemoveReplica(REF, left.id))
        await bench.engine.delete(f"images/{committed['Id']}", force=True)


async def test_a_replica_comes_up_with_its_address_and_is_found_by_a_stranger(bench: Bench) -> None:
    op = bench.op()

    await bench.workloads.execute(op)
    await bench.workloads.execute(op)

    replica = await bench.ready()
    assert (replica.address, replica.revision, replica.sandbox) == ("10.140.0.2", "r1", "running")
    stranger = DockerWorkloads(
        bench.engine, bench.settings, networking_of(bench.settings), values, now
    )
    async with stranger.run():
        assert {t.health.state for t in (await bench.replica(stranger)).tasks} <= {
            "starting",
            "unknown",
            "ready",
        }

        async def ready() -> None:
            assert (await bench.replica(stranger)).ready

        await eventually(ready)
        assert list(await stranger.observe_all()) == [KEY]


async def test_a_start_asks_the_engine_for_nothing_that_it_has_told(
    bench: Bench,
) -> None:
    """Its calls in their order: what it makes, one look at that, and nothing at the verdict."""
    calls: list[str] = []

    async def note(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        calls.append(f"{request.method} {shape(request.url.path)}")
        return await handler(request)

    async with connect(DOCKER_HOST, note) as engine, bench.over(engine) as workloads:
        hints = workloads.hints()
        await workloads.images([bench.image])
        async with asyncio.timeout(10):
            heard = await anext(hints)
        calls.clear()

        await workloads.execute(bench.op())
        replica, began = await bench.replica(workloads), time.monotonic()
        while not replica.ready:
            async with asyncio.timeout(10):
                assert await anext(hints) == Hint(KEY, "health")
            replica = await bench.replica(workloads)

    is_quick = time.monotonic() - began < GOOD_SECONDS
    assert heard.key is None
    assert (calls if is_quick else calls[:8]) == [
        "GET images",  # the sandbox's, once for each control plane
        "POST containers/create",
        *["POST containers/start", "POST containers/create"],
        "POST containers/start",
        "GET containers",
        *["GET container", "GET container"],
    ]


async def test_a_task_that_ends_is_seen_though_it_was_ready_a_moment_ago(bench: Bench) -> None:
    await bench.workloads.execute(bench.op())
    hints = bench.workloads.hints()
    task = (await bench.ready()).tasks[0]

    await Container(bench.engine, task.container).kill("SIGKILL")
    async with asyncio.timeout(10):
        while (await anext(hints)).reason != "engine":
            pass

    async def seen() -> None:
        assert (await bench.main()).state == "exited"

    await eventually(seen)


async def test_an_image_that_went_after_it_was_asked_for_has_vanished(bench: Bench) -> None:
    made = await create(bench.engine, {"Image": bench.image})
    committed = await bench.engine.post("commit", {}, container=made.id)
    await made.delete()
    await bench.workloads.images([committed["Id"]])
    await bench.engine.delete(f"images/{committed['Id']}", force=True)

    with pytest.raises(Transient) as vanished:
        await bench.workloads.execute(replace(bench.op(), images={"main": committed["Id"]}))

    assert vanished.value.reason == ImageVanished(bench.image)


async def test_two_tasks_share_one_localhost(bench: Bench) -> None:
    second = bench.task(
        id="side", ports=[{"port": 9090}], env={"HTTP_PORT": "9090", "NAME": "side"}
    )
    await bench.workloads.execute(bench.op(bench.task(), second))

    replica = await bench.ready()

    main = next(t.container for t in replica.tasks if t.task == "main")
    answer = await bench.call(main, "http", "http://localhost:9090/")
    assert "side" in json.dumps(answer)


async def test_a_becoming_ready_is_hinted_at(bench: Bench) -> None:
    hints = bench.workloads.hints()

    await bench.workloads.execute(bench.op())
    await bench.workloads.observe(KEY)

    async with asyncio.timeout(20):
        async for hint in hints:
            if (hint.key, hint.reason) == (KEY, "health"):
                break
    await bench.ready(within=BUSY)


async def test_an_app_on_loopback_only_is_told_so(bench: Bench) -> None:
    code = "import http.server as h; h.HTTPServer(('127.0.0.1', 8080), h.BaseHTTPRequestHandler).serve_forever()"
    await bench.workloads.execute(bench.op(_python(bench, code)))

    async def reported() -> None:
        assert "listens on 127.0.0.1:8080 only" in str((await bench.main()).health.reason)

    await eventually(reported)


def _python(bench: Bench, code: str, **given: Any) -> dict[str, Any]:
    docker = {"image": bench.image, "cmd": ["-c", code]}
    return bench.task(docker=docker, **given)


async def test_an_http_probe_wants_a_good_answer(bench: Bench) -> None:
    probe = {"type": "http", "path": "/nowhere-at-all", "port": 9}
    await bench.workloads.execute(bench.op(bench.task(probe=probe)))

    async def reported() -> None:
        assert (await bench.main()).health.reason == NothingListens(9, (8080,))

    await eventually(reported)


@pytest.mark.parametrize(
    ("command", "ready", "reason"),
    [
        (["call", "http", "http://127.0.0.1:8080/"], True, ""),
        (["no-such-program"], False, "no-such-program"),
    ],
)
async def test_an_exec_probe_is_the_commands_exit_code(
    bench: Bench, command: list[str], ready: bool, reason: str
) -> None:
    probe = {"type": "exec", "command": command, "timeoutSeconds": 5}
    await bench.workloads.execute(bench.op(bench.task(probe=probe)))

    async def judged() -> None:
        health = (await bench.main()).health
        assert (health.state == "ready") == ready
        assert reason in str(health.reason or "")
        assert ready or health.reason

    await eventually(judged)


async def test_probe_commands_that_hang_are_killed_and_do_not_pile_up(bench: Bench) -> None:
    hangs = ["/usr/bin/python3", "-c", "import time; time.sleep(1000)"]
    probe = {"type": "exec", "command": hangs, "timeoutSeconds": 0.5}
    await bench.workloads.execute(bench.op(bench.task(probe=probe)))
    container = (await bench.main()).container

    async def often() -> None:
        assert (await bench.main()).health.failures >= 4

    await eventually(often, within=30)
    processes = await Container(bench.engine, container).processes()
    assert len([line for line in processes if "sleep(1000)" in line[-1]]) <= 1
    assert "no answer to its exec probe within 0.5 s" in str((await bench.main()).health.reason)


async def with_secrets(bench: Bench, env: int, file: int) -> tuple[str, str, str]:
    """A task that has them at these versions: its container, its environment, its file."""
    facts = (
        SecretFacts("shop", "creds", "env", "", ("TOKEN",), env),
        SecretFacts("shop", "conf", "file", "/etc/app", ("app.ini",), file),
    )
    task = bench.task(secrets=["creds", "conf"])
    await bench.workloads.execute(bench.op(task, secrets=facts))
    container = (await bench.ready()).tasks[0].container
    environment = await bench.call(container, "http", "http://127.0.0.1:8080/env")
    content = await bench.call(
        container, "http", "http://127.0.0.1:8080/file?path=/etc/app/app.ini"
    )
    return container, json.dumps(environment), json.dumps(content)


async def test_secrets_reach_the_task_and_no_label(bench: Bench) -> None:
    container, environment, content = await with_secrets(bench, 1, 1)

    assert "s3cret-in-env" in environment
    assert "s3cret-in-file" in content
    shown = await Container(bench.engine, container).show()
    assert "s3cret" not in json.dumps(shown["Config"]["Labels"])


async def test_a_task_gets_the_values_of_the_versions_that_its_revision_names(
    bench: Bench,
) -> None:
    _, environment, content = await with_secrets(bench, 2, 3)

    assert "s3cret-in-env-2" in environment
    assert "s3cret-in-file-3" in content


async def test_a_replica_whose_secret_has_moved_on_is_not_made_and_is_tried_again(
    bench: Bench,
) -> None:
    facts = (SecretFacts("shop", "creds", "env", "", ("TOKEN",), GONE),)

    with pytest.raises(Transient) as failed:
        await bench.workloads.execute(bench.op(bench.task(secrets=["creds"]), secrets=facts))

    assert failed.value.reason == SecretMissing("shop", "creds", GONE)
    assert (await bench.workloads.observe(KEY)).replicas == ()


async def test_a_pull_whose_credentials_are_not_there_is_not_begun_and_is_tried_again(
    bench: Bench,
) -> None:
    with pytest.raises(Transient) as failed:
        await bench.workloads.execute(PullImage(REF, "127.0.0.1:1/never:1", "login", 1))

    assert failed.value.reason == SecretMissing("shop", "login")
    assert bench.workloads.pulls(KEY) == ()


async def test_a_task_that_was_made_and_not_started_has_its_secret_files_when_it_is(
    bench: Bench,
) -> None:
    facts = (SecretFacts("shop", "conf", "file", "/etc/app", ("app.ini",), 1),)
    op = bench.op(bench.task(secrets=["conf"]), secrets=facts)
    await bench.workloads.execute(op)
    whole = await Container(bench.engine, (await bench.main()).container).show()
    await Container(bench.engine, whole["Id"]).delete()
    half = {**whole["Config"], "Hostname": "", "HostConfig": whole["HostConfig"]}
    await create(bench.engine, half, name=whole["Name"].lstrip("/"))

    await bench.workloads.execute(op)

    container = (await bench.ready()).tasks[0].container
    content = await bench.call(
        container, "http", "http://127.0.0.1:8080/file?path=/etc/app/app.ini"
    )
    assert "s3cret-in-file" in json.dumps(content)


async def test_an_engine_that_fails_once_with_secret_files_is_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = (SecretFacts("shop", "conf", "file", "/etc/app", ("app.ini",), 1),)
    op = bench.op(bench.task(secrets=["conf"]), secrets=facts)

    async def refuse(*_: object) -> None:
        raise EngineError(500, "the disk is busy")

    with monkeypatch.context() as failing:
        failing.setattr(Engine, "put_archive", refuse)
        with pytest.raises(Transient, match="disk is busy"):
            await bench.workloads.execute(op)
    await bench.workloads.execute(op)

    assert (await bench.ready()).tasks[0].state == "running"


async def test_secret_files_where_the_image_has_a_file_are_refused_for_good(bench: Bench) -> None:
    facts = (SecretFacts("shop", "conf", "file", "/etc/passwd/app", ("app.ini",), 1),)

    with pytest.raises(Terminal, match="not a directory"):
        await bench.workloads.execute(bench.op(bench.task(secrets=["conf"]), secrets=facts))


async def test_a_pause_image_that_was_removed_is_built_again(bench: Bench) -> None:
    owner, removed = Ownership.of(bench.settings), "sha256:" + "0" * 64
    images = LocalImages(bench.engine)
    pods = Pods(bench.engine, bench.settings, values, owner, images, removed)

    with pytest.raises(Transient):
        await pods.create(bench.op())
    await pods.create(bench.op())

    assert (await bench.replica()).sandbox == "running"


async def test_a_killed_sandbox_leaves_a_task_orphaned_and_a_restart_brings_it_back(
    bench: Bench,
) -> None:
    await bench.workloads.execute(bench.op())
    replica = await bench.ready()
    sandbox = labels.container_name(bench.settings.instance, REF, 0, "")
    await Container(bench.engine, sandbox).restart()

    async def orphaned() -> None:
        assert (await bench.replica()).tasks[0].orphaned

    await eventually(orphaned)
    task = replica.tasks[0]
    await bench.workloads.execute(RestartTask(REF, replica.id, task.task, task.container))
    assert not (await bench.ready()).tasks[0].orphaned


async def test_a_removed_task_is_missed_and_made_again(bench: Bench) -> None:
    op = bench.op()
    await bench.workloads.execute(op)
    before = await bench.ready()
    await Container(bench.engine, before.tasks[0].container).delete()

    missed = await bench.replica()
    await bench.workloads.execute(op)

    assert missed.tasks == ()
    assert missed.expected_tasks == ("main",)
    assert (await bench.ready()).tasks[0].container != before.tasks[0].container


async def test_an_exit_is_seen_with_its_code_and_last_words(bench: Bench) -> None:
    code = "import sys; print('no database'); sys.exit(3)"
    await bench.workloads.execute(bench.op(_python(bench, code)))

    async def ended() -> None:
        task = await bench.main()
        assert (task.state, task.exit_code) == ("exited", 3)

    await eventually(ended)
    assert await bench.workloads.logs.last_lines("shop", "api--v1--0", "main", 3) == ["no database"]
    task = await bench.main()
    await bench.workloads.execute(StartTask(REF, "api--v1--0", "main", task.container))

    async def again() -> None:
        assert (await bench.main()).exited_at != task.exited_at

    await eventually(again)


async def test_logs_are_whole_lines_and_can_be_followed(bench: Bench) -> None:
    code = "import time\nfor n in range(1000):\n print('line', n, flush=True)\n time.sleep(0.05)"
    await bench.workloads.execute(bench.op(_python(bench, code)))

    lines: list[bytes] = []
    async with asyncio.timeout(20):
        async for line in bench.workloads.logs.lines(
            LogRequest("shop", "api--v1--0", "", follow=True)
        ):
            lines.append(line)
            if len(lines) == 5:
                break

    assert lines == [f"line {n}\n".encode() for n in range(5)]
    with pytest.raises(NotFound, match="has no task nope"):
        await anext(aiter(bench.workloads.logs.lines(LogRequest("shop", "api--v1--0", "nope"))))


async def test_a_stopped_replica_ends_by_itself_and_is_removed(bench: Bench) -> None:
    await bench.workloads.execute(bench.op())
    replica = await bench.ready()

    await bench.workloads.execute(StopReplica(REF, replica.id))

    async def ended() -> None:
        assert (await bench.main()).state == "exited"

    await eventually(ended)
    await bench.workloads.execute(RemoveReplica(REF, replica.id))
    await bench.workloads.execute(RemoveReplica(REF, replica.id))
    assert (await bench.workloads.observe(KEY)).replicas == ()


async def test_limits_and_hardening_are_set(bench: Bench) -> None:
    resources = {"memory": 64, "cpu": 500, "cpuLimit": 250}
    await bench.workloads.execute(bench.op(bench.task(resources=resources)))
    replica = await bench.replica()

    shown = await Container(bench.engine, replica.tasks[0].container).show()

    host = shown["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 64 * 1024 * 1024
    assert (host["CpuShares"], host["NanoCpus"]) == (512, 250_000_000)
    assert set(host["CapDrop"]) == {"NET_RAW", "MKNOD"}
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["PidsLimit"] > 0
    assert host["LogConfig"]["Config"]["max-size"] == "10m"
    assert host["RestartPolicy"]["Name"] in ("", "no")


ORPHANS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
for _ in range(5):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.2)
        os._exit(0)
    os.wait()
time.sleep(0.5)
def state(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
zombies = [p for p in os.listdir("/proc") if p.isdigit() and state(p) == "Z"]
print(os.getpid() == 1, len(zombies), flush=True)
signal.pause()
"""
"""Leaves five processes behind, and says whether it is process 1 and how many are zombies."""


@pytest.mark.parametrize(("init", "said"), [({}, "False 0"), ({"init": False}, "True 5")])
async def test_orphans_are_reaped_by_an_init_unless_there_is_to_be_none(
    bench: Bench, init: dict[str, bool], said: str
) -> None:
    docker = {"image": bench.image, "cmd": ["-c", ORPHANS], **init}
    await bench.workloads.execute(bench.op(bench.task(docker=docker, ports=[])))

    async def told() -> None:
        assert await bench.workloads.logs.last_lines("shop", "api--v1--0", "main", 1) == [said]

    await eventually(told, within=30)
    await bench.workloads.execute(StopReplica(REF, "api--v1--0"))

    async def ended() -> None:
        task = await bench.main()
        assert (task.state, task.exit_code) == ("exited", 7)

    await eventually(ended, within=20)


@pytest.mark.parametrize("program", ["/no/such", "/etc/passwd"])
async def test_a_program_that_the_init_cannot_start_is_named(bench: Bench, program: str) -> None:
    made = await create(bench.engine, {"Image": bench.image})
    entrypoint = f'ENTRYPOINT ["{program}"]'
    image = await bench.engine.post("commit", {}, container=made.id, changes=entrypoint)
    await made.delete()
    try:
        await bench.workloads.execute(replace(bench.op(), images={"main": image["Id"]}))

        async def ended() -> None:
            task = await bench.main()
            assert task.state == "exited"
            words = await bench.workloads.logs.last_lines("shop", "api--v1--0", "main", 5)
            assert str(task.ending(" | ".join(words))).startswith(f"exec {program}: "), words

        await eventually(ended, within=20)
    finally:
        await bench.workloads.execute(RemoveReplica(REF, "api--v1--0"))
        await bench.engine.delete(f"images/{image['Id']}", force=True)


async def test_an_engine_without_an_init_starts_tasks_without_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = Engine.post

    async def without_init(engine: Engine, path: str, *given: Any, **options: Any) -> Any:
        if path.endswith("/start"):
            container = await engine.get(path.replace("/start", "/json"))
            if container["HostConfig"].get("Init"):
                words = 'exec: "docker-init": executable file not found in $PATH'
                raise EngineError(500, words)
        return await post(engine, path, *given, **options)

    monkeypatch.setattr(Engine, "post", without_init)
    with pytest.raises(Transient, match="has no docker-init"):
        await bench.workloads.execute(bench.op())
    await bench.workloads.execute(bench.op())

    await bench.ready()


SIX = """
import http.server as h, socket, socketserver
print(sorted(line.split()[-1] for line in open("/proc/net/if_inet6")), flush=True)
class Six(socketserver.TCPServer):
    address_family = socket.AF_INET6
class Hello(h.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"six")
Six(("localhost", 8081), Hello).serve_forever()
"""


async def test_a_pod_has_ipv6_on_its_loopback_and_nowhere_else(bench: Bench) -> None:
    side = {"id": "six", "docker": {"image": bench.image, "cmd": ["-c", SIX]}}
    await bench.workloads.execute(bench.op(bench.task(), side))
    replica = await bench.ready()

    main = next(t.container for t in replica.tasks if t.task == "main")

    async def answers() -> None:
        assert "six" in json.dumps(await bench.call(main, "http", "http://[::1]:8081/"))

    await eventually(answers, within=20)
    assert "api" in json.dumps(await bench.call(main, "http", "http://localhost:8080/"))
    assert "['lo']" in await bench.workloads.logs.last_lines("shop", "api--v1--0", "six", 50)


async def test_an_http_probe_sends_the_host_that_it_is_given(bench: Bench) -> None:
    code = """
import http.server as h
class Choosy(h.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.headers["Host"] == "shop.example.com" else 400)
        self.end_headers()
h.HTTPServer(("0.0.0.0", 8080), Choosy).serve_forever()
"""
    probe = {"type": "http", "path": "/health"}
    await bench.workloads.execute(bench.op(_python(bench, code, probe=probe)))

    async def refused() -> None:
        assert "answered 400" in str((await bench.main()).health.reason)

    await eventually(refused, within=20)
    named = bench.op(_python(bench, code, probe={**probe, "host": "shop.example.com"}))
    await bench.workloads.execute(replace(named, revision="r2"))
    await bench.ready()


async def test_an_image_that_no_registry_gives_is_hopeless_and_named(bench: Bench) -> None:
    await bench.workloads.execute(PullImage(REF, "127.0.0.1:1/no/such:1", "", 1))

    async def failed() -> None:
        (pull,) = bench.workloads.pulls(KEY)
        assert pull.state == "failed"
        assert "image 127.0.0.1:1/no/such:1 cannot be pulled" in str(pull.reason)

    await eventually(failed, within=20)


async def test_a_container_of_that_name_that_is_not_ours_is_left_alone(bench: Bench) -> None:
    name = labels.container_name(bench.settings.instance, REF, 0, "main")
    foreign = await create(bench.engine, {"Image": bench.image}, name=name)
    try:
        with pytest.raises(Terminal, match="is not ours"):
            await bench.workloads.execute(bench.op())
        assert await foreign.show()
    finally:
        await foreign.delete()


async def test_another_revision_takes_the_slot_over(bench: Bench) -> None:
    await bench.workloads.execute(bench.op())
    await bench.ready()

    await bench.workloads.execute(replace(bench.op(), revision="r2"))

    assert (await bench.ready()).revision == "r2"


async def test_images_are_known_by_name_and_by_id(bench: Bench) -> None:
    reference = ensure_test_images()["echo"]

    found = await bench.workloads.images([reference, bench.image, "no/such:1"])

    assert found == {reference: bench.image, bench.image: bench.image, "no/such:1": None}


@pytest.mark.attack
async def test_containers_and_networks_of_strangers_are_in_no_listing_and_stay(
    bench: Bench,
) -> None:
    await bench.workloads.execute(bench.op())
    before = await bench.ready()
    instance = bench.settings.instance
    main = await Container(bench.engine, before.tasks[0].container).show()
    own: dict[str, str] = main["Config"]["Labels"]
    ghost = {**own, labels.SERVICE: "ghost", labels.PROJECT: "bank"}
    shapes = [own, {**own, labels.TASKS: "5"}, {**own, labels.SLOT: "1"}, ghost]
    strangers = [
        await create(
            bench.engine, {"Image": bench.image, "Labels": its}, name=f"{instance}-stranger-{n}"
        )
        for n, its in enumerate(shapes)
    ]
    network = await bench.engine.post(
        "networks/create",
        {
            "Name": f"{instance}-stranger",
            "Labels": labels.network_labels(instance, ServiceKey("bank", "ghost")),
        },
    )
    try:
        for stranger in strangers:
            await stranger.start()

        seen = await bench.workloads.observe_all()
        assert list(seen) == [KEY]
        assert [r.id for r in seen[KEY].replicas] == [before.id]
        assert [r.id for r in (await bench.workloads.observe(KEY)).replicas] == [before.id]
        assert await bench.replica() == before
        with pytest.raises(NotFound):
            await anext(bench.workloads.logs.lines(LogRequest("bank", "ghost--v1--0", "main")))

        await bench.workloads.execute(StopReplica(REF, before.id))
        await bench.workloads.execute(RemoveReplica(REF, before.id))
        await bench.workloads.execute(RemoveReplica(REF, "api--v1--1"))
        await bench.workloads.execute(RemoveNetwork(ServiceKey("bank", "ghost")))

        assert await bench.workloads.observe_all() == {KEY: await bench.workloads.observe(KEY)}
        for stranger in strangers:
            assert (await stranger.show())["State"]["Running"]
        assert await bench.engine.get(f"networks/{network['Id']}")
    finally:
        for stranger in strangers:
            await stranger.delete()
        await bench.engine.delete(f"networks/{network['Id']}")


def shape(path: str) -> str:
    """Of what is asked for, without the version, names and ids."""
    match path.split("/")[2:]:
        case ["containers", _, "json"]:
            return "container"
        case ["containers", _, what]:
            return f"containers/{what}"
        case [kind, *_, "json"]:
            return kind
        case others:
            return "/".join(others)
