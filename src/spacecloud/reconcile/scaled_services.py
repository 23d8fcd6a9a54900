"""Services, and what wakes and scales them, connected."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from spacecloud.drivers.driver import Driver
from spacecloud.model.refs import ServiceKey
from spacecloud.reconcile.background import Background
from spacecloud.reconcile.events import EventRecorder
from spacecloud.reconcile.observe import Observer
from spacecloud.reconcile.scaling.autoscaler import Autoscaler
from spacecloud.reconcile.scaling.decision_recorder import DecisionRecorder
from spacecloud.reconcile.scaling.leases import Leases
from spacecloud.reconcile.scaling.metrics import ScalingMetrics
from spacecloud.reconcile.scaling.scale_requests import ScaleRequests
from spacecloud.reconcile.scaling.version_loads import VersionLoads
from spacecloud.reconcile.scaling.waker import Waker
from spacecloud.reconcile.scaling.wanted_replicas import WantedReplicas
from spacecloud.reconcile.services import ServiceReconciler
from spacecloud.store.port import Store
from spacecloud.workloads.situation import TerminationLimits


@dataclass(frozen=True, slots=True)
class ScaledServices:
    reconciler: ServiceReconciler
    waker: Waker
    leases: Leases
    autoscaler: Autoscaler
    requests: ScaleRequests
    metrics: ScalingMetrics

    async def scale(self) -> None:
        """What replicas have said is known before anything is decided."""
        await self.leases.load()
        await self.autoscaler.run()


def scaled_services(
    store: Store,
    driver: Driver,
    wanted_replicas: WantedReplicas,
    events: EventRecorder,
    background: Background[ServiceKey],
    termination: TerminationLimits,
    now: Callable[[], datetime],
) -> ScaledServices:
    """Each hears of the looks and the wakes that it has to."""
    loads = VersionLoads(driver.meter, wanted_replicas)
    observer = Observer(driver, wanted_replicas, loads)
    services = ServiceReconciler(store, driver, observer, events, background, termination, now)
    waker = Waker(driver, services.admission, loads, wanted_replicas, events, background, now)
    policies, metrics = wanted_replicas.policies, ScalingMetrics()
    leases = Leases(store, policies, services.snapshot, driver.workloads, now, waker.keep_awake)
    recorder = DecisionRecorder(wanted_replicas, events, metrics, now)
    autoscaler = Autoscaler(driver, loads, recorder, waker, leases, now)
    requests = ScaleRequests(autoscaler, waker, recorder, metrics, driver.gate, now)
    waker.listen(requests.note)
    services.listen(waker.looked)
    services.listen(autoscaler.looked)
    services.listen(requests.looked)
    return ScaledServices(services, waker, leases, autoscaler, requests, metrics)
