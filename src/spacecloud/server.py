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
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import click
import uvicorn

from spacecloud import directories, installation, lock, supervisor
from spacecloud.api.access import access_of
from spacecloud.api.app import create_app
from spacecloud.api.auth import Auth
from spacecloud.api.dependencies import Facts
from spacecloud.api.leases import by_caller, leases_app
from spacecloud.api.metrics import by_port, metrics_app
from spacecloud.commands import diagnostics, first_password, start_stop
from spacecloud.commands.context import Machine, check, need_root, read_settings
from spacecloud.commands.group import Commands
from spacecloud.drivers.docker.factory import (
    adopt,
    api_socket,
    docker_driver,
    docker_host,
    examine,
    inventory,
    preflight,
)
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
        auth = Auth.open(settings.state_dir, utc_now, timedelta(days=settings.login_days))
        if auth.first_password is not None:
            first_password.tell(auth.first_password, settings)
        database = installation.database(settings)
        sealer = open_sealer(settings.state_dir / "secret.key", database)
        async with SqliteStore.open(
            database, PoolAllocator(settings.pools), sealer, utc_now, settings.own_ports
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
            store,
            plane.queries,
            auth,
            facts(settings),
            utc_now,
            access_of(
                exposed=settings.expose_api,
                names=settings.api_names,
                origins=settings.api_origins,
            ),
        )
        told = metrics_app(plane.queries.metrics)
        answers = by_caller(app, leases_app(plane.leases))
        server = _Server(_http(by_port(answers, {settings.metrics_port: told})))
        logger.info("instance %s serves %s", settings.instance, settings.driver)
        await _run(plane, server, _listeners(settings))


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

    A walk through the middle generation comes after a million objects: a start with a thousand
    services makes less than half of that, and nearly all of it stays.
    """
    gc.freeze()
    gc.set_threshold(20_000, 50, 20)


class _Server(uvicorn.Server):
    """
    Leaves signals to us: the library's own handling ends the process before all is closed.

    It sleeps until it is asked to end. The library's own loop wakes ten times a second, for the
    date of answers, which the gateway writes.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._asked_to_end = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._asked_to_end.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._asked_to_end.wait()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        yield


async def _run(plane: ControlPlane, server: _Server, listeners: list[socket.socket]) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(plane.run(), name="control-plane")
        await server.serve(listeners)
        running.cancel()


def _http(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _listeners(settings: Settings) -> list[socket.socket]:
    """Behind the gateway the API has a socket; in memory there is no gateway, so a port."""
    if settings.driver == "docker":
        listeners = [api_socket(settings)]
    else:
        listeners = [_on_loopback(settings.http_port, "HTTP")]
    if settings.metrics_port:
        try:
            listeners.append(_on_loopback(settings.metrics_port, "METRICS"))
        except Unavailable as error:
            # Another instance may have it: what runs is worth more than its numbers.
            logger.warning("no metrics: %s", error)
    return listeners


def _on_loopback(port: int, name: str) -> socket.socket:
    """``Unavailable`` with the setting that chooses another one."""
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise Unavailable(
            f"port {port} of 127.0.0.1: {error.strerror}: choose another with "
            f"SPACE_CLOUD_{name}_PORT"
        ) from error
    # asyncio does it only for sockets that name their protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
