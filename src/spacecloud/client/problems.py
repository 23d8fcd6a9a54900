"""Problems as the API tells them, as the errors they stand for."""

import json
from typing import Any

from spacecloud.errors import (
    Conflict,
    DriverError,
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
)
from spacecloud.model.lines import visible


class ServerBug(SpaceCloudError):
    """The control plane stumbled over itself; its log has more."""


BY_CODE: dict[str, type[SpaceCloudError]] = {
    kind.code: kind
    for kind in (
        InvalidSpec,
        Unauthorized,
        Forbidden,
        NotFound,
        Conflict,
        TooManyRequests,
        Unavailable,
        Unsupported,
        DriverError,
        Transient,
        Terminal,
        ServerBug,
    )
}
BY_STATUS: dict[int, type[SpaceCloudError]] = {
    400: InvalidSpec,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: NotFound,
    409: Conflict,
    413: InvalidSpec,
    415: InvalidSpec,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def problem_of(status: int, data: bytes, url: str) -> SpaceCloudError:
    """Also of an answer that is not the API's: from a proxy before it, or from another server."""
    body = _object(data)
    sentence = body.get("error")
    if not isinstance(sentence, str) or not sentence:
        return _foreign(status, url)
    kind = BY_CODE.get(str(body.get("code")), BY_STATUS.get(status, ServerBug))
    if issubclass(kind, InvalidSpec):
        more = body.get("more")
        known = tuple(_mistakes(body.get("mistakes")))
        return kind(visible(sentence), known, more if type(more) is int and more > 0 else 0)
    return kind(visible(sentence))


def _foreign(status: int, url: str) -> SpaceCloudError:
    if status in (502, 503, 504):
        return Unavailable(
            f"the gateway at {url} answers, but the control plane behind it does not "
            f"({status}): `space-cloud start` starts it"
        )
    if status == 403:
        return Forbidden(
            f"{url} refuses (403): the API answers callers on its own machine only, unless it "
            "was started with --expose-api"
        )
    return Unavailable(f"what answers at {url} is not Space Cloud's API ({status})")


def _object(data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _mistakes(given: Any) -> list[Mistake]:
    if not isinstance(given, list):
        return []
    return [
        Mistake(
            visible(str(each.get("path", ""))),
            visible(str(each.get("message", ""))),
            each.get("value"),
        )
        for each in given
        if isinstance(each, dict)
    ]
