"""
Parts of the original that are not here: its clients ask them too, and go on.

There is nothing to list. What only says that a part is off is so already; anything else is
refused, because it would be lost. None of it is in the OpenAPI document: it is no offer.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse

from spacecloud.api.bodies import read_object
from spacecloud.api.parameters import ProjectId
from spacecloud.api.responses import done, result
from spacecloud.errors import Unsupported
from spacecloud.model.other_configuration import asks_for_nothing

router = APIRouter(prefix="/v1/config", include_in_schema=False)

PROJECT = "/projects/{project}"
LISTS = (
    f"{PROJECT}/database/config",
    f"{PROJECT}/database/collections/rules",
    f"{PROJECT}/database/collections/schema/mutate",
    f"{PROJECT}/database/prepared-queries",
    f"{PROJECT}/file-storage/config",
    f"{PROJECT}/file-storage/rules",
    f"{PROJECT}/eventing/config",
    f"{PROJECT}/eventing/triggers",
    f"{PROJECT}/eventing/rules",
    f"{PROJECT}/eventing/schema",
    f"{PROJECT}/remote-service/service",
    f"{PROJECT}/user-management/provider",
    f"{PROJECT}/security/function",
)
MODULES = ("database", "file-storage", "eventing", "remote-service", "user-management", "security")

Rest = Annotated[str, Path(max_length=1000)]


async def _nothing(project: ProjectId) -> JSONResponse:
    return result([])


for path in LISTS:
    router.get(path)(_nothing)


@router.get("/caching/config")
async def caching() -> JSONResponse:
    return result([])


@router.post("/caching/config/{id}")
async def apply_caching(id: Rest, request: Request) -> JSONResponse:
    return await _answer("caching", request)


def _serve(module: str) -> None:
    path = f"{PROJECT}/{module}/{{rest:path}}"

    @router.post(path)
    async def apply(project: ProjectId, rest: Rest, request: Request) -> JSONResponse:
        return await _answer(module, request)

    @router.delete(path)
    async def delete(project: ProjectId, rest: Rest) -> JSONResponse:
        return done()


for name in MODULES:
    _serve(name)


async def _answer(module: str, request: Request) -> JSONResponse:
    if asks_for_nothing(await read_object(request)):
        notice = f"the {module} module is not here, and this asks nothing of it: it is not kept"
        return JSONResponse({"notices": [notice], "change": "unchanged"})
    raise Unsupported(
        f"the {module} module of the original is not here: this would be lost, so it is refused; "
        f"leave the document for {request.url.path} out"
    )
