"""
``space-cloud``: the composition root. Builds every part, connects them, runs until told to stop.

Read this file to see the whole system: it is the only one that names concrete drivers, owns
the clock, and starts tasks that live as long as the process.
"""

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import click
import uvicorn

from spacecloud import directories, installation, lock, supervisor
from spacecloud.api.app import create_app
from spacecloud.api.auth import Auth
from spacecloud.api.dependencies import Facts
from spacecloud.commands import diagnostics, start_stop
from spacecloud.commands.context import Machine, check, need_root, read_settings
from spacecloud.drivers.docker.factory import (
    adopt,
    docker_driver,
    docker_host,
    examine,
    inventory,
    preflight,
)
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.drivers.driver import Driver
from spacecloud.drivers.memory import memory_driver
from spacecloud.errors import (
    Conflict,
    Forbidden,
    InvalidSpec,
    NotFound,
    SpaceCloudError,
    Unavailable,
)
from spacecloud.model.addresses import PoolAllocator
from spacecloud.model.defaults import PASSWORD_FILE
from spacecloud.reconcile.control_plane import ControlPlane
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.settings import Settings
from spacecloud.store.port import Secrets
from spacecloud.store.sqlite import SqliteStore
from spacecloud.workloads.situation import TerminationLimits

logger = logging.getLogger("spacecloud")

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
EXIT_CODES = {InvalidSpec: 2, NotFound: 3, Conflict: 4, Forbidden: 5, Unavailable: 6}
PR_SET_DUMPABLE = 4
STOP_SECONDS = 3
"""For requests to the API that are under way when the process is asked to end."""


def utc_now() -> datetime:
    return datetime.now(UTC)


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. What runs goes on running without it."""
    directories.prepare(settings)
    _may_open_many_files()
    leave_no_core()
    _collect_seldom()
    with _only_one(settings):
        installation.begin(settings)
        auth = Auth.open(settings.state_dir, utc_now)
        if auth.first_password is not None:
            _tell_password(auth.first_password, settings)
        database = installation.database(settings)
        sealer = open_sealer(settings.state_dir / "secret.key", database)
        async with SqliteStore.open(
            database, PoolAllocator(settings.pools), sealer, utc_now
        ) as store:
            await _belong(settings, store)
            await _serve(settings, store, auth)


async def _serve(settings: Settings, store: SqliteStore, auth: Auth) -> None:
    async with _driver(settings, store) as driver:
        plane = ControlPlane(
            store,
            driver,
            TerminationLimits(
                drain=timedelta(seconds=settings.drain_seconds),
                grace=timedelta(seconds=settings.stop_grace_seconds),
            ),
            utc_now,
            http_port=settings.http_port,
            resync_seconds=settings.resync_seconds,
        )
        app = create_app(
            store, plane.queries, auth, facts(settings), utc_now, exposed=settings.expose_api
        )
        await _run(settings, plane, _Server(_http(settings, app)))


def facts(settings: Settings) -> Facts:
    return Facts(version("spacecloud"), "docker" if settings.driver == "docker" else "none")


async def _belong(settings: Settings, store: SqliteStore) -> None:
    """
    State folder and database hold the same secret from here on, and what an earlier release has
    made is known. ``Unavailable`` where the two are of different installations.
    """
    stored = await store.installation()
    secret = installation.agreed(settings, stored) or installation.new_secret()
    if installation.read_secret(settings) is None:
        if settings.driver == "docker" and installation.beginning(settings) != "first":
            adopted = await adopt(settings)
            logger.info("%d containers and networks of an earlier release are ours", adopted)
        installation.write_secret(settings, secret)
    if stored is None:
        await store.belong_to(secret)
    installation.complete(settings)


def _may_open_many_files() -> None:
    """As many as this machine allows: a shell's 1,024 are few for probes, callers and logs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def leave_no_core() -> None:
    """Memory holds keys and secrets: no dump of it, and no look into it but root's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The limit alone does not keep a dump from a program that core_pattern names.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _collect_seldom() -> None:
    """
    What was imported is never garbage, and what is declared lives long: to walk through all of it
    after every 700 new objects was a fifth of a start with a thousand services.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class _Server(uvicorn.Server):
    """Leaves signals to us: the library's own handling ends the process before all is closed."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _tell_password(password: str, settings: Settings) -> None:
    """To a person only: what is not a terminal is a log, which is kept and copied."""
    shown = f" is {password}" if sys.stdout.isatty() else ""
    click.echo(
        f"first start: the password of admin{shown} (kept in {settings.state_dir / PASSWORD_FILE})"
    )


async def _run(settings: Settings, plane: ControlPlane, server: uvicorn.Server) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(plane.run(), name="control-plane")
        logger.info("instance %s serves %s", settings.instance, settings.driver)
        await server.serve()
        running.cancel()


def _http(settings: Settings, app: object) -> uvicorn.Config:
    """Behind the gateway the API has a socket; in memory there is no gateway, so a port."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    if settings.driver == "docker":
        config.uds = str(RunDirectory(settings.run_dir).api_socket)
    else:
        config.host, config.port = "127.0.0.1", settings.http_port
    return config


@asynccontextmanager
async def _driver(settings: Settings, store: Secrets) -> AsyncGenerator[Driver]:
    match settings.driver:
        case "docker":
            async with docker_driver(settings, store.secret_values, utc_now) as driver:
                yield driver
        case "memory":
            yield memory_driver(utc_now)


@contextmanager
def _only_one(settings: Settings) -> Generator[None]:
    """The lock dies with the process, however it dies."""
    held = lock.take(supervisor.serve_lock(settings))
    if held is None:
        raise Conflict(
            f"instance {settings.instance} is being served already: stop it first, or choose "
            "another name with SPACE_CLOUD_INSTANCE"
        )
    try:
        yield
    finally:
        os.close(held)


async def remove(settings: Settings) -> None:
    """Take away every container, network, rule and route of the instance; state stays."""
    async with docker_host(settings) as host:
        await host.remove()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spacecloud")
def cli() -> None:
    """Space Cloud's control plane. What it runs goes on running when it does not."""


@cli.command("serve")
@click.option("--driver", type=click.Choice(["docker", "memory"]), help="Default: docker.")
@start_stop.expose_api
@click.pass_obj
def serve_command(machine: Machine, driver: str | None, expose_api: bool) -> None:  # noqa: FBT001 - click's form
    """Run in the foreground until SIGTERM."""
    settings = read_settings(driver=driver, expose_api=expose_api or None)
    logging.basicConfig(format=LOG_FORMAT, level=settings.log_level.upper(), stream=sys.stderr)
    need_root(settings)
    directories.prepare(settings)
    asyncio.run(check(machine, settings))
    asyncio.run(serve(settings))


for command in (
    start_stop.setup,
    start_stop.start,
    start_stop.stop,
    start_stop.down,
    start_stop.destroy,
    diagnostics.inspect,
    diagnostics.doctor,
):
    cli.add_command(command)


def main() -> None:
    try:
        cli(obj=Machine(serve, preflight, remove, examine, inventory))
    except SpaceCloudError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_CODES.get(type(error), 1))


if __name__ == "__main__":
    main()
