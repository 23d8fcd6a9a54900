"""``space-cli wake``: a version takes calls now, before anybody calls it."""

import click

from spacecloud.cli.exit_codes import TIMED_OUT, CommandEnd
from spacecloud.cli.output import joined, output_option, structured
from spacecloud.cli.progress import progress
from spacecloud.cli.references import located, one_version
from spacecloud.cli.scaling_page import parts_of
from spacecloud.cli.session import Session, session_options


@click.command()
@click.argument("service")
@output_option("json", "yaml")
@session_options
def wake(session: Session, service: str, form: str | None) -> None:
    """Wake a version (shop/api, or shop/api@v1), and return when it takes calls."""
    client = session.client()
    ref = one_version(located(service, "", session, client), client)
    with progress(f"waking {ref}"):
        answer = client.wake(ref.project, ref.service, ref.version)
    milliseconds = answer.get("milliseconds")
    if form:
        click.echo(structured(answer, form))
    elif milliseconds:
        click.echo(f"{ref} takes calls after {milliseconds:.1f} ms: {parts_of(answer)}")
    elif milliseconds is not None:
        click.echo(f"{ref} is awake")
    if milliseconds is None:
        click.echo(f"error: {ref}: {joined(answer.get('notices', ()))}", err=True)
        raise CommandEnd(TIMED_OUT)
