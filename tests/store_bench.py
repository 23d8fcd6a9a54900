"""
Every implementation of the store, and what its suite puts into it.

Another implementation joins by adding its opener to ``OPENERS``: a context manager that takes
a folder of its own and who allocates addresses, and yields a ``Store``.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spacecloud.model.addresses import Allocation, Pools
from spacecloud.model.declared import DeclaredVersion
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.routing import IngressRoute
from spacecloud.model.secret import Secret, SecretFacts
from spacecloud.model.service import Service
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.store.port import Allocator, NextRevision, Store
from spacecloud.store.sqlite import SqliteStore

Opener = Callable[[Path, Allocator], AbstractAsyncContextManager[Store]]

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
POOLS = Pools()
API = ServiceRef("shop", "api", "v1")
WEB = ServiceRef("shop", "web", "v1")


@asynccontextmanager
async def sqlite(folder: Path, allocator: Allocator) -> AsyncGenerator[Store]:
    path = folder / "store.db"
    sealer = open_sealer(folder / "secret.key", path)
    async with SqliteStore.open(path, allocator, sealer, lambda: NOW) as store:
        yield store


OPENERS: dict[str, Opener] = {"sqlite": sqlite}


def a_service(**fields: Any) -> Service:
    task = {"id": "main", "docker": {"image": "app:1"}, **fields.pop("task", {})}
    return Service.model_validate({"tasks": [task], **fields})


def a_secret(type: str = "env", **data: str) -> Secret:
    root = "/etc/app" if type == "file" else ""
    return Secret.model_validate({"type": type, "rootPath": root, "data": data})


def an_ingress(host: str) -> IngressRoute:
    return IngressRoute.model_validate({"targets": [{"host": host, "port": 80}]})


def a_revision(
    number: int, *secrets: SecretFacts, image: str = "sha256:1", hash: str = ""
) -> NextRevision:
    return NextRevision(number, hash or f"hash{number}", {"main": image}, secrets)


async def the_only_version(store: Store) -> DeclaredVersion:
    (version,) = await store.versions()
    return version


async def allocation_of(store: Store, key: ServiceKey) -> Allocation | None:
    return (await store.declared()).addresses.services.get(key)
