"""Projects, on the paths of both of the original's processes."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spacecloud.api.bodies import read_object
from spacecloud.api.declare import declare
from spacecloud.api.dependencies import Api
from spacecloud.api.envelopes import envelope_of
from spacecloud.api.parameters import ProjectId, ProjectOrAll, wanted
from spacecloud.api.responses import done, project_view, result
from spacecloud.api.schemas import NOTICES, body, lists
from spacecloud.errors import NotFound
from spacecloud.model.project import Project

router = APIRouter(prefix="/v1", tags=["projects"])


@router.get("/config/projects/{project}", responses=lists(Project))
async def list_projects(api: Api, project: ProjectOrAll) -> JSONResponse:
    """`*` lists all."""
    wanted_id = wanted(project)
    projects = await api.store.projects(wanted_id)
    if wanted_id and not projects:
        raise NotFound(f"there is no project {wanted_id}")
    return result([project_view(kept) for kept in projects])


@router.post("/config/projects/{project}", openapi_extra=body(Project), responses=NOTICES)
async def apply_project(api: Api, project: ProjectId, request: Request) -> JSONResponse:
    envelope = envelope_of("project", {"project": project}, await read_object(request))
    return JSONResponse(await declare(api, envelope))


@router.delete("/config/projects/{project}")
async def delete_project(api: Api, project: ProjectId) -> JSONResponse:
    """All that is in it goes too. Also succeeds when there is none."""
    await api.store.delete_project(project)
    return done()


@router.post("/runner/project/{project}", openapi_extra=body(Project))
async def create_project(api: Api, project: ProjectId, request: Request) -> JSONResponse:
    """One that exists already stays as it is."""
    envelope = envelope_of("project", {"project": project}, await read_object(request))
    if not await api.store.projects(project):
        await declare(api, envelope)
    return done()


@router.delete("/runner/{project}")
async def remove_project(api: Api, project: ProjectId) -> JSONResponse:
    """All that is in it goes too. Also succeeds when there is none."""
    await api.store.delete_project(project)
    return done()
