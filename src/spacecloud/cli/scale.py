"""``space-cli scale``: a number of replicas by hand, and why there are as many as there are."""

from datetime import UTC, datetime

import click

from spacecloud.cli.output import count, output_option, structured
from spacecloud.cli.progress import progress
from spacecloud.cli.references import located, one_version
from spacecloud.cli.scaling_page import lines_of
from spacecloud.cli.session import Session, session_options
from spacecloud.errors import InvalidSpec, NotFound

EXPLAIN = "explain"
NUMBER = "number"
WITH_VALUE = frozenset({"-p", "--project", "--url", "--account", "-o", "--output"})


class ScaleCommands(click.Group):
    """What does not begin with the name of a subcommand is a service and a number."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [n for n, arg in enumerate(args) if _is_word(arg, args[n - 1] if n else "")]
        if words and args[words[0]] == EXPLAIN:
            args = [EXPLAIN, *args[: words[0]], *args[words[0] + 1 :]]
        elif words:
            args = [NUMBER, *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "SERVICE REPLICAS")
        formatter.write_usage(ctx.command_path, "explain SERVICE [VERSION]", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        by_number.format_options(ctx, formatter)


def _is_word(arg: str, before: str) -> bool:
    return not arg.startswith("-") and before not in WITH_VALUE


@click.group(cls=ScaleCommands)
def scale() -> None:
    """
    Run so many replicas of a version (shop/api, or shop/api@v1) until its next apply.

    `explain` says why so many run. A service of this name is written shop/explain.
    """


@scale.command(NUMBER, hidden=True)
@click.argument("service")
@click.argument("replicas")
@output_option("json", "yaml")
@session_options
def by_number(session: Session, service: str, replicas: str, form: str | None) -> None:
    """Run so many replicas of a version until its next apply."""
    wanted = _number(replicas)
    client = session.client()
    ref = one_version(located(service, "", session, client), client)
    with progress(f"scaling {ref}"):
        answer = client.scale(ref.project, ref.service, ref.version, wanted)
    if form:
        click.echo(structured(answer, form))
        return
    click.echo(f"{ref}: {count(wanted, 'replica')} wanted")
    for notice in answer.get("notices", ()):
        click.echo(f"  note: {notice}")


@scale.command(EXPLAIN)
@click.argument("service")
@click.argument("version", required=False)
@output_option("json", "yaml")
@session_options
def explain(session: Session, service: str, version: str | None, form: str | None) -> None:
    """What moves the number of replicas, what was decided, and what comes next and when."""
    client = session.client()
    ref = located(service, version or "", session, client)
    with progress(f"asking about {ref}"):
        found = client.scaling(ref.project, ref.service, ref.version or None)
    if not found:
        raise NotFound(f"there is no service {ref}")
    if form:
        click.echo(structured(found, form))
        return
    now = datetime.now(UTC)
    click.echo("\n\n".join("\n".join(lines_of(each, now)) for each in found))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidSpec(
            f"a number of replicas is expected (got {text[:40]!r}): as in `scale shop/api 3`"
        )
    return int(text)
