"""What would happen, what has happened, and how much of it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from spacecloud.api.bodies import read_object
from spacecloud.api.declare import declare_all
from spacecloud.api.dependencies import Api
from spacecloud.api.envelopes import envelopes_of
from spacecloud.api.parameters import (
    ProjectFilter,
    ServiceFilterToo,
    VerifyQuery,
    trial_of,
    wanted,
)
from spacecloud.api.responses import done, result, views
from spacecloud.api.schemas import BATCH, DOCUMENTS, gives, lists
from spacecloud.errors import InvalidSpec
from spacecloud.model.status import EventView, PlanView, event_view

router = APIRouter(tags=["config"])

MOST_EVENTS = 10_000


@router.post("/v1/config/plan", openapi_extra=DOCUMENTS, responses=gives(PlanView))
async def plan(api: Api, request: Request, verify: VerifyQuery = "true") -> JSONResponse:
    """What applying the documents, or deleting them, would change. Nothing is touched."""
    given = await read_object(request)
    delete = given.get("delete", False)
    if not isinstance(delete, bool):
        raise InvalidSpec("delete: true or false is expected")
    envelopes = envelopes_of(given.get("documents"), "documents", delete=delete)
    view = await api.backend.plan(envelopes, trial_of(verify), delete=delete)
    return result(view.wire())


@router.post("/v1/config/check", openapi_extra=DOCUMENTS)
async def check(api: Api, request: Request) -> JSONResponse:
    """Whether the documents would be accepted; with the mistakes of all where not."""
    given = await read_object(request)
    await api.backend.check(envelopes_of(given.get("documents"), "documents"))
    return done()


@router.post("/v1/config/batch-apply", openapi_extra=BATCH)
async def batch_apply(api: Api, request: Request, verify: VerifyQuery = "true") -> JSONResponse:
    """All documents are checked before the first is accepted; each is accepted by itself."""
    given = await read_object(request)
    envelopes = envelopes_of(given.get("specs"), "specs")
    await api.backend.check(envelopes)
    answers = await declare_all(api, envelopes, trial_of(verify))
    named = zip(envelopes, answers, strict=True)
    return result([{"document": envelope.name, **answer} for envelope, answer in named])


@router.get("/v1/config/events", responses=lists(EventView))
async def list_events(
    api: Api,
    project: ProjectFilter = "",
    service: Annotated[str, Query(description="Empty or `*`: all.")] = "",
    service_too: ServiceFilterToo = "",
    limit: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 100,
) -> JSONResponse:
    """Newest first."""
    wanted_service = wanted(service, service_too)
    events = await api.store.events(wanted(project), wanted_service, limit)
    return views(event_view(event) for event in events)


@router.get("/v1/runner/metrics")
async def usage() -> JSONResponse:
    """The original's counters of anonymous usage; none are kept."""
    return result([])
