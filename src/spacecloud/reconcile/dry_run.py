"""Documents written to a copy of the store: what each changes, and what is wrong with any."""

from collections.abc import Sequence

from spacecloud.errors import Conflict, InvalidSpec, NotFound, SpaceCloudError
from spacecloud.ingress import mistakes
from spacecloud.model.envelope import Envelope
from spacecloud.model.project import Project, redacted
from spacecloud.model.routing import IngressRoute
from spacecloud.model.status import DocumentChange
from spacecloud.model.validation.mistakes import Refused
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
    stored = _Stored(draft)
    # As they will be: what is in a project goes before the project, and is told as going.
    for envelope in reversed(envelopes) if delete else envelopes:
        try:
            changes.append(await (_erased if delete else _written)(draft, envelope, stored))
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
    found = Refused()
    for each, fault in refused:
        found.take(fault, each.source)
    return found.error()


async def _erased(draft: Store, envelope: Envelope, stored: "_Stored") -> DocumentChange:
    was = await stored.document(envelope)
    await erase(draft, envelope)
    return _change(envelope, "unchanged" if was is None else "delete")


async def _written(draft: Store, envelope: Envelope, stored: "_Stored") -> DocumentChange:
    if isinstance(envelope.spec, IngressRoute):
        mistakes.check(envelope.spec)
    was = await stored.document(envelope)
    accepted = await write(draft, envelope)
    change = accepted.change
    fields = _changed_fields(envelope, was or {}) if change == "updated" else ()
    return _change(envelope, CHANGES[change], fields)


class _Stored:
    """
    What is kept of each document before it is touched.

    Documents of one kind and project are listed once for all that are tried, and not for each;
    they are listed again when one of them comes a second time.
    """

    def __init__(self, draft: Store) -> None:
        self._draft = draft
        self._lists: dict[tuple[str, ...], dict[str, dict[str, object]]] = {}
        self._seen: set[str] = set()

    async def document(self, envelope: Envelope) -> dict[str, object] | None:
        """Of a secret only that it is there."""
        owner = _owner(envelope)
        if envelope.path in self._seen:
            self._lists.pop(owner, None)
        self._seen.add(envelope.path)
        if owner not in self._lists:
            self._lists[owner] = await _listed(self._draft, envelope)
        return self._lists[owner].get(_id(envelope))


def _owner(envelope: Envelope) -> tuple[str, ...]:
    """Whose documents are listed together: of a service its versions, else of a project."""
    match envelope.kind.name:
        case "project":
            return ("project",)
        case "service":
            return ("service", envelope.ids["project"], envelope.ids["serviceId"])
        case name:
            return (name, envelope.ids["project"])


def _id(envelope: Envelope) -> str:
    """Among those that are listed together."""
    if envelope.kind.name == "service-role":
        return f"{envelope.ids['serviceId']}/{envelope.ids['roleId']}"
    return envelope.ids[envelope.kind.ids[-1]]


async def _listed(store: Store, envelope: Envelope) -> dict[str, dict[str, object]]:
    """By their ids as above."""
    project, *ids = [envelope.ids[name] for name in envelope.kind.ids]
    match envelope.kind.name:
        case "service":
            versions = await store.versions(project, ids[0])
            return {v.ref.version: v.spec.as_given() for v in versions}
        case "secret":
            facts = await store.secrets(project)
            return {fact.id: {"keys": list(fact.keys)} for fact in facts}
        case "project":
            documents = await store.projects()
        case "service-route":
            documents = await store.routes(project)
        case "service-role":
            roles = await store.roles(project)
            return {f"{role.document['service']}/{role.id}": role.document for role in roles}
        case "ingress-routes":
            documents = await store.ingress(project)
        case _:
            found = await store.ingress_global(project)
            return {} if found is None else {project: found.document}
    return {document.id: document.document for document in documents}


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
