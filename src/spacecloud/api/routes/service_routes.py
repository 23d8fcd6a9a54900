"""Service routes and roles: kept as declared."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spacecloud.api.bodies import read_object
from spacecloud.api.declare import declare
from spacecloud.api.dependencies import Api
from spacecloud.api.envelopes import envelope_of
from spacecloud.api.parameters import (
    IdFilter,
    ProjectId,
    RoleFilter,
    RoleFilterToo,
    RoleId,
    RoleOrAll,
    ServiceFilter,
    ServiceFilterToo,
    ServiceId,
    wanted,
)
from spacecloud.api.responses import done, result, role_view, route_views
from spacecloud.api.schemas import NOTICES, body, lists
from spacecloud.errors import NotFound
from spacecloud.model.refs import ServiceKey
from spacecloud.model.routing import Role, Route, Routes

router = APIRouter(prefix="/v1/runner", tags=["routes and roles"])


@router.post("/{project}/service-routes/{serviceId}", openapi_extra=body(Routes), responses=NOTICES)
async def apply_routes(
    api: Api, project: ProjectId, service: ServiceId, request: Request
) -> JSONResponse:
    """Replaces all routes of the service; an empty list removes them."""
    ids = {"project": project, "id": service}
    envelope = envelope_of("service-route", ids, await read_object(request))
    return JSONResponse(await declare(api, envelope))


@router.get("/{project}/service-routes", responses=lists(Route))
async def list_routes(
    api: Api,
    project: ProjectId,
    id: IdFilter = "",
    service: ServiceFilter = "",
    service_too: ServiceFilterToo = "",
) -> JSONResponse:
    """One flat list; the id of a route is its service's."""
    wanted_id = wanted(id, service, service_too)
    documents = await api.store.routes(project, wanted_id)
    if wanted_id and not documents and not await api.store.versions(project, wanted_id):
        raise NotFound(f"serviceID({wanted_id}) not present in state")
    return result(route_views(documents))


@router.post(
    "/{project}/service-roles/{serviceId}/{roleId}", openapi_extra=body(Role), responses=NOTICES
)
async def apply_role(
    api: Api, project: ProjectId, service: ServiceId, role: RoleId, request: Request
) -> JSONResponse:
    ids = {"project": project, "serviceId": service, "roleId": role}
    envelope = envelope_of("service-role", ids, await read_object(request))
    return JSONResponse(await declare(api, envelope))


@router.get("/{project}/service-roles", responses=lists(Role))
async def list_roles(
    api: Api,
    project: ProjectId,
    service: ServiceFilter = "",
    service_too: ServiceFilterToo = "",
    role: RoleFilter = "",
    role_too: RoleFilterToo = "",
) -> JSONResponse:
    service_id, role_id = wanted(service, service_too), wanted(role, role_too)
    return result([role_view(kept) for kept in await api.store.roles(project, service_id, role_id)])


@router.delete("/{project}/service-roles/{serviceId}/{roleId}")
async def delete_role(
    api: Api, project: ProjectId, service: ServiceId, role: RoleOrAll
) -> JSONResponse:
    """`*` removes all roles of the service. Also succeeds when there is none."""
    await api.store.delete_role(ServiceKey(project, service), role)
    return done()
