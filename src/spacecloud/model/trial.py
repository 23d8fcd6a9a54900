"""Whose trial is skipped where that is asked for: of what is awake a new revision is started."""

from collections.abc import Iterable
from dataclasses import dataclass

from spacecloud.model.declared import Declarations, Trial
from spacecloud.model.envelope import Envelope
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scale import scale_policy, wanted_depth
from spacecloud.model.service import Service


@dataclass(frozen=True, slots=True)
class Trials:
    """Of documents by name; those of services alone."""

    skipped: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    """It was asked to be skipped, and is not."""

    def of(self, envelope: Envelope) -> Trial:
        return "skipped" if envelope.name in self.skipped else "once"


NOT_SKIPPED = Trials()


def skipping(declared: Declarations, envelopes: Iterable[Envelope]) -> Trials:
    """``declared``: before the documents are. What sleeps goes on sleeping where it still may."""
    services = {
        envelope.name: _sleeps(declared, envelope, envelope.spec)
        for envelope in envelopes
        if isinstance(envelope.spec, Service)
    }
    asleep = frozenset(name for name, sleeps in services.items() if sleeps)
    return Trials(asleep, frozenset(services) - asleep)


def _sleeps(declared: Declarations, envelope: Envelope, spec: Service) -> bool:
    ref = ServiceRef(*(envelope.ids[name] for name in envelope.kind.ids))
    service = declared.services.get(ref.key)
    versions = service.versions if service is not None else ()
    scaling = next((version.scaling for version in versions if version.ref == ref), None)
    return wanted_depth(scale_policy(spec), scaling) is not None
