"""The HTTP API as one ASGI application."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

from spacecloud.api import problems
from spacecloud.api.access import Access, AccessMiddleware
from spacecloud.api.auth import Auth
from spacecloud.api.backend import Backend
from spacecloud.api.dependencies import Dependencies, Facts
from spacecloud.api.lingering_close import LingeringClose
from spacecloud.api.middleware import OPEN, OPEN_FOLDER, Authentication, RequestId
from spacecloud.api.routes import (
    cluster,
    config,
    export,
    ingress,
    other_modules,
    projects,
    scaling,
    secrets,
    service_routes,
    services,
    session,
)
from spacecloud.api.schemas import describe
from spacecloud.model.envelope import MODELS
from spacecloud.model.routing import Route
from spacecloud.model.scaling_view import ScaleAnswer, ScaleView
from spacecloud.model.status import EventView, Finding, PlanView, ServiceStatus
from spacecloud.store.port import Store

TITLE = "Space Cloud"
BODIES: tuple[type[BaseModel], ...] = (
    *MODELS.values(),
    Route,
    session.Login,
    secrets.SecretValue,
    secrets.SecretRootPath,
    export.Export,
    scaling.ScaleOrder,
    ServiceStatus,
    ScaleView,
    ScaleAnswer,
    EventView,
    Finding,
    PlanView,
)
METHODS = ("GET", "PUT", "POST", "DELETE")


def create_app(
    store: Store,
    backend: Backend,
    auth: Auth,
    facts: Facts,
    now: Callable[[], datetime],
    access: Access,
) -> FastAPI:
    # The docs page brings its own scripts: the machine may have no way to the Internet.
    app: FastAPI = FastAPIOffline(
        title=TITLE,
        version=facts.version,
        redoc_url=None,
        static_url=OPEN_FOLDER + "assets",
        redirect_slashes=False,
    )
    app.state.dependencies = Dependencies(store, backend, auth, facts, now)
    problems.install(app)
    for module in (
        services,
        scaling,
        secrets,
        service_routes,
        projects,
        ingress,
        session,
        config,
        cluster,
        export,
        other_modules,
    ):
        app.include_router(module.router)
    _describe(app)
    # The last one added is the first to be asked.
    app.add_middleware(Authentication, auth=auth)
    if access.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(access.origins),
            allow_methods=METHODS,
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(AccessMiddleware, access=access)
    app.add_middleware(RequestId)
    app.add_middleware(LingeringClose)
    return app


def _describe(app: FastAPI) -> None:
    derive = app.openapi
    described: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(describe(derive(), BODIES, OPEN))
        return described

    app.openapi = openapi  # type: ignore[method-assign]
