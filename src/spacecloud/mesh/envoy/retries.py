"""
What is tried again at another replica, or on another connection, and what is not.

| request                                   | tried again                                        |
|-------------------------------------------|----------------------------------------------------|
| any                                       | no callee has seen it                              |
| GET HEAD OPTIONS PUT DELETE without a body| the same, or the connection ended without an answer|

The second is what RFC 9110 lets a client do on its own. An application that closes connections
it thinks idle would otherwise cost some of its callers an answer.
"""

from spacecloud.model.json import Json

UNSEEN = "connect-failure,refused-stream,reset-before-request"
"""What can be tried again because no callee has seen the request."""

UNANSWERED = f"{UNSEEN},reset"
"""What can be tried again where twice means the same as once."""

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")

WITHOUT_BODY: list[Json] = [
    {
        "name": "content-length",
        "string_match": {"safe_regex": {"regex": "0?"}},
        "treat_missing_header_as_empty": True,
    },
    {"name": "transfer-encoding", "present_match": True, "invert_match": True},
]

REPEATABLE: list[Json] = [
    {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(IDEMPOTENT)}}},
    *WITHOUT_BODY,
]
"""Header matchers of a route for requests that may be answered twice."""


def forward(cluster: Json, retried: str) -> Json:
    """A route action without a time limit that tries again where that is safe."""
    return {
        **cluster,
        "timeout": "0s",
        "retry_policy": {
            "retry_on": retried,
            "num_retries": 3,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.host."
                        "previous_hosts.v3.PreviousHostsPredicate"
                    },
                }
            ],
            "host_selection_retry_max_attempts": 3,
        },
    }
