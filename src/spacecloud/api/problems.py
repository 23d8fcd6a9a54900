"""Where errors meet HTTP: a status code, a sentence, and every mistake that was found."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from spacecloud.api.login_limit import LoginLimited
from spacecloud.api.parameters import IN_WORDS
from spacecloud.errors import (
    LONGEST_PATH,
    MOST_MISTAKES,
    Conflict,
    Forbidden,
    InvalidSpec,
    Mistake,
    NotFound,
    SpaceCloudError,
    Terminal,
    TooManyRequests,
    Transient,
    Unauthorized,
    Unavailable,
    Unsupported,
    shortened,
)
from spacecloud.model.validation.mistakes import shown

logger = logging.getLogger(__name__)

STATUS: dict[type[SpaceCloudError], int] = {
    InvalidSpec: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooManyRequests: 429,
    Unsupported: 501,
    Terminal: 502,
    Transient: 503,
    Unavailable: 503,
}


def install(app: Starlette) -> None:
    app.add_exception_handler(SpaceCloudError, _known)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


def problem(error: SpaceCloudError) -> JSONResponse:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    body: dict[str, Any] = {"error": str(error), "code": error.code}
    if error.document is not None:
        body["document"] = error.document
    if isinstance(error, InvalidSpec) and error.mistakes:
        body["mistakes"] = [_mistake(mistake) for mistake in error.mistakes]
        if error.more:
            body["more"] = error.more
    return JSONResponse(body, status, _headers(error))


def _headers(error: SpaceCloudError) -> dict[str, str]:
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, LoginLimited):
        return {"Retry-After": str(error.retry_after_seconds)}
    return {}


def _mistake(mistake: Mistake) -> dict[str, Any]:
    given = {"value": mistake.value, "document": mistake.document}
    return {
        "path": mistake.path,
        "location": mistake.location,
        "message": mistake.message,
        **{name: value for name, value in given.items() if value is not None},
    }


async def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SpaceCloudError)
    return problem(error)


async def _invalid_parameters(request: Request, error: Exception) -> JSONResponse:
    """Parameters of path and query; bodies are validated by the model's own words."""
    assert isinstance(error, RequestValidationError)
    mistakes = tuple(
        Mistake(str(fault["loc"][-1]), _in_words(fault), shown(fault.get("input")))
        for fault in error.errors()[:MOST_MISTAKES]
    )
    return problem(InvalidSpec("; ".join(str(mistake) for mistake in mistakes), mistakes))


def _in_words(fault: Mapping[str, Any]) -> str:
    pattern = fault.get("ctx", {}).get("pattern", "")
    return str(IN_WORDS.get(pattern.removeprefix(r"^\*$|"), fault["msg"]))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    where = f"{request.method} {shortened(request.url.path, LONGEST_PATH)}"
    known = {
        404: "not_found",
        405: "method_not_allowed",
        408: "timeout",
        413: "too_large",
        415: "unsupported_media_type",
    }
    sentences = {
        404: f"the API has no {where}: see /docs",
        405: f"the API has no {where}, but the path exists with another method: see /docs",
    }
    sentence = sentences.get(error.status_code, str(error.detail))
    body = {"error": sentence, "code": known.get(error.status_code, "http")}
    return JSONResponse(body, error.status_code, error.headers)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    logger.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
    body = {"error": "this is a bug in the control plane: its log has more", "code": "internal"}
    return JSONResponse(body, 500)
