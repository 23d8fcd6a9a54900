"""Documents written to a copy of the store: what each changes, and what is wrong with any."""

from collections.abc import Iterable, Sequence

from spacecloud.errors import Conflict, InvalidSpec, Mistake, NotFound, SpaceCloudError
from spacecloud.ingress import mistakes
from spacecloud.model.envelope import Envelope
from spacecloud.model.project import Project, redacted
from spacecloud.model.refs import ServiceRef
from spacecloud.model.routing import IngressRoute
from spacecloud.model.status import DocumentChange
from spacecloud.reconcile.diff import changed_fields
from spacecloud.store.by_kind import erase, write
from spacecloud.store.port import Store

IDS = ("id", "projectId", "project", "version", "service")
"""Fields that follow from the address a document is sent to."""

CHANGES = {"created": "create", "updated": "update", "unchanged": "unchanged"}


async def dry_run(
    draft: Store, envelopes: Sequence[Envelope], *, delete: bool
) -> list[DocumentChange]:
    """In the order in which it is done. Raises the faults of all documents as one error."""
    changes: list[DocumentChange] = []
    refused: list[tuple[Envelope, SpaceCloudError]] = []
    # As they will be: what is in a project goes before the project, and is told as going.
    for envelope in reversed(envelopes) if delete else envelopes:
        try:
            changes.append(await (_erased if delete else _written)(draft, envelope))
        except (InvalidSpec, Conflict, NotFound) as error:
            refused.append((envelope, error))
    if refused:
        raise together(refused)
    return changes


def together(refused: Sequence[tuple[Envelope, SpaceCloudError]]) -> SpaceCloudError:
    """A single clash stays one; all else is a list of mistakes, each under its document."""
    (envelope, error), *others = refused
    if not others and not isinstance(error, InvalidSpec):
        return type(error)(f"{envelope.name}: {error}")
    found = tuple(m for envelope, error in refused for m in _mistakes(envelope, error))
    if len(found) == 1:
        return InvalidSpec(str(found[0]), found)
    return InvalidSpec(f"{len(found)} mistakes, the first: {found[0]}", found)


def _mistakes(envelope: Envelope, error: SpaceCloudError) -> Iterable[Mistake]:
    known = error.mistakes if isinstance(error, InvalidSpec) else ()
    for mistake in known or (Mistake("", str(error)),):
        path = ".".join(part for part in (envelope.source, mistake.path) if part)
        yield Mistake(path, mistake.message, mistake.value)


async def _erased(draft: Store, envelope: Envelope) -> DocumentChange:
    was = await _stored(draft, envelope)
    await erase(draft, envelope)
    return _change(envelope, "unchanged" if was is None else "delete")


async def _written(draft: Store, envelope: Envelope) -> DocumentChange:
    if isinstance(envelope.spec, IngressRoute):
        mistakes.check(envelope.spec)
    was = await _stored(draft, envelope)
    accepted = await write(draft, envelope)
    change = accepted.change
    fields = _changed_fields(envelope, was or {}) if change == "updated" else ()
    return _change(envelope, CHANGES[change], fields)


async def _stored(store: Store, envelope: Envelope) -> dict[str, object] | None:
    """The document as it is kept; of a secret only that it is there."""
    project, *ids = [envelope.ids[name] for name in envelope.kind.ids]
    match envelope.kind.name:
        case "service":
            versions = await store.versions(project, ids[0])
            ref = ServiceRef(project, *ids)
            return next((v.spec.as_given() for v in versions if v.ref == ref), None)
        case "project":
            documents = await store.projects()
            ids = [project]
        case "secret":
            facts = await store.secrets(project)
            known = next((f for f in facts if f.id == ids[0]), None)
            return None if known is None else {"keys": list(known.keys)}
        case "service-route":
            documents = await store.routes(project)
        case "service-role":
            documents = await store.roles(project)
            ids = ids[1:]
        case "ingress-routes":
            documents = await store.ingress(project)
        case _:
            found = await store.ingress_global(project)
            documents, ids = ([found] if found is not None else []), ["global"]
    return next((d.document for d in documents if d.id == ids[0]), None)


def _changed_fields(envelope: Envelope, was: dict[str, object]) -> tuple[str, ...]:
    if envelope.kind.name == "secret":
        return ("data",)
    given = envelope.spec.as_given()
    if isinstance(envelope.spec, Project):
        given = redacted(given)
    found = changed_fields(
        {k: v for k, v in was.items() if k not in IDS},
        {k: v for k, v in given.items() if k not in IDS},
    )
    return tuple(found) or ("a value that is not shown",)


def _change(envelope: Envelope, change: str, fields: tuple[str, ...] = ()) -> DocumentChange:
    return DocumentChange.model_validate(
        {"kind": envelope.kind.name, "id": envelope.name, "change": change, "fields": fields}
    )
