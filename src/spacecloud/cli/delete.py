"""``space-cli delete``: remove what is named, or what is in files."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from spacecloud.cli.exit_codes import INTERRUPTED, CommandEnd
from spacecloud.cli.files import FILES_HELP, read_files, variable_options
from spacecloud.cli.listings import singular
from spacecloud.cli.output import joined
from spacecloud.cli.references import located, one_version, reference
from spacecloud.cli.session import Session, session_options
from spacecloud.client.client import Client
from spacecloud.errors import InvalidSpec, NotFound
from spacecloud.model.kinds import KINDS, Kind, kind_named

if TYPE_CHECKING:
    from spacecloud.model.envelope import Envelope

Ids = tuple[str, ...]
"""As they are typed, or in the order of a kind's ``ids``."""


@click.command()
@click.argument("thing", required=False)
@click.argument("names", nargs=-1)
@click.option("-f", "--file", "paths", multiple=True, metavar="FILE|FOLDER|URL|-", help=FILES_HELP)
@click.option("--yes", "-y", is_flag=True, help="Do not ask before a project is removed.")
@variable_options
@session_options
def delete(
    session: Session,
    thing: str | None,
    names: tuple[str, ...],
    paths: tuple[str, ...],
    yes: bool,
    env_files: tuple[str, ...],
    env: tuple[str, ...],
) -> None:
    """
    Remove a service (api v1, or shop/api@v1), project, secret, ingress-route, ingress-global,
    service-route or service-role, or all that is in files (-f).
    """
    if bool(thing) == bool(paths):
        raise InvalidSpec("what? Name one thing, as in `delete service api v1`, or files with -f")
    if paths:
        given = read_files(paths, env_files, env, for_deletion=True)
        client = session.client()
    else:
        client = session.client()
        given = [_named(str(thing), names, session, client)]
    _confirm(given, is_sure=yes)
    there = _there(client, given) if paths else {each.name for each in given}
    for envelope in sorted(given, key=lambda each: -each.kind.order):
        if envelope.name in there:
            client.delete(envelope)
            click.echo(f"{envelope.name} deleted")
        else:
            click.echo(f"{envelope.name} was not there")


def _there(client: Client, given: Sequence["Envelope"]) -> set[str]:
    """Which of them exist: to delete what does not is no error, but it is said."""
    changes = client.plan(given, delete=True)["documents"]
    return {each["id"] for each in changes if each["change"] == "delete"}


def _confirm(given: Sequence["Envelope"], *, is_sure: bool) -> None:
    projects = [each.ids["project"] for each in given if each.kind.name == "project"]
    if not projects or is_sure:
        return
    what = f"project {joined(projects)} and all that is in it"
    if not sys.stdin.isatty():
        raise InvalidSpec(f"this would remove {what}: say --yes if that is meant")
    if not click.confirm(f"Remove {what}?"):
        click.echo("nothing was removed", err=True)
        raise CommandEnd(INTERRUPTED)


def _named(thing: str, names: tuple[str, ...], session: Session, client: Client) -> "Envelope":
    from spacecloud.model.envelope import Envelope
    from spacecloud.model.resource import Resource
    from spacecloud.model.validation.mistakes import did_you_mean

    kind = kind_named(singular(thing) or thing)
    if kind is None:
        known = tuple(each.name for each in KINDS)
        raise InvalidSpec(f"{thing} cannot be deleted; {did_you_mean(thing, known)}")
    ids = _ids(kind, names, session, client)
    return Envelope(kind, dict(zip(kind.ids, ids, strict=True)), Resource(), {})


def _ids(kind: Kind, names: Ids, session: Session, client: Client) -> Ids:
    """``NotFound`` where there is none, as far as deleting it would not say so."""
    match kind.name:
        case "project":
            return _project(names, session, client)
        case "service":
            return _service(names, session, client)
        case "service-role":
            return _service_role(names, session, client)
    if "project" not in kind.ids:
        return _exactly(names, " ".join((kind.name, *kind.ids)), len(kind.ids))
    if kind.ids == ("project",):
        _exactly(names, kind.name, 0)
        return (session.project(client),)
    project, id = _project_and_id(kind, names, session, client)
    match kind.name:
        case "secret":
            client.secrets(project, id)
        case "service-route":
            client.service_routes(project, id)
    return project, id


def _project(names: Ids, session: Session, client: Client) -> Ids:
    (project,) = _exactly(names, "project shop") if names else (session.wanted_project,)
    if not project:
        raise InvalidSpec("which project? As in `delete project shop`")
    client.projects(project)
    return (project,)


def _service(names: Ids, session: Session, client: Client) -> Ids:
    if not 1 <= len(names) <= 2:
        raise InvalidSpec("which service? As in `delete service api v1`")
    ref = located(names[0], names[1] if len(names) == 2 else "", session, client)
    return one_version(ref, client)


def _service_role(names: Ids, session: Session, client: Client) -> Ids:
    service, role = _exactly(names, "service-role api reader", 2)
    ref = located(service, "", session, client)
    if not client.service_roles(ref.project, ref.service, role):
        raise NotFound(f"service {ref} has no role {role}")
    return ref.project, ref.service, role


def _project_and_id(kind: Kind, names: Ids, session: Session, client: Client) -> tuple[str, str]:
    (name,) = _exactly(names, f"{kind.name} shop/api")
    typed = reference(name) if "/" in name else None
    if typed is not None:
        return typed.project, typed.service
    return session.project(client), name


def _exactly(names: Ids, example: str, number: int = 1) -> Ids:
    if len(names) != number:
        raise InvalidSpec(f"that is not what can be deleted: as in `delete {example}`")
    return names
