"""What every route may use, put together by ``create_app`` and asked for with ``Api``."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from spacecloud.api.auth import Auth
from spacecloud.api.backend import Backend
from spacecloud.model.api import ClusterType
from spacecloud.store.port import Store


@dataclass(frozen=True, slots=True)
class Facts:
    """What ``GET /v1/config/env`` tells before anybody has logged in."""

    version: str
    cluster_type: ClusterType


@dataclass(frozen=True, slots=True)
class Dependencies:
    store: Store
    backend: Backend
    auth: Auth
    facts: Facts
    now: Callable[[], datetime]


async def _dependencies(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


Api = Annotated[Dependencies, Depends(_dependencies)]
