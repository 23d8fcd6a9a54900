"""``space-cli apply``: declare what is in files, and wait for it where that is asked."""

import time
from typing import TYPE_CHECKING, Any, Literal

import click

from spacecloud.cli.exit_codes import INTERRUPTED, CommandEnd
from spacecloud.cli.files import files_option, read_files, variable_options
from spacecloud.cli.output import output_option, span, structured
from spacecloud.cli.passphrase import passphrase_option, unsealed
from spacecloud.cli.session import Session, session_options
from spacecloud.cli.source_locations import with_source_locations
from spacecloud.client.client import Client

if TYPE_CHECKING:
    from spacecloud.cli.deployment import Awaited, Goal
    from spacecloud.model.declared import Trial
    from spacecloud.model.envelope import Envelope

Accepted = dict[str, Any]


WAIT, NO_WAIT = "--wait", "no"


class _OptionalGoal(click.Command):
    """``--wait`` alone, which takes no following word for its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        bare = {WAIT: f"{WAIT}=confirmed", "--no-wait": f"{WAIT}={NO_WAIT}"}
        spelled = [bare.get(arg, arg) for arg in args[:end]]
        return super().parse_args(ctx, spelled + args[end:])


@click.command(cls=_OptionalGoal)
@files_option
@click.argument("more_paths", nargs=-1)
@variable_options
@click.option(
    WAIT,
    "until",
    type=click.Choice(["confirmed", "serving", NO_WAIT]),
    metavar="[=serving]",
    help="Until all services are ready, and have lasted for rollout.confirmSeconds; "
    "--wait=serving: until they take requests.",
)
@click.option(
    "--timeout", default=300.0, show_default=True, help="Seconds to wait.", metavar="SECONDS"
)
@click.option(
    "--delay", default="0s", metavar="SPAN", help="Pause between two documents, as in 500ms or 2s."
)
@click.option(
    "--no-verify",
    "trial",
    flag_value="skipped",
    help="Of a version that sleeps: record the new revision, and start nothing to try it; the next "
    "wake makes it.",
)
@click.option("--force", "force", is_flag=True, help="Nothing is asked here; for old scripts.")
@passphrase_option
@output_option("json")
@session_options
def apply(
    session: Session,
    paths: tuple[str, ...],
    more_paths: tuple[str, ...],
    env_files: tuple[str, ...],
    env: tuple[str, ...],
    until: "Goal | Literal['no'] | None",
    timeout: float,
    delay: str,
    trial: "Trial | None",
    force: bool,
    passphrase_file: str | None,
    form: str | None,
) -> None:
    """
    Declare what is in files, folders, at URLs and in the input (-).

    All documents are checked before the first is accepted, against each other and against
    what is there.
    """
    pause = span(delay)
    envelopes = unsealed(read_files((*paths, *more_paths), env_files, env), passphrase_file)
    client = session.client()
    accepted: list[tuple[Envelope, Accepted]] = []
    try:
        if len(envelopes) > 1:
            with with_source_locations(envelopes):
                client.check(envelopes)
        for number, envelope in enumerate(envelopes):
            time.sleep(pause if number else 0)
            accepted.append((envelope, _apply(client, envelope, trial or "once")))
            if form is None:
                _tell(*accepted[-1])
        outcome = None
        if until == "confirmed" or until == "serving":
            outcome = _wait(client, accepted, timeout, until, form)
    except KeyboardInterrupt:
        _tell_interruption(len(accepted), len(envelopes))
        raise CommandEnd(INTERRUPTED) from None
    if form == "json":
        documents = [{"document": envelope.name, **answer} for envelope, answer in accepted]
        services = {"services": outcome.statuses} if outcome else {}
        click.echo(structured({"documents": documents, **services}, form))
    if outcome is not None and outcome.exit_code:
        raise CommandEnd(outcome.exit_code)


def _apply(client: Client, envelope: "Envelope", trial: "Trial") -> Accepted:
    with with_source_locations([envelope]):
        return client.apply(envelope, trial)


def _tell(envelope: "Envelope", answer: Accepted) -> None:
    click.echo(f"{envelope.name} {answer.get('change', 'applied')}")
    for notice in answer.get("notices", ()):
        click.echo(f"  note: {notice}")


def _tell_interruption(accepted: int, wanted: int) -> None:
    if accepted < wanted:
        message = f"interrupted: {accepted} of {wanted} documents were accepted; they stay"
    else:
        message = "interrupted: the deployment goes on; `space-cli get services` shows it"
    click.echo(f"\n{message}", err=True)


def _wait(
    client: Client,
    accepted: "list[tuple[Envelope, Accepted]]",
    timeout: float,
    goal: "Goal",
    form: str | None,
) -> "Any":
    from spacecloud.cli.wait import wait

    awaited = [
        _awaited(envelope, answer) for envelope, answer in accepted if envelope.kind.is_deployed
    ]
    return wait(client, awaited, timeout, goal, is_quiet=form is not None)


def _awaited(envelope: "Envelope", answer: Accepted) -> "Awaited":
    from spacecloud.cli.deployment import Awaited

    ids = envelope.ids
    return Awaited(
        ids["project"],
        ids["serviceId"],
        ids["version"],
        int(answer["generation"]),
        tuple(answer.get("notices", ())),
    )
