"""Configuration of the whole installation and of certificates: kept; nothing acts on it."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spacecloud.api.bodies import read_object
from spacecloud.api.declare import declare
from spacecloud.api.dependencies import Api
from spacecloud.api.envelopes import envelope_of
from spacecloud.api.parameters import LooseId, ProjectId
from spacecloud.api.responses import done, other_view, result
from spacecloud.api.schemas import NOTICES, body, gives, lists
from spacecloud.model.kind_paths import id_in_spec
from spacecloud.model.other_configuration import ClusterConfig, Integration, LetsEncrypt

router = APIRouter(prefix="/v1/config", tags=["kept for others"])


@router.get("/cluster", responses=gives(ClusterConfig))
async def cluster_config(api: Api) -> JSONResponse:
    """Always an object: the original's client reads it as one."""
    found = await api.store.others("cluster-config")
    return result(found[0].document if found else {})


@router.post("/cluster", openapi_extra=body(ClusterConfig), responses=NOTICES)
async def apply_cluster_config(api: Api, request: Request) -> JSONResponse:
    envelope = envelope_of("cluster-config", {}, await read_object(request))
    return JSONResponse(await declare(api, envelope))


@router.get("/integrations", responses=lists(Integration))
async def list_integrations(api: Api) -> JSONResponse:
    """`key` and `license` are shown as `********`."""
    return result([other_view(kept) for kept in await api.store.others("integrations")])


@router.post("/integrations", openapi_extra=body(Integration), responses=NOTICES)
async def apply_integration(api: Api, request: Request) -> JSONResponse:
    given = await read_object(request)
    envelope = envelope_of("integrations", {"id": id_in_spec(given)}, given)
    return JSONResponse(await declare(api, envelope))


@router.delete("/integrations/{id}")
async def delete_integration(api: Api, id: LooseId) -> JSONResponse:
    """Also succeeds when there is none."""
    await api.store.delete_other("integrations", "", id)
    return done()


@router.get("/projects/{project}/letsencrypt/config", responses=lists(LetsEncrypt))
async def list_letsencrypt(api: Api, project: ProjectId) -> JSONResponse:
    return result([other_view(kept) for kept in await api.store.others("letsencrypt", project)])


@router.post(
    "/projects/{project}/letsencrypt/config/{id}",
    openapi_extra=body(LetsEncrypt),
    responses=NOTICES,
)
async def apply_letsencrypt(
    api: Api, project: ProjectId, id: LooseId, request: Request
) -> JSONResponse:
    """One per project, whatever the id. An empty object removes it."""
    ids = {"project": project, "id": id}
    envelope = envelope_of("letsencrypt", ids, await read_object(request))
    return JSONResponse(await declare(api, envelope))
