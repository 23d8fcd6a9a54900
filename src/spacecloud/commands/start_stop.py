"""Starting, stopping and removing an installation."""

import asyncio
import sys

import click

from spacecloud import directories, installation, supervisor
from spacecloud.commands import systemd
from spacecloud.commands.context import Machine, check, need_root, read_settings
from spacecloud.commands.first_password import FirstPassword
from spacecloud.errors import Conflict, InvalidSpec
from spacecloud.settings import Settings

SERVE = (sys.executable, "-m", "spacecloud.server", "serve")

expose_api = click.option("--expose-api", is_flag=True, help="Answer the API beyond loopback too.")
timeout_option = click.option(
    "--timeout", default=60.0, show_default=True, help="Seconds to wait until it works."
)


@click.command()
@expose_api
@timeout_option
@click.pass_obj
def setup(machine: Machine, expose_api: bool, timeout: float) -> None:  # noqa: FBT001 - click's form
    """Check this machine, and have the platform run on it from now on, after a boot too.

    Where systemd is the first process it gets a unit; elsewhere this is the same as start.
    """
    settings = _ready(expose_api)
    _refuse_a_lost_database(settings)
    if not systemd.is_there():
        _start(machine, settings, timeout)
        click.echo("systemd does not run here: after a boot, type space-cloud start")
        return
    supervisor.stop(settings)
    asyncio.run(check(machine, settings))
    with FirstPassword(settings):
        systemd.set_up(settings)
        supervisor.wait_until_it_works(settings, timeout)
    click.echo(f"{systemd.unit_name(settings)} is enabled and runs: journalctl -u it for its log")


@click.command()
@expose_api
@click.option(
    "--forget",
    is_flag=True,
    help="The database is lost: begin anew, and remove what runs and is not declared again.",
)
@timeout_option
@click.pass_obj
def start(machine: Machine, expose_api: bool, forget: bool, timeout: float) -> None:  # noqa: FBT001 - click's form
    """Run in the background, started again whenever it ends; returns when it works."""
    settings = _ready(expose_api)
    if forget:
        _forget(settings)
    _refuse_a_lost_database(settings)
    if not systemd.is_set_up(settings):
        _start(machine, settings, timeout)
        return
    if expose_api and not systemd.exposes_api(settings):
        raise InvalidSpec(
            f"{systemd.unit_name(settings)} has the settings that it was set up with: "
            "space-cloud setup --expose-api changes them"
        )
    systemd.start(settings)
    supervisor.wait_until_it_works(settings, timeout)
    click.echo(f"{systemd.unit_name(settings)} runs")


@click.command()
def stop() -> None:
    """End the control plane; what it runs goes on running."""
    settings = read_settings()
    need_root(settings)
    stopped = _stop(settings)
    click.echo("stopped" if stopped else f"instance {settings.instance} does not run")


@click.command()
@click.pass_obj
def down(machine: Machine) -> None:
    """End the control plane and remove all it made on this machine; declarations are kept."""
    settings = read_settings()
    need_root(settings)
    _take_down(machine, settings)
    click.echo(
        f"nothing of instance {settings.instance} runs; what was declared is kept in "
        f"{settings.state_dir}"
    )


@click.command()
@click.option("--purge", is_flag=True, help="Forget what was declared, and its secrets, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def destroy(machine: Machine, purge: bool, yes: bool) -> None:  # noqa: FBT001 - click's form
    """Remove all of it from this machine: down, its unit, its folders."""
    settings = read_settings()
    need_root(settings)
    if not yes:
        _ask(settings, "everything that was declared, its secrets and their key" if purge else "")
    _take_down(machine, settings)
    if systemd.is_set_up(settings):
        systemd.remove(settings)
    left = directories.remove_run(settings)
    if purge:
        left += directories.remove_state(settings)
        click.echo(f"nothing of instance {settings.instance} is left")
    else:
        click.echo(f"what was declared is kept in {settings.state_dir}; all else is gone")
    for path in left:
        click.echo(f"kept, because it is not ours: {path}")


def _ask(settings: Settings, also: str) -> None:
    what = f"Remove every service of instance {settings.instance} from this machine"
    if not sys.stdin.isatty():
        raise InvalidSpec(f"{what}? Nobody is there to ask: add --yes")
    click.confirm(f"{what}{f', and {also}' if also else ''}?", abort=True)


def _ready(expose_api: bool) -> Settings:  # noqa: FBT001 - click's form
    settings = read_settings(expose_api=expose_api or None)
    need_root(settings)
    directories.prepare(settings)
    return settings


def _forget(settings: Settings) -> None:
    if supervisor.control_plane(settings) is not None:
        raise Conflict(f"instance {settings.instance} runs: space-cloud stop ends it")
    installation.forget(settings)


def _refuse_a_lost_database(settings: Settings) -> None:
    """Said at once and not by the end of a log. One that runs has its file open: it goes on."""
    if supervisor.control_plane(settings) is None:
        installation.refuse_a_lost_database(settings)


def _start(machine: Machine, settings: Settings, timeout_seconds: float) -> None:
    if supervisor.supervisor(settings) is not None:
        unlike = "; stop it first to have it started with --expose-api"
        message = f"instance {settings.instance} runs already"
        click.echo(message + unlike if settings.expose_api else message)
        return
    supervisor.refuse_a_second(settings)
    asyncio.run(check(machine, settings))
    command = [*SERVE, *(["--expose-api"] if settings.expose_api else [])]
    with FirstPassword(settings):
        supervisor.start(command, settings, timeout_seconds)
    click.echo(f"instance {settings.instance} runs; its log is {supervisor.log_path(settings)}")


def _stop(settings: Settings) -> bool:
    if systemd.is_set_up(settings):
        running = supervisor.control_plane(settings) is not None
        systemd.stop(settings)
        return running
    return supervisor.stop(settings)


def _take_down(machine: Machine, settings: Settings) -> None:
    _stop(settings)
    if settings.driver == "docker":
        asyncio.run(machine.remove(settings))
