"""How many replicas there are and why; a number, sleep and wake by hand."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from spacecloud.api.bodies import read_object
from spacecloud.api.dependencies import Api
from spacecloud.api.parameters import ProjectId, ServiceId, ServiceQuery, VersionId
from spacecloud.api.responses import views
from spacecloud.api.schemas import answers, body, lists
from spacecloud.errors import InvalidSpec, Mistake
from spacecloud.model.refs import ServiceRef
from spacecloud.model.resource import Resource, Whole
from spacecloud.model.scaling import Depth
from spacecloud.model.scaling_view import ScaleAnswer, ScaleView
from spacecloud.model.validation.mistakes import validate
from spacecloud.reasons.scale_requests import StillWaking

router = APIRouter(prefix="/v1/runner", tags=["services"])


class ScaleOrder(Resource):
    """Exactly one of the two."""

    replicas: Whole | None = Field(default=None, ge=0, le=1000)
    """So many until the next apply of the version, whatever the load; outside of its bounds too."""

    asleep: Depth | None = None
    """
    `frozen`: it keeps its memory, and wakes in milliseconds. `stopped`: its memory is given back.
    A call wakes it. `null` wakes it now, and is answered when it takes calls.
    """


@router.get("/{project}/scaling", responses=lists(ScaleView))
async def scaling(api: Api, query: ServiceQuery) -> JSONResponse:
    """What moves the number of replicas, what was decided, and what comes next and when."""
    return views(await api.backend.scaling.views(query.project, query.service, query.version))


@router.post(
    "/{project}/scaling/{serviceId}/{version}",
    openapi_extra=body(ScaleOrder),
    responses=answers(ScaleAnswer),
)
async def scale(
    api: Api, project: ProjectId, service: ServiceId, version: VersionId, request: Request
) -> JSONResponse:
    """Ask for a number of replicas until the next apply, put a version to sleep, or wake it."""
    given = await read_object(request)
    order = validate(ScaleOrder, given, "")
    return JSONResponse((await _carried_out(api, order, given, (project, service, version))).wire())


async def _carried_out(
    api: Api, order: ScaleOrder, given: dict[str, Any], names: tuple[str, str, str]
) -> ScaleAnswer:
    ref = ServiceRef(*names)
    match order.replicas, order.asleep:
        case int(replicas), None:
            notices = await api.backend.scaling.scale(ref, replicas)
            return ScaleAnswer(notices=tuple(map(str, notices)), replicas=replicas)
        case None, "frozen" | "stopped" as depth:
            await api.backend.scaling.sleep(ref, depth)
            return ScaleAnswer(asleep=depth)
        case None, None if "asleep" in given:
            woken = await api.backend.scaling.wake(ref)
            if isinstance(woken, StillWaking):
                return ScaleAnswer(notices=(f"{woken}: {woken.fix}",))
            if woken is None:
                return ScaleAnswer(milliseconds=0)
            return ScaleAnswer(milliseconds=woken.milliseconds, parts=woken.parts)
        case _:
            raise _not_one()


def _not_one() -> InvalidSpec:
    mistake = Mistake(
        "", 'one of two is expected: {"replicas": 3}, or {"asleep": …} with frozen, stopped or null'
    )
    return InvalidSpec(str(mistake), (mistake,))
