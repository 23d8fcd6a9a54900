"""``space-cli delete``: remove what is named, or what is in files."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from spacecloud.cli.exit_codes import INTERRUPTED, CommandEnd
from spacecloud.cli.files import read_files, variable_options
from spacecloud.cli.output import joined
from spacecloud.cli.references import located, reference
from spacecloud.cli.session import Session, session_options
from spacecloud.client.client import Client
from spacecloud.errors import InvalidSpec, NotFound

if TYPE_CHECKING:
    from spacecloud.model.envelope import Envelope


@click.command()
@click.argument("thing", required=False)
@click.argument("names", nargs=-1)
@click.option("-f", "--file", "paths", multiple=True, metavar="FILE|FOLDER|URL|-")
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
    from spacecloud.model.kinds import kind_named
    from spacecloud.model.resource import Resource
    from spacecloud.model.validation.mistakes import did_you_mean

    kind = kind_named({"routes": "service-route", "roles": "service-role"}.get(thing, thing))
    if kind is None or kind.name not in ("project", *_IDS):
        known = ("project", *_IDS)
        raise InvalidSpec(f"{thing} cannot be deleted; {did_you_mean(thing, known)}")
    if kind.name == "project":
        (project,) = _exactly(names, "project shop") if names else (session.wanted_project,)
        if not project:
            raise InvalidSpec("which project? As in `delete project shop`")
        client.projects(project)
        return Envelope(kind, {"project": project}, Resource(), {})
    ids = _IDS[kind.name](names, session, client)
    return Envelope(kind, dict(zip(kind.ids, ids, strict=True)), Resource(), {})


Ids = tuple[str, ...]


def _service(names: tuple[str, ...], session: Session, client: Client) -> Ids:
    if not 1 <= len(names) <= 2:
        raise InvalidSpec("which service? As in `delete service api v1`")
    ref = located(names[0], names[1] if len(names) == 2 else "", session, client)
    versions = [str(each["version"]) for each in client.services(ref.project, ref.service)]
    if not versions:
        raise NotFound(f"there is no service {ref}")
    if not ref.version and len(versions) > 1:
        raise InvalidSpec(f"which version of {ref}? It has {joined(versions)}")
    version = ref.version or versions[0]
    if version not in versions:
        raise NotFound(f"there is no service {ref}; there is {joined(versions)}")
    return ref.project, ref.service, version


def _secret(names: tuple[str, ...], session: Session, client: Client) -> Ids:
    project, id = _project_and_id(names, "secret db", session, client)
    client.secrets(project, id)
    return project, id


def _ingress_route(names: tuple[str, ...], session: Session, client: Client) -> Ids:
    return _project_and_id(names, "ingress-route web", session, client)


def _ingress_global(names: tuple[str, ...], session: Session, client: Client) -> Ids:
    _exactly(names, "ingress-global", 0)
    return (session.project(client),)


def _service_route(names: tuple[str, ...], session: Session, client: Client) -> Ids:
    project, id = _project_and_id(names, "service-route api", session, client)
    client.service_routes(project, id)
    return project, id


def _service_role(names: tuple[str, ...], session: Session, client: Client) -> Ids:
    service, role = _exactly(names, "service-role api reader", 2)
    ref = located(service, "", session, client)
    if not client.service_roles(ref.project, ref.service, role):
        raise NotFound(f"service {ref} has no role {role}")
    return ref.project, ref.service, role


def _project_and_id(
    names: tuple[str, ...], example: str, session: Session, client: Client
) -> tuple[str, str]:
    (name,) = _exactly(names, example)
    typed = reference(name) if "/" in name else None
    if typed is not None:
        return typed.project, typed.service
    return session.project(client), name


def _exactly(names: tuple[str, ...], example: str, number: int = 1) -> tuple[str, ...]:
    if len(names) != number:
        raise InvalidSpec(f"that is not what can be deleted: as in `delete {example}`")
    return names


def _letsencrypt(names: tuple[str, ...], session: Session, client: Client) -> Ids:
    return _project_and_id(names, "letsencrypt letsencrypt-config", session, client)


def _cluster_config(names: tuple[str, ...], session: Session, client: Client) -> Ids:
    _exactly(names, "cluster-config", 0)
    return ()


_IDS: dict[str, Callable[[tuple[str, ...], Session, Client], Ids]] = {
    "service": _service,
    "secret": _secret,
    "ingress-routes": _ingress_route,
    "ingress-global": _ingress_global,
    "service-route": _service_route,
    "service-role": _service_role,
    "letsencrypt": _letsencrypt,
    "cluster-config": _cluster_config,
}
