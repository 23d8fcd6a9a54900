"""The API in this process, over a real store in a folder of its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from api_backend import StoreBackend
from spacecloud.api.access import access_of
from spacecloud.api.app import create_app
from spacecloud.api.auth import Auth
from spacecloud.api.dependencies import Facts
from spacecloud.model.addresses import PoolAllocator, Pools
from spacecloud.secrets.keyfile import open_sealer
from spacecloud.store.sqlite import SqliteStore


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Api:
    app: FastAPI
    store: SqliteStore
    backend: StoreBackend
    password: str
    token: str
    client: httpx.AsyncClient
    """Sends the token."""

    stranger: httpx.AsyncClient
    """Sends none."""

    async def post(self, path: str, document: object) -> dict[str, object]:
        """Must succeed."""
        answer = await self.client.post(path, json=document)
        assert answer.status_code == 200, answer.text
        body: dict[str, object] = answer.json()
        return body

    async def get(self, path: str) -> list[dict[str, object]]:
        """The result, which must be a list."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        result = answer.json()["result"]
        assert isinstance(result, list)
        return result


@asynccontextmanager
async def an_api(
    folder: Path, *, exposed: bool = True, origins: tuple[str, ...] = ()
) -> AsyncGenerator[Api]:
    database = folder / "store.db"
    sealer = open_sealer(folder / "secret.key", database)
    async with SqliteStore.open(database, PoolAllocator(Pools()), sealer, now) as store:
        auth = Auth.open(folder, now, timedelta(days=30))
        password = auth.first_password or (folder / "admin-password").read_text().strip()
        backend = StoreBackend(store)
        app = create_app(
            store,
            backend,
            auth,
            Facts("0.1.0", "docker"),
            now,
            access_of(exposed=exposed, origins=origins),
        )
        token = await auth.login("admin", password, "local")
        async with _client(app) as stranger, _client(app) as client:
            client.headers["Authorization"] = f"Bearer {token}"
            yield Api(app, store, backend, password, token, client, stranger)


def _client(app: FastAPI) -> httpx.AsyncClient:
    # As on its socket, where a caller has no address but what the gateway says of it.
    transport = httpx.ASGITransport(app, client=cast("Any", None))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")
