"""Ingress routes (how the outside gets in) and service routes (how a service's traffic splits)."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from spacecloud.model.resource import Resource, Whole
from spacecloud.model.traffic import EscapedSlashes


def _renamed(given: Any, names: dict[str, str]) -> Any:
    """The spellings that the original's generator wrote, as the ones its server read."""
    if not isinstance(given, dict):
        return given
    return {names.get(k, k) if names.get(k, k) not in given else k: v for k, v in given.items()}


class IngressSource(Resource):
    hosts: tuple[str, ...] = ("*",)
    """Names the request must be for, ``*`` for all."""

    methods: tuple[str, ...] = ()
    """Empty or ``*``: any."""

    url: str = Field(default="/", pattern=r"^/")
    type: Literal["prefix", "exact"] = "prefix"
    rewrite: str = ""
    """Replaces the matched prefix (the whole path of an exact match); empty keeps it."""

    port: Whole = 0
    escaped_slashes: EscapedSlashes = "unescape"
    """
    ``keep``: the service gets ``%2F`` and the path around it as they were sent. The route is chosen
    by the canonical path all the same, and a denied path stays denied. For ``type: prefix``.
    """

    @model_validator(mode="before")
    @classmethod
    def _generator_spelling(cls, given: Any) -> Any:
        return _renamed(given, {"method": "methods", "rewriteURL": "rewrite"})

    @field_validator("hosts", mode="before")
    @classmethod
    def _an_empty_answer_is_any_host(cls, given: Any) -> Any:
        return ["*"] if given == [""] else given

    @field_validator("methods", mode="before")
    @classmethod
    def _one_method_is_a_list(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("rewrite")
    @classmethod
    def _rewrite_is_a_path(cls, rewrite: str) -> str:
        if rewrite and not rewrite.startswith("/"):
            raise ValueError("a rewrite is a path and starts with /")
        return rewrite


class IngressTarget(Resource):
    host: str
    """A service's domain, as in ``web.shop.svc.cluster.local``."""

    port: Whole = Field(ge=1, le=65535)
    scheme: Literal["http", "https"] = "http"
    weight: Whole = Field(default=100, ge=0, le=100)
    version: str = ""
    type: str = ""

    @model_validator(mode="before")
    @classmethod
    def _generator_spelling(cls, given: Any) -> Any:
        return _renamed(given, {"schema": "scheme"})

    @field_validator("scheme", mode="before")
    @classmethod
    def _any_case(cls, given: Any) -> Any:
        return given.lower() if isinstance(given, str) else given


class HeaderChange(Resource):
    key: str
    value: str = ""
    op: Literal["", "set", "add", "del"] = ""


class Modify(Resource):
    template: str = ""
    request_template: str = ""
    response_template: str = ""
    output_format: str = ""
    headers: tuple[HeaderChange, ...] = ()
    res_headers: tuple[HeaderChange, ...] = ()


class IngressRoute(Resource):
    id: str | None = None
    project: str | None = None
    source: IngressSource = IngressSource()
    targets: tuple[IngressTarget, ...] = Field(min_length=1)
    rule: dict[str, Any] | None = None
    """``{rule: allow}`` or absent lets everybody in, ``deny`` nobody, and so does ``{}``."""

    modify: Modify | None = None
    is_route_cacheable: bool | None = None
    cache_options: tuple[str, ...] | None = None

    def as_given(self) -> dict[str, Any]:
        return with_source(super().as_given())


SOURCE: Mapping[str, Any] = {"hosts": ["*"], "methods": ["*"], "url": "/", "type": "prefix"}
"""What a route's source is where nothing else is written."""


def with_source(document: Mapping[str, Any]) -> dict[str, Any]:
    """The original's clients read these fields of every route, and end where one is missing."""
    return {**document, "source": {**SOURCE, **(document.get("source") or {})}}


class IngressGlobal(Resource):
    headers: tuple[HeaderChange, ...] = ()
    res_headers: tuple[HeaderChange, ...] = ()


class HttpMatch(Resource):
    key: str = ""
    value: str = ""
    type: Literal["exact", "prefix", "regex", "check-presence"] = "exact"
    ignore_case: bool = False

    @model_validator(mode="before")
    @classmethod
    def _generator_spelling(cls, given: Any) -> Any:
        return _renamed(given, {"isIgnoreCase": "ignoreCase"})


class Matcher(Resource):
    url: HttpMatch | None = None
    headers: tuple[HttpMatch, ...] = ()


class RouteSource(Resource):
    protocol: Literal["", "http", "tcp"] = "http"
    port: Whole = Field(ge=1, le=65535)
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    url: str = ""
    rewrite: str = ""
    type: str = ""


class RouteTarget(Resource):
    type: Literal["version", "external"]
    version: str = ""
    host: str = ""
    port: Whole = Field(ge=1, le=65535)
    weight: Whole = Field(default=0, ge=0, le=100)
    scheme: str = ""


class Route(Resource):
    id: str | None = None
    request_retries: Whole = Field(default=3, ge=0)
    request_timeout: Whole = Field(default=180, ge=0)
    """Seconds per try; 0 means 180."""

    matchers: tuple[Matcher, ...] = ()
    source: RouteSource
    targets: tuple[RouteTarget, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _weights_are_percent(self) -> "Route":
        total = sum(target.weight for target in self.targets)
        if total != 100:
            raise ValueError(f"the weights of a route's targets add up to 100, not {total}")
        return self


class Routes(Resource):
    """All routes of one service: a write replaces them together."""

    routes: tuple[Route, ...] = ()
    id: str | None = None

    def as_given(self) -> dict[str, Any]:
        """Without the id that a list of routes gives each: it is the service's."""
        given = super().as_given()
        routes = given.get("routes", [])
        kept = [{k: v for k, v in route.items() if k != "id"} for route in routes]
        return {**given, "routes": kept} if "routes" in given else given


def without_version(routes: Routes, version: str) -> Routes:
    """
    Once a version is gone: it is no target any more, and the others share its part.

    A route that led nowhere else goes too.
    """
    kept = (_route_without(route, version) for route in routes.routes)
    return routes.model_copy(update={"routes": tuple(route for route in kept if route)})


def _route_without(route: Route, version: str) -> Route | None:
    rest = [t for t in route.targets if t.type != "version" or t.version != version]
    if len(rest) == len(route.targets):
        return route
    total = sum(target.weight for target in rest)
    if not total:
        return None
    weights = [target.weight * 100 // total for target in rest]
    # What rounding leaves goes to the largest, whose share it changes least.
    weights[weights.index(max(weights))] += 100 - sum(weights)
    targets = [
        target.model_copy(update={"weight": weight})
        for target, weight in zip(rest, weights, strict=True)
    ]
    return route.model_copy(update={"targets": tuple(targets)})


class RoleRule(Resource):
    api_groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()


class Role(Resource):
    """What a service's account may do on Kubernetes."""

    id: str | None = None
    project: str | None = None
    service: str | None = None
    type: Literal["project", "cluster"]
    rules: tuple[RoleRule, ...] = ()

    @field_validator("type", mode="before")
    @classmethod
    def _any_case(cls, given: Any) -> Any:
        return given.lower() if isinstance(given, str) else given
