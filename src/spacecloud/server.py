"""
``space-cloud``: the composition root. Builds every part, connects them, runs until told to stop.

Read this file to see the whole system: it is the only one that names concrete drivers, owns
the clock, and starts tasks that live as long as the process.
"""

import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import uvicorn
from pydantic import ValidationError

from spacecloud import supervisor
from spacecloud.api.app import create_app
from spacecloud.api.auth import PASSWORD_FILE, Auth
from spacecloud.api.parts import Facts
from spacecloud.drivers.docker.assembly import docker_driver, docker_host, preflight
from spacecloud.drivers.driver import Driver
from spacecloud.drivers.memory import memory_driver
from spacecloud.errors import Conflict, InvalidSpec, SpaceCloudError, Unavailable
from spacecloud.reconcile.control_plane import ControlPlane
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.settings import Settings
from spacecloud.store.port import Store
from spacecloud.store.sqlite import SqliteStore
from spacecloud.workloads.situation import Patience

logger = logging.getLogger("spacecloud")

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
STOP_SECONDS = 3
"""For requests to the API that are under way when the process is asked to end."""


def utc_now() -> datetime:
    return datetime.now(UTC)


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. What runs goes on running without it."""
    _prepare_folders(settings)
    with _only_one(settings):
        auth = Auth.open(settings.state_dir, utc_now)
        if auth.first_password is not None:
            click.echo(
                f"first start: the password of admin is {auth.first_password} "
                f"(kept in {settings.state_dir / PASSWORD_FILE})"
            )
        database = settings.state_dir / "store.db"
        sealer = open_sealer(settings.state_dir / "secret.key", database)
        async with (
            SqliteStore.open(database, settings.pools, sealer, utc_now) as store,
            _driver(settings, store) as driver,
        ):
            plane = ControlPlane(
                store,
                driver,
                Patience(
                    drain=timedelta(seconds=settings.drain_seconds),
                    grace=timedelta(seconds=settings.stop_grace_seconds),
                ),
                utc_now,
                http_port=settings.http_port,
                resync_seconds=settings.resync_seconds,
            )
            facts = Facts(version("spacecloud"))
            app = create_app(store, plane.outlook, auth, facts, utc_now)
            await _run(settings, plane, _Server(_http(settings, app)))


class _Server(uvicorn.Server):
    """Leaves signals to us: the library's own handling ends the process before all is closed."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


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
        config.uds = str(settings.run_dir / "api.sock")
    else:
        config.host, config.port = "127.0.0.1", settings.http_port
    return config


@asynccontextmanager
async def _driver(settings: Settings, store: Store) -> AsyncGenerator[Driver]:
    match settings.driver:
        case "docker":
            async with docker_driver(settings, store.secret_values, utc_now) as driver:
                yield driver
        case "memory":
            yield memory_driver(settings.pools, utc_now)


def _prepare_folders(settings: Settings) -> None:
    for folder, mode in ((settings.state_dir, 0o700), (settings.run_dir, 0o755)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
            _try_to_write(folder)
        except OSError as error:
            raise Unavailable(
                f"the folder {folder} cannot be used ({error.strerror}): run as root, or choose "
                "others with SPACE_CLOUD_STATE and SPACE_CLOUD_RUN"
            ) from error


def _try_to_write(folder: Path) -> None:
    probe = folder / ".writable"
    probe.write_bytes(b"")
    probe.unlink()


@contextmanager
def _only_one(settings: Settings) -> Generator[None]:
    """The lock dies with the process, however it dies."""
    lock = os.open(settings.run_dir / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Conflict(
            f"instance {settings.instance} is being served already: stop it first, or choose "
            "another name with SPACE_CLOUD_INSTANCE"
        ) from None
    try:
        yield
    finally:
        os.close(lock)


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
@click.option("--expose-api", is_flag=True, help="Answer the API beyond loopback too.")
def serve_command(driver: str | None, expose_api: bool) -> None:  # noqa: FBT001 - click's form
    """Run in the foreground until SIGTERM."""
    settings = _settings(driver=driver, expose_api=expose_api or None)
    logging.basicConfig(format=LOG_FORMAT, level=settings.log_level.upper(), stream=sys.stderr)
    _check_machine(settings)
    asyncio.run(serve(settings))


@cli.command()
@click.option("--expose-api", is_flag=True, help="Answer the API beyond loopback too.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for it.")
def start(expose_api: bool, timeout: float) -> None:  # noqa: FBT001 - click's form
    """Run in the background, started again whenever it ends; returns when it answers."""
    settings = _settings(expose_api=expose_api or None)
    _prepare_folders(settings)
    if supervisor.is_running(settings):
        click.echo(f"instance {settings.instance} runs already")
        return
    _check_machine(settings)
    extra = ["--expose-api"] if expose_api else []
    supervisor.start([sys.executable, "-m", "spacecloud.server", "serve", *extra], settings)
    supervisor.wait_until_it_answers(settings, timeout)
    click.echo(f"instance {settings.instance} runs; its log is {supervisor.log_path(settings)}")


@cli.command()
def stop() -> None:
    """End the control plane; what it runs goes on running."""
    settings = _settings()
    stopped = supervisor.stop(settings)
    click.echo("stopped" if stopped else f"instance {settings.instance} does not run")


@cli.command()
def down() -> None:
    """End the control plane and remove all it made on this machine; declarations are kept."""
    settings = _settings()
    supervisor.stop(settings)
    asyncio.run(remove(settings))
    click.echo(
        f"nothing of instance {settings.instance} runs; what was declared is kept in "
        f"{settings.state_dir}"
    )


def _check_machine(settings: Settings) -> None:
    if settings.driver != "docker":
        return
    problems = asyncio.run(preflight(settings))
    if problems:
        raise Unavailable("this machine is not ready:\n  " + "\n  ".join(problems))


def _settings(**given: Any) -> Settings:
    try:
        return Settings(**{name: v for name, v in given.items() if v is not None})
    except ValidationError as error:
        lines = [
            f"SPACE_CLOUD_{'_'.join(str(part) for part in e['loc']).upper()}: {e['msg']}"
            for e in error.errors()
        ]
        raise InvalidSpec("the settings are not valid:\n  " + "\n  ".join(lines)) from error


def main() -> None:
    try:
        cli()
    except SpaceCloudError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
