"""Services: declare, list, remove; their status and their logs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from spacecloud.api.bodies import read_object
from spacecloud.api.declare import declare
from spacecloud.api.dependencies import Api
from spacecloud.api.envelopes import envelope_of
from spacecloud.api.log_stream import LogStream
from spacecloud.api.parameters import (
    ProjectId,
    ServiceId,
    ServiceQuery,
    VerifyQuery,
    VersionId,
    moment,
    trial_of,
)
from spacecloud.api.responses import done, result, service_view, views
from spacecloud.api.schemas import ACCEPTED, LOG_LINES, body, lists
from spacecloud.drivers.driver import LogRequest
from spacecloud.errors import InvalidSpec, NotFound
from spacecloud.model.refs import ServiceRef
from spacecloud.model.service import Service
from spacecloud.model.status import Finding, ServiceStatus

router = APIRouter(prefix="/v1/runner", tags=["services"])


class LogQuery(BaseModel):
    """The original's client always sends every key: an empty one is an absent one."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    replica: str = Field(default="", alias="replicaId")
    task: str = Field(default="", alias="taskId")
    """Empty: the first task of the replica."""

    follow: str = "false"
    """Given in any form but `false`: the stream stays open."""

    tail: str = ""
    """Last lines; empty or below 1: all."""

    since: str = ""
    """A time span, as in `10m`."""

    since_time: str = Field(default="", alias="since-time")
    """A moment (RFC 3339)."""


@router.post(
    "/{project}/services/{serviceId}/{version}", openapi_extra=body(Service), responses=ACCEPTED
)
async def apply_service(
    api: Api,
    project: ProjectId,
    service: ServiceId,
    version: VersionId,
    request: Request,
    verify: VerifyQuery = "true",
) -> JSONResponse:
    """Declare one version. It is accepted when this returns; the status tells the rest."""
    ids = {"project": project, "serviceId": service, "version": version}
    envelope = envelope_of("service", ids, await read_object(request))
    return JSONResponse(await declare(api, envelope, trial_of(verify)))


@router.delete("/{project}/services/{serviceId}/{version}")
async def delete_service(
    api: Api, project: ProjectId, service: ServiceId, version: VersionId
) -> JSONResponse:
    """Also succeeds when there is none."""
    await api.store.delete_service(ServiceRef(project, service, version))
    return done()


@router.get("/{project}/services", responses=lists(Service))
async def list_services(api: Api, query: ServiceQuery) -> JSONResponse:
    """As they were declared, one entry per version."""
    versions = [
        declared
        for declared in await api.store.versions(query.project, query.service)
        if query.version in (None, declared.ref.version)
    ]
    if query.service and query.version and not versions:
        raise NotFound(
            f"serviceID({query.service}) or version({query.version}) not present in state"
        )
    return result([service_view(declared) for declared in versions])


@router.get("/{project}/services/status", responses=lists(ServiceStatus))
async def service_status(api: Api, query: ServiceQuery) -> JSONResponse:
    """What runs, what is wrong with it, and who may call whom."""
    return views(await api.backend.status(query.project, query.service, query.version))


@router.get("/{project}/services/why", responses=lists(Finding))
async def service_why(api: Api, query: ServiceQuery) -> JSONResponse:
    """What is wrong with a service and what to do; empty when nothing is."""
    if query.service is None:
        raise InvalidSpec("serviceId is missing: name the service to ask about")
    return views(await api.backend.why(query.project, query.service, query.version))


@router.get("/{project}/services/logs", responses=LOG_LINES, response_class=Response)
async def service_logs(
    api: Api, project: ProjectId, query: Annotated[LogQuery, Query()]
) -> Response:
    """Plain text, line by line."""
    if not query.replica:
        raise InvalidSpec("replicaId is missing: name a replica, as `get replicas` lists them")
    lines = api.backend.logs(
        LogRequest(
            project=project,
            replica=query.replica,
            task=query.task,
            follow=query.follow.lower() not in ("false", "0", "no"),
            tail=_tail(query.tail),
            since=moment(query.since, query.since_time, api.now()),
        )
    )
    return LogStream(lines)


def _tail(text: str) -> int | None:
    try:
        count = int(text or "-1")
    except ValueError:
        raise InvalidSpec(f"tail: a whole number is expected (got {text[:40]!r})") from None
    return count if count >= 1 else None
