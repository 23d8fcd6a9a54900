"""What Prometheus is told of scaling."""

from typing import cast

from builders import a_situation, a_version, settled
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.wake import PartName, WakePart
from spacecloud.reconcile.scaling.metrics import ScalingMetrics
from spacecloud.report.snapshot import Snapshot
from spacecloud.workloads.decide import decide

REF = ServiceRef("shop", "web", "v1")
LABELS = 'project="shop",service="web"'
OF_VERSION = '{project="shop",service="web",version="v1"}'


def a_snapshot() -> Snapshot:
    situation = settled(a_situation(a_version()))
    return Snapshot(situation, decide(situation))


def lines(metrics: ScalingMetrics, *keys: ServiceKey, held: int = 0) -> set[str]:
    snapshots = {key: a_snapshot() for key in keys or (REF.key,)}
    return set(metrics.render(snapshots, {REF: held} if held else {}).decode().splitlines())


def parts(**seconds: float) -> tuple[WakePart, ...]:
    return tuple(WakePart(cast(PartName, name), value) for name, value in seconds.items())


def test_wakes_are_counted_by_how_deep_they_were_and_how_long_they_took() -> None:
    metrics = ScalingMetrics()

    metrics.woken(REF, "frozen", parts(thaw=0.012))
    metrics.woken(REF, "frozen", parts(thaw=0.2))
    metrics.woken(REF, "stopped", parts(start=0.4, ready=69.7))

    told = lines(metrics)
    name = "space_cloud_wake_seconds"
    assert f'{name}_bucket{{le="0.01",{LABELS},was="frozen"}} 0.0' in told
    assert f'{name}_bucket{{le="0.015",{LABELS},was="frozen"}} 1.0' in told
    assert f'{name}_bucket{{le="0.25",{LABELS},was="frozen"}} 2.0' in told
    assert f'{name}_bucket{{le="60.0",{LABELS},was="stopped"}} 0.0' in told
    assert f'{name}_bucket{{le="+Inf",{LABELS},was="stopped"}} 1.0' in told


def test_the_parts_of_wakes_are_counted_for_all_services_together() -> None:
    metrics, other = ScalingMetrics(), ServiceRef("shop", "other", "v1")

    metrics.woken(REF, "frozen", parts(gate=0.001, thaw=0.012))
    metrics.woken(other, "frozen", parts(gate=0.002, thaw=0.1))
    metrics.woken(other, "stopped", parts(gate=0.001, start=0.3, ready=0.4))

    told = {line for line in lines(metrics, REF.key) if "wake_part_seconds" in line}
    name = "space_cloud_wake_part_seconds"
    assert f'{name}_bucket{{le="0.015",part="thaw",was="frozen"}} 1.0' in told
    assert f'{name}_count{{part="thaw",was="frozen"}} 2.0' in told
    assert f'{name}_sum{{part="ready",was="stopped"}} 0.4' in told
    assert [line for line in told if "shop" in line] == []


def test_decisions_and_failed_wakes_are_counted() -> None:
    metrics = ScalingMetrics()

    metrics.decided(REF, "up")
    metrics.decided(REF, "up")
    metrics.decided(REF, "frozen")
    metrics.wake_failed(REF)

    told = lines(metrics)
    assert f'space_cloud_scaling_decisions_total{{change="up",{LABELS}}} 2.0' in told
    assert f'space_cloud_scaling_decisions_total{{change="frozen",{LABELS}}} 1.0' in told
    assert f"space_cloud_failed_wakes_total{{{LABELS}}} 1.0" in told


def test_replicas_and_held_calls_are_told_as_they_are_when_it_is_asked() -> None:
    told = lines(ScalingMetrics(), held=3)

    assert f"space_cloud_replicas_wanted{OF_VERSION} 1.0" in told
    assert f"space_cloud_replicas_ready{OF_VERSION} 1.0" in told
    assert f"space_cloud_held_calls{OF_VERSION} 3.0" in told
    assert f"space_cloud_held_calls{OF_VERSION} 3.0" not in lines(ScalingMetrics())


def test_what_was_counted_of_a_service_goes_with_it() -> None:
    metrics = ScalingMetrics()
    other = ServiceKey("shop", "other")
    metrics.woken(REF, "frozen", parts(thaw=0.012))
    metrics.decided(REF, "woken")
    metrics.wake_failed(REF)

    there = [line for line in lines(metrics, REF.key, other) if LABELS in line]
    gone = [line for line in lines(metrics, other) if "wake" in line or "decisions" in line]

    assert any("space_cloud_wake_seconds_count" in line for line in there)
    assert [line for line in gone if LABELS in line] == []
