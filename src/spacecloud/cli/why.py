"""``space-cli why``: what is wrong with a service, and what to do."""

from typing import Any

import click

from spacecloud.cli.output import output_option, structured
from spacecloud.cli.references import located
from spacecloud.cli.session import Session, session_options

COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command()
@click.argument("service")
@click.argument("version", required=False)
@output_option("json", "yaml")
@session_options
def why(session: Session, service: str, version: str | None, form: str | None) -> None:
    """What is wrong with a service and what to do; exit code 1 when an error is found."""
    client = session.client()
    ref = located(service, version or "", session, client)
    findings = client.why(ref.project, ref.service, ref.version or None)
    if form:
        click.echo(structured(findings, form))
    elif not findings:
        click.echo(f"{ref}: nothing is wrong")
    else:
        click.echo("\n".join(_lines(findings)))
    if any(finding["severity"] == "error" for finding in findings):
        raise SystemExit(1)


def _lines(findings: list[dict[str, Any]]) -> list[str]:
    lines = []
    for finding in findings:
        word = click.style(f"{finding['severity']:8}", fg=COLORS[finding["severity"]])
        lines.append(f"{word}{finding['subject']}: {finding['problem']}")
        lines.append(f"        → {finding['fix']}")
    return lines
