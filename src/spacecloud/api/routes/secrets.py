"""Secrets: values go in and never come out."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spacecloud.api.bodies import read_object
from spacecloud.api.declare import declare
from spacecloud.api.dependencies import Api
from spacecloud.api.envelopes import envelope_of
from spacecloud.api.parameters import IdFilter, LooseId, ProjectId, SecretKey, wanted
from spacecloud.api.responses import done, result, secret_view
from spacecloud.api.schemas import NOTICES, body, lists
from spacecloud.errors import NotFound
from spacecloud.model.resource import Resource
from spacecloud.model.secret import Secret
from spacecloud.model.validation.mistakes import validate

router = APIRouter(prefix="/v1/runner", tags=["secrets"])


class SecretRootPath(Resource):
    root_path: str
    """The folder in the task where each key becomes a file."""


class SecretValue(Resource):
    value: str


@router.post("/{project}/secrets/{id}", openapi_extra=body(Secret), responses=NOTICES)
async def apply_secret(api: Api, project: ProjectId, id: LooseId, request: Request) -> JSONResponse:
    """A value of `********` keeps the one that is stored."""
    ids = {"project": project, "id": id}
    envelope = envelope_of("secret", ids, await read_object(request))
    return JSONResponse(await declare(api, envelope))


@router.get("/{project}/secrets", responses=lists(Secret))
async def list_secrets(api: Api, project: ProjectId, id: IdFilter = "") -> JSONResponse:
    """Every value is shown as `********`."""
    wanted_id = wanted(id)
    secrets = await api.store.secrets(project, wanted_id)
    if wanted_id and not secrets:
        raise NotFound(f"secret({wanted_id}) not present in state")
    return result([secret_view(facts) for facts in secrets])


@router.delete("/{project}/secrets/{id}")
async def delete_secret(api: Api, project: ProjectId, id: LooseId) -> JSONResponse:
    """Also succeeds when there is none; refused while a service uses it."""
    await api.store.delete_secret(project, id)
    return done()


@router.post("/{project}/secrets/{id}/root-path", openapi_extra=body(SecretRootPath))
async def set_secret_root_path(
    api: Api, project: ProjectId, id: LooseId, request: Request
) -> JSONResponse:
    given = validate(SecretRootPath, await read_object(request), "")
    await api.store.set_secret_root_path(project, id, given.root_path)
    return done()


@router.post("/{project}/secrets/{id}/{key}", openapi_extra=body(SecretValue))
async def set_secret_key(
    api: Api, project: ProjectId, id: LooseId, key: SecretKey, request: Request
) -> JSONResponse:
    given = validate(SecretValue, await read_object(request), "")
    await api.store.set_secret_key(project, id, key, given.value)
    return done()


@router.delete("/{project}/secrets/{id}/{key}")
async def delete_secret_key(
    api: Api, project: ProjectId, id: LooseId, key: SecretKey
) -> JSONResponse:
    """Also succeeds when the secret has no such key."""
    await api.store.delete_secret_key(project, id, key)
    return done()
