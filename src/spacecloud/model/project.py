"""Projects: the unit of isolation, naming and removal."""

from typing import Any

from pydantic import Field

from spacecloud.model.resource import Resource


class HostPort(Resource):
    """A TCP port of the host itself that the project's services may reach."""

    port: int = Field(ge=1, le=65535)


class Project(Resource):
    """The Deployments module reads ``id``, ``name`` and ``egress``; the rest is kept for others."""

    id: str | None = None
    name: str | None = None
    docker_registry: str | None = None
    context_time_graph_ql: int | None = Field(default=None, alias="contextTimeGraphQL")
    secrets: tuple[dict[str, Any], ...] | None = None
    secret_source: str | None = None
    is_integration: bool | None = None
    aes_key: str | None = None
    kind: str | None = None
    env: str | None = None
    egress: tuple[HostPort, ...] = ()
    """Host ports, reached at ``host.space-cloud.svc.cluster.local``: a database on a laptop."""
