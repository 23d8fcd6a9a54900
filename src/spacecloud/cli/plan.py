"""``space-cli plan``: what would change, step by step, each with its cause."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from spacecloud.cli.files import files_option, read_files, variable_options
from spacecloud.cli.output import count, output_option, structured
from spacecloud.cli.passphrase import passphrase_option, unsealed
from spacecloud.cli.progress import progress
from spacecloud.cli.session import Session, session_options
from spacecloud.cli.source_locations import with_source_locations

if TYPE_CHECKING:
    from spacecloud.model.declared import Trial

SIGNS = {"create": "+", "update": "~", "delete": "-", "unchanged": "="}
COLOURS = {"create": "green", "update": "yellow", "delete": "red"}


@click.command()
@files_option
@click.argument("more_paths", nargs=-1)
@variable_options
@click.option(
    "--no-verify",
    "trial",
    flag_value="skipped",
    help="What apply --no-verify would change: of a version that sleeps nothing is started.",
)
@click.option("--delete", "is_deletion", is_flag=True, help="What deleting them would change.")
@passphrase_option
@output_option("json", "yaml")
@session_options
def plan(
    session: Session,
    paths: tuple[str, ...],
    more_paths: tuple[str, ...],
    env_files: tuple[str, ...],
    env: tuple[str, ...],
    trial: "Trial | None",
    is_deletion: bool,
    passphrase_file: str | None,
    form: str | None,
) -> None:
    """
    Show what applying files would change, and why. Nothing is touched.

    Steps after a wait are a forecast, marked with ?: they follow if all goes as expected.
    """
    given = read_files((*paths, *more_paths), env_files, env, for_deletion=is_deletion)
    envelopes = unsealed(given, passphrase_file)
    with progress("trying it on a copy"), with_source_locations(envelopes):
        view = session.client().plan(envelopes, trial or "once", delete=is_deletion)
    click.echo(structured(view, form) if form else "\n".join(lines_of(view)))


def lines_of(view: dict[str, Any]) -> Iterator[str]:
    for document in view["documents"]:
        change = document["change"]
        fields = f"  ({', '.join(document['fields'])})" if document["fields"] else ""
        name = document["id"]
        line = f"{SIGNS[change]} {name} {_past(change)}"
        yield click.style(line, fg=COLOURS.get(change)) + fields
    for service in view["services"]:
        yield ""
        yield f"{service['service']}: {count(len(service['steps']), 'step')}"
        yield from _steps(service["steps"])
        if service["problem"]:
            yield click.style(f"  problem: {service['problem']}", fg="red")
        yield from (f"  note: {notice}" for notice in service["notices"])
    if view["warnings"]:
        yield ""
        yield from (f"warning: {warning}" for warning in view["warnings"])
    if not view["services"]:
        yield ""
        yield "nothing that runs would change"


def _steps(steps: list[dict[str, Any]]) -> Iterator[str]:
    width = len(str(len(steps)))
    for step in steps:
        mark = "?" if step["forecast"] else " "
        after = f"  [after {', '.join(str(n) for n in step['after'])}]" if step["after"] else ""
        yield f" {mark}{step['number']:>{width}}  {step['operation']}: {step['cause']}{after}"


def _past(change: str) -> str:
    verbs = {"create": "is new", "update": "changes", "delete": "goes"}
    return verbs.get(change, "stays as it is")
