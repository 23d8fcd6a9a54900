"""RDS: the routes of a service's HTTP entries, with the policy that guards them."""

from spacecloud.mesh.envoy.http import METADATA
from spacecloud.mesh.envoy.names import entry_cluster, entry_name
from spacecloud.mesh.envoy.resources import typed
from spacecloud.mesh.envoy.retries import REPEATABLE, UNANSWERED, UNSEEN, forward
from spacecloud.mesh.envoy.source_ranges import RBAC_FILTER, rbac
from spacecloud.model.json import Json
from spacecloud.model.traffic import Entry, Face

ENVOYS_MARKS = ["x-envoy-external-address", "x-envoy-internal"]
"""What Envoy adds about the caller: its guesses are nobody's business."""


def entry_routes(face: Face, entry: Entry) -> Json:
    key = face.key
    route = {
        "name": entry_name(key, entry),
        "metadata": sentences(
            refused=f"policy refuses this call: {face.rule_at(entry)}",
            **absences(f"{key}@{entry.version}"),
        ),
    }
    return typed(
        "routes",
        {
            "name": entry_name(key, entry),
            "request_headers_to_remove": ENVOYS_MARKS,
            "virtual_hosts": [
                {
                    "name": str(key),
                    "domains": ["*"],
                    "typed_per_filter_config": {RBAC_FILTER: rbac(face.sources_at(entry))},
                    "routes": forwarding(route, entry_cluster(key, entry)),
                }
            ],
        },
    )


def forwarding(route: Json, cluster: str) -> list[Json]:
    """All requests to one cluster, each tried again as far as that is safe."""
    to = {"cluster": cluster}
    return [
        {
            **route,
            "match": {"prefix": "/", "headers": REPEATABLE},
            "route": forward(to, UNANSWERED),
        },
        {**route, "match": {"prefix": "/"}, "route": forward(to, UNSEEN)},
    ]


def sentences(**messages: str) -> Json:
    """Route metadata from which the gateway's own answers are made."""
    return {"filter_metadata": {METADATA: messages}}


def absences(callee: str) -> dict[str, str]:
    """What is said when the callee does not answer."""
    return {
        "unavailable": f"no replica of {callee} can be reached",
        "broken": f"{callee} closed the connection before it had answered",
    }
