"""Ingress: how the outside reaches services."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spacecloud.api.bodies import read_object
from spacecloud.api.declare import declare
from spacecloud.api.dependencies import Api
from spacecloud.api.envelopes import envelope_of
from spacecloud.api.parameters import IdFilter, LooseId, ProjectId, wanted
from spacecloud.api.responses import done, ingress_view, result
from spacecloud.api.schemas import NOTICES, body, lists
from spacecloud.errors import NotFound
from spacecloud.model.routing import IngressGlobal, IngressRoute

router = APIRouter(prefix="/v1/config/projects/{project}/routing/ingress", tags=["ingress"])

NO_SETTINGS: dict[str, list[str]] = {"headers": [], "resHeaders": []}


@router.get("", responses=lists(IngressRoute))
async def list_ingress(api: Api, project: ProjectId, id: IdFilter = "") -> JSONResponse:
    """In the order of their creation."""
    wanted_id = wanted(id)
    documents = await api.store.ingress(project, wanted_id)
    if wanted_id and not documents:
        raise NotFound(f"project {project} has no ingress route {wanted_id}")
    return result([ingress_view(kept) for kept in documents])


@router.get("/global", responses=lists(IngressGlobal))
async def ingress_global(api: Api, project: ProjectId) -> JSONResponse:
    kept = await api.store.ingress_global(project)
    return result([NO_SETTINGS if kept is None else kept.document])


@router.post("/global", openapi_extra=body(IngressGlobal), responses=NOTICES)
async def apply_ingress_global(api: Api, project: ProjectId, request: Request) -> JSONResponse:
    envelope = envelope_of("ingress-global", {"project": project}, await read_object(request))
    return JSONResponse(await declare(api, envelope))


@router.post("/{id}", openapi_extra=body(IngressRoute), responses=NOTICES)
async def apply_ingress(
    api: Api, project: ProjectId, id: LooseId, request: Request
) -> JSONResponse:
    ids = {"project": project, "id": id}
    envelope = envelope_of("ingress-routes", ids, await read_object(request))
    return JSONResponse(await declare(api, envelope))


@router.delete("/{id}")
async def delete_ingress(api: Api, project: ProjectId, id: LooseId) -> JSONResponse:
    if not await api.store.delete_ingress(project, id):
        raise NotFound(f"project {project} has no ingress route {id}")
    return done()
