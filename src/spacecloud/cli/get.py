"""``space-cli get``: lists for people and documents for programs."""

from dataclasses import replace
from typing import Any

import click

from spacecloud.cli.export import get_all
from spacecloud.cli.listings import THINGS, Listing, Selection, parsed_filters
from spacecloud.cli.output import joined, output_option, structured
from spacecloud.cli.passphrase import passphrase_option
from spacecloud.cli.references import Reference, check_project, reference
from spacecloud.cli.session import Session, session_options
from spacecloud.cli.table import table
from spacecloud.client.client import Client
from spacecloud.errors import InvalidSpec, NotFound


@click.command()
@click.argument("thing", shell_complete=lambda ctx, param, text: _names_like(text))
@click.argument("name", required=False)
@click.argument("more", required=False)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Of ingress-routes: url=, service=, target-host= or request-host=.",
)
@click.option(
    "--with-secrets", "with_secrets", is_flag=True, help="Of all: values, sealed by a passphrase."
)
@passphrase_option
@output_option("wide", "json", "yaml")
@session_options
def get(
    session: Session,
    thing: str,
    name: str | None,
    more: str | None,
    filters: tuple[str, ...],
    with_secrets: bool,
    passphrase_file: str | None,
    form: str | None,
) -> None:
    """
    List things: services, projects, replicas, secrets, ingress-routes, ingress-global, events,
    service-routes, service-roles. `get all FOLDER` writes all documents as files for apply.

    With -o yaml, documents that can be applied again; secrets without their values.
    """
    if thing == "all":
        get_all(session, name, passphrase_file, with_secrets=with_secrets)
        return
    chosen = _thing(thing)
    client = session.client()
    wanted = _wanted(chosen, name, more, session, client, is_wide=form == "wide")
    if filters:
        wanted = replace(wanted, filters=parsed_filters(chosen, filters))
    is_default = not session.wanted_project and "/" not in (name or "")
    if form in ("json", "yaml"):
        documents = chosen.documents(wanted)
        _must_exist(documents, chosen, wanted, is_default=is_default)
        if documents or form == "json":
            click.echo(structured(documents, form))
        return
    headings, rows = chosen.listing(wanted)
    _must_exist(rows, chosen, wanted, is_default=is_default)
    if rows:
        click.echo(table(headings, rows))
    else:
        place = f" in project {wanted.project}" if wanted.project else ""
        click.echo(f"no {chosen.names[0]}{place}", err=True)


def _thing(name: str) -> Listing:
    found = next((each for each in THINGS if name.lower() in each.names), None)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(name, [n for each in THINGS for n in each.names], 1)
        hint = f"; did you mean {near[0]}?" if near else "."
        known = joined(each.names[0] for each in THINGS)
        raise InvalidSpec(f"there is no such thing as {name} to get{hint} Known are: {known}")
    return found


def _wanted(
    thing: Listing,
    name: str | None,
    more: str | None,
    session: Session,
    client: Client,
    is_wide: bool,
) -> Selection:
    if not thing.has_project:
        id = name or session.wanted_project or None
        return Selection(client, "", id, more, is_wide)
    if name is None:
        return Selection(client, session.project(client), None, None, is_wide)
    typed = reference(name, more or "") if "/" in name or "@" in name else None
    if typed is None:
        return Selection(client, session.project(client), name, more, is_wide)
    project = typed.project or session.project(client)
    return Selection(client, project, typed.service, typed.version or None, is_wide)


def _must_exist(found: Any, thing: Listing, wanted: Selection, *, is_default: bool) -> None:
    """
    The thing that is named, and the project that was: an account's own may not be there yet.
    """
    if found:
        return
    if wanted.project and not is_default:
        check_project(wanted.client, wanted.project)
    if wanted.id and thing.names[1] == "service":
        ref = Reference(wanted.project, wanted.id, wanted.more or "")
        raise NotFound(f"there is no service {ref}")
    if wanted.id:
        name = " ".join(filter(None, (wanted.id, wanted.more)))
        place = f" in project {wanted.project}" if wanted.project else ""
        raise NotFound(f"there is no {thing.names[1]} {name}{place}")


def _names_like(text: str) -> list[str]:
    names = ["all", *(each.names[0] for each in THINGS)]
    return [name for name in names if name.startswith(text)]
