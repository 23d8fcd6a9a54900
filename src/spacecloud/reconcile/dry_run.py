"""Documents written to a copy of the store: what each changes, and what is wrong with any."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spacecloud.errors import Conflict, InvalidSpec, NotFound, SpaceCloudError
from spacecloud.ingress import mistakes
from spacecloud.model.api import ClusterType
from spacecloud.model.envelope import Envelope
from spacecloud.model.foreign_triggers import check_triggers
from spacecloud.model.project import Project, redacted
from spacecloud.model.routing import IngressRoute
from spacecloud.model.service import Service
from spacecloud.model.status import DocumentChange, DocumentChangeKind
from spacecloud.model.trial import NOT_SKIPPED, Trials
from spacecloud.model.validation.mistakes import CollectedMistakes
from spacecloud.store import by_kind
from spacecloud.store.port import Difference, Store

IDS = ("id", "projectId", "project", "version", "service")
"""Fields that follow from the address a document is sent to."""

CHANGES: Mapping[Difference, DocumentChangeKind] = {
    "created": "create",
    "updated": "update",
    "unchanged": "unchanged",
}


async def dry_run(
    copy: Store,
    envelopes: Sequence[Envelope],
    *,
    delete: bool,
    cluster_type: ClusterType = "none",
    trials: Trials = NOT_SKIPPED,
) -> list[DocumentChange]:
    """In the order in which it is done. Raises the faults of all documents as one error."""
    changes: list[DocumentChange] = []
    refused: list[tuple[Envelope, SpaceCloudError]] = []
    # As they will be: what is in a project goes before the project, and is told as going.
    for envelope in reversed(envelopes) if delete else envelopes:
        try:
            if not delete:
                _check(envelope, cluster_type)
            write = _erased(copy, envelope) if delete else _written(copy, envelope, trials)
            changes.append(await write)
        except (InvalidSpec, Conflict, NotFound) as error:
            refused.append((envelope, error))
    if refused:
        raise together(refused)
    return changes


def together(refused: Sequence[tuple[Envelope, SpaceCloudError]]) -> SpaceCloudError:
    """A single clash stays one; all else is a list of mistakes, each under its document."""
    (envelope, error), *others = refused
    if not others and not isinstance(error, InvalidSpec):
        single = type(error)(f"{envelope.name}: {error}")
        single.document = envelope.number
        return single
    found = CollectedMistakes()
    for each, fault in refused:
        found.take(fault, each.number)
    return found.error()


async def _erased(copy: Store, envelope: Envelope) -> DocumentChange:
    was = await by_kind.document(copy, envelope)
    await by_kind.delete(copy, envelope)
    return _change(envelope, "unchanged" if was is None else "delete")


def _check(envelope: Envelope, cluster_type: ClusterType) -> None:
    match envelope.spec:
        case IngressRoute():
            mistakes.check(envelope.spec)
        case Service():
            check_triggers(envelope.spec, cluster_type)
        case _:
            pass


async def _written(copy: Store, envelope: Envelope, trials: Trials) -> DocumentChange:
    was = await by_kind.document(copy, envelope)
    accepted = await by_kind.put(copy, envelope, trials.of(envelope))
    change = accepted.change
    fields = _changed_fields(envelope, was or {}) if change == "updated" else ()
    return _change(envelope, CHANGES[change], fields)


def _changed_fields(envelope: Envelope, was: Mapping[str, Any]) -> tuple[str, ...]:
    if envelope.kind.name == "secret":
        return ("data",)
    given = envelope.spec.as_given()
    if isinstance(envelope.spec, Project):
        given = redacted(given)
    found = _differing(
        {k: v for k, v in was.items() if k not in IDS},
        {k: v for k, v in given.items() if k not in IDS},
    )
    return tuple(found) or ("a value that is not shown",)


def _differing(before: Any, after: Any, path: str = "") -> Iterable[str]:
    """Paths as in ``tasks[0].env.LOG``, in the order of the later document."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*after, *(n for n in before if n not in after)]:
            inner = f"{path}.{name}" if path else str(name)
            if name not in after or name not in before:
                yield inner
            else:
                yield from _differing(before[name], after[name], inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from _differing(*pair, f"{path}[{index}]")
    elif before != after:
        yield path


def _change(
    envelope: Envelope, change: DocumentChangeKind, fields: tuple[str, ...] = ()
) -> DocumentChange:
    return DocumentChange(kind=envelope.kind.name, id=envelope.name, change=change, fields=fields)
