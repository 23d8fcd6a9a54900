"""Every reason has a code that never changes, a sentence, and what to do in the docs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from spacecloud.errors import Terminal, Transient
from spacecloud.reasons import (
    images,
    notices,
    platform,
    scale_requests,
    scaling,
    services,
    steps,
    tasks,
)
from spacecloud.reasons.union import ALL, Reason

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "reasons.md"
CODES = ROOT / "tests" / "golden" / "reason_codes.txt"
"""Part of the API: a line may be added, none removed or changed."""

EXAMPLES: tuple[Reason, ...] = (
    tasks.OutOfMemory(),
    tasks.Exited(127, "sh: nope: not found"),
    tasks.BackOff(tasks.Exited(1), 2),
    tasks.CrashLoop(tasks.Exited(1), 3),
    tasks.NotRestarted(tasks.Exited(1)),
    tasks.Completed(),
    tasks.JobRunning(),
    tasks.EndedLately(2),
    tasks.StartFailed("the engine's words"),
    tasks.ProgramNotFound("start task web--v1--0/main", "the engine's words"),
    tasks.NoCommand("web:1"),
    tasks.PodDown("stopped"),
    tasks.NothingListens(8080),
    tasks.OnlyOnLoopback(8080),
    tasks.ProbeAnswered("/ready", 8080, 500),
    tasks.ProbeFailed("/ready", 8080, "not HTTP"),
    tasks.ProbeTimedOut("http", 1),
    tasks.ProbeExited("pg_isready", 2),
    tasks.ProbeNotRun("pg_isready", "no such file or directory"),
    tasks.ProbeNotAsked("pg_isready", "the engine is away"),
    tasks.ProbeWithoutPort(),
    tasks.JustStarted(),
    tasks.WakeTimedOut(60, tasks.NothingListens(8080)),
    images.ImageNotFound("web:1", "manifest unknown"),
    images.RegistryDenied("web:1", "authentication required"),
    images.RegistryUnavailable("far.example/web:1", 3, "no such host"),
    images.RegistryNotResolved("far.example/web:1", "far.example", 3, "no such host"),
    images.NoSpaceForImage("web:1", "no space left on device"),
    images.PullTimedOut("web:1", 1800),
    images.PullFailed("web:1", "the engine's words"),
    images.InvalidImageName("Web:1", "a name has lower case letters"),
    images.NoImageForPlatform("web:1", "no matching manifest for linux/amd64"),
    images.OtherArchitecture("web:1", "arm64", "amd64"),
    images.ImageVanished("web:1"),
    platform.EngineUnavailable("the Docker Engine cannot be reached: connection refused"),
    platform.EngineFailed("create network", "the engine's words"),
    platform.EngineRefused("create web--v1--0--main", "the engine's words"),
    platform.NameTaken("container", "web--v1--0"),
    platform.SecretUnusable("main", "db"),
    platform.SecretMissing("shop", "db"),
    platform.SecretNotWritten("main", "not a directory"),
    platform.GatewayRejected("the gateway's words"),
    platform.GatewayUnavailable("the gateway ended the conversation"),
    platform.ConnectionsRefused(),
    platform.PartEnded(1, "no such flag: --x"),
    platform.PartDown("gateway", platform.PartEnded(1, "no such flag"), "space-cloud-gateway"),
    platform.HostFailed("write the names of shop/web", "no space left on device"),
    platform.ProgramUnusable("/usr/sbin/dnsmasq is not installed", "apt-get install dnsmasq-base"),
    platform.NotRemoved((platform.EngineFailed("remove network sc-web", "it is in use"),)),
    platform.ControlPlaneStarting("nothing is pulled"),
    platform.NotAwakeInTime(300),
    platform.SubnetFull("10.180.0.0/25", 125),
    platform.StoreRefused("the store's words"),
    platform.InternalError("KeyError('a')"),
    platform.WokenMeanwhile("web--v1--0"),
    services.NotObserved(),
    services.BeingObserved(),
    services.LookFailed(platform.EngineFailed("look at shop/web", "the engine's words")),
    services.Asleep(),
    services.NoneAskedFor(),
    services.Sleeping("frozen", datetime(2026, 1, 1, 12, tzinfo=UTC)),
    services.Progressing("pulling web:1"),
    services.Confirming(5),
    services.RolledBack(2, 1, "web--v1--1/main", "exited with code 1; last said: no database"),
    services.NotConfirmed(1, "web--v1--0/main", "exited with code 1; last said: no database"),
    services.CallDenied("shop/web", 6379, 2, "add shop/web to the whitelists of shop/db"),
    services.NoCaller(),
    scaling.InFlight(2),
    scaling.ConnectionsOpen(1),
    scaling.CallsOthers(("shop/db", "shop/queue")),
    scaling.CpuBusy(140, 100),
    scaling.LeaseHeld(datetime(2026, 7, 3, 12, 30, tzinfo=UTC)),
    scaling.AwakeHour(datetime(2026, 7, 3, 18, tzinfo=UTC)),
    scaling.ScheduleOpen("office", 3),
    scaling.NoReplicaReady(),
    scaling.NotSettled(),
    scaling.LoadUnknown(("active-requests",)),
    scaling.LoadChanged("active-requests", 132.25, 35),
    scaling.BoundsChanged(2, 4),
    scaling.Unused(60),
    scaling.Called(),
    scaling.SleepNotAllowed("frozen"),
    scaling.AskedFor(3),
    scaling.AskedToSleep(),
    scaling.AskedToWake(),
    scaling.CallerAwake(connected=False),
    scaling.CalledAsleep(),
    scaling.LeaseTaken(),
    scaling.TriggerNotSupported("rabbitmq", "Docker"),
    scaling.MemoryShort(512, 120),
    scale_requests.UntilNextApply(3),
    scale_requests.OutsideBounds(5, 1, 4),
    scale_requests.NobodyWakesIt(),
    scale_requests.StillWaking(50),
    scale_requests.MinimumKeepsAwake(1, "scale.minReplicas"),
    scale_requests.ScaleNotWritten(),
    scale_requests.NoPortToWakeIt(),
    scale_requests.NoneAllowed("scale.maxReplicas"),
    notices.ProjectCreated("shop"),
    notices.RoleWithoutService("shop/web"),
    notices.FieldIgnored("affinity", "one machine has nothing to choose between"),
    notices.ReplicasFixed("autoScale.maxReplicas", 2),
    notices.SleepNotSupported(),
    notices.MaximumBelowMinimum(2, 5),
    notices.NothingToProbe("main"),
    notices.VolumeNotKept("main", ("/data",)),
    notices.HostPortClosed("shop", (4122,)),
    notices.UpstreamsUnited("shop/api", ("v1", "v2")),
    notices.WhitelistsDiffer("shop/api", ("v1", "v2"), "api.shop.svc.cluster.local", "v1"),
    notices.PeerNotDeclared("shop/api", "upstreams", "shop/db"),
    notices.PeerOneSided("shop/api", "upstreams", "shop/db"),
    notices.RouteNotServed("shop/web", "the gateway's words"),
    notices.RouteTargetMissing("shop/web", "web.shop.svc.cluster.local"),
    notices.RouteVersionMissing("shop/web", "shop/web", "v9"),
    notices.RoutePortMissing("shop/web", "shop/web", 1, (8080, 9090)),
    notices.RoutePortNotHttp("shop/web", "shop/db", 5432),
    notices.RouteTargetOutside("shop/web", "example.com"),
    notices.RouteRuleUnsupported("shop/web", "webhook"),
    notices.RouteWithoutHosts("shop/web"),
    notices.RouteBehindApi("shop/web", "/v1/config"),
    notices.EscapedSlashesNotKept("shop/web", "shop/deny", "/a%2Fb"),
    notices.RouteNeverReached("shop/web", "shop/all", "/shop"),
    notices.TrialNotSkipped(),
    steps.Deleted(),
    steps.NotDeclared(),
    steps.VersionRemoved(),
    steps.NothingLeft(),
    steps.PullNotWanted(),
    steps.NetworkMissing(),
    steps.NetworkDiffers("10.180.0.0/25", "10.180.1.0/25"),
    steps.NamesMissing(),
    steps.NamesDiffer(),
    steps.NotPublished(),
    steps.FaceChanged(),
    steps.EndpointsChanged(ready=("10.180.0.2",), gone=("10.180.0.3",)),
    steps.NotAcknowledged(),
    steps.SlotEmpty(2, 1),
    steps.SandboxLost("stopped"),
    steps.TasksMissing(("main", "side")),
    steps.RevisionMissing(2),
    steps.RevisionImageGone(1),
    steps.SecretChanged(("db",)),
    steps.ImageMissing(),
    steps.PullAlways(),
    steps.RevisionReplaced("4f1d09c2"),
    steps.RevisionGivenUp(2),
    steps.NoneWanted(),
    steps.Surplus(1),
    steps.Idle(steps.Surplus(1)),
    steps.StillBusy(steps.Surplus(1), 30),
    steps.AskedToEnd(),
    steps.GraceOver(10),
    steps.Orphaned(),
    steps.Unhealthy(6, tasks.NothingListens(8080)),
    steps.NotReadyInTime(60, tasks.NothingListens(8080)),
    steps.NotEveryTaskReady(),
    steps.UnderWay(),
    steps.AllServe(),
    steps.Lasted(5),
    steps.FallsAsleep("frozen"),
    steps.BusyWhileFrozen(),
    steps.Awake(),
    steps.GateChanged(shut=("v1",), open=("v2",)),
)


def row(reason: Reason) -> str:
    return f"| `{reason.code}` | {' '.join(str(reason).split())} | {reason.fix or '-'} |"


def test_codes_are_unique_and_never_change() -> None:
    codes = sorted(kind.code for kind in ALL)

    assert len(set(codes)) == len(codes)
    assert codes == CODES.read_text().split()


def test_every_reason_has_an_example() -> None:
    assert {type(example) for example in EXAMPLES} == set(ALL)


@pytest.mark.parametrize("reason", EXAMPLES, ids=lambda reason: reason.code)
def test_every_code_is_in_the_docs_with_its_sentence_and_what_to_do(reason: Reason) -> None:
    assert row(reason) in DOCS.read_text().splitlines()


@pytest.mark.parametrize("kind", [Terminal, Transient])
def test_an_error_carries_its_reason_and_says_its_sentence(
    kind: type[Terminal | Transient],
) -> None:
    reason = tasks.NoCommand("web:1")

    assert kind(reason).reason == reason
    assert str(kind(reason)) == str(reason)
