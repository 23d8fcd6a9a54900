"""What is declared, for a backup; values of secrets leave sealed or not at all."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from spacecloud.api import client_address
from spacecloud.api.bodies import read_object
from spacecloud.api.dependencies import Api
from spacecloud.api.export import export
from spacecloud.api.responses import result
from spacecloud.api.schemas import body
from spacecloud.errors import Forbidden, NotFound
from spacecloud.model.resource import Resource
from spacecloud.model.validation.mistakes import validate
from spacecloud.secrets.passphrase import PassphraseSealer

router = APIRouter(prefix="/v1/config", tags=["config"])


class Export(Resource):
    project: str = ""
    """Empty or `*`: all of them, and what is of the whole installation."""

    passphrase: str = Field(default="", max_length=1000)
    """Of 12 characters at least: values of secrets are sealed under it. Empty: `********`."""


@router.post("/export", openapi_extra=body(Export))
async def export_documents(api: Api, request: Request) -> JSONResponse:
    """
    All documents in the order of applying.

    With a passphrase for callers on this machine only: it stands in the request.
    """
    given = validate(Export, await read_object(request), "")
    project = given.project if given.project not in ("", "*") else None
    if project is not None and not await api.store.projects(project):
        raise NotFound(f"there is no project {project}")
    sealer = await _sealer(given.passphrase, request) if given.passphrase else None
    return result(await export(api.store, project, sealer))


async def _sealer(passphrase: str, request: Request) -> PassphraseSealer:
    if client_address.is_beyond_this_machine(client_address.address(request.scope)):
        raise Forbidden("values of secrets leave to callers on this machine only, and sealed")
    return await asyncio.to_thread(PassphraseSealer, passphrase)
