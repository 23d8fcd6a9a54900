"""Logging in, and what may be known before."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spacecloud.api import client_address
from spacecloud.api.bodies import read_object
from spacecloud.api.dependencies import Api
from spacecloud.api.middleware import bearer
from spacecloud.api.parameters import ProjectId
from spacecloud.api.responses import result
from spacecloud.api.schemas import TOKEN, body
from spacecloud.errors import Unavailable
from spacecloud.model.defaults import ADMIN
from spacecloud.model.resource import Resource
from spacecloud.model.secret import REDACTED
from spacecloud.model.validation.mistakes import validate

router = APIRouter(prefix="/v1", tags=["session"])


MOST_LOGIN_BYTES = 4096
"""Of the only body that is read of a caller who is not known yet."""


class Login(Resource):
    user: str
    key: str
    """The password."""


@router.post("/config/login", openapi_extra=body(Login), responses=TOKEN)
async def login(api: Api, request: Request) -> JSONResponse:
    """A token that is good for seven days."""
    given = validate(Login, await read_object(request, MOST_LOGIN_BYTES), "")
    return JSONResponse(
        {
            "token": await api.auth.login(
                given.user, given.key, client_address.address(request.scope)
            )
        }
    )


@router.get("/config/refresh-token", responses=TOKEN)
async def refresh_token(api: Api, request: Request) -> JSONResponse:
    return JSONResponse({"token": api.auth.refresh(bearer(request.scope))})


@router.get("/config/credentials")
async def credentials() -> JSONResponse:
    """Who may log in; the password never comes out."""
    return result({"user": ADMIN, "pass": REDACTED})


@router.post("/config/projects/{project}/generate-internal-token", responses=TOKEN)
async def internal_token(api: Api, project: ProjectId, request: Request) -> JSONResponse:
    """For the original's UI: as long as the caller's own may be refreshed."""
    return JSONResponse({"token": api.auth.refresh(bearer(request.scope))})


@router.get("/config/permissions")
async def permissions() -> JSONResponse:
    return result([{"project": "*", "resource": "*", "verb": "*"}])


@router.get("/config/env")
async def env(api: Api) -> JSONResponse:
    """Open to everybody."""
    return JSONResponse(
        {
            "isProd": True,
            "version": api.facts.version,
            "clusterType": api.facts.cluster_type,
            "loginURL": "/mission-control/login",
        }
    )


@router.get("/runner/cluster-type")
async def cluster_type(api: Api) -> JSONResponse:
    return result(api.facts.cluster_type)


@router.get("/api/health-check")
async def health_check(api: Api) -> JSONResponse:
    """Open to everybody; 503 with the reason while the control plane cannot do its work."""
    if why := await api.backend.why_unavailable():
        raise Unavailable(why)
    return JSONResponse({})
