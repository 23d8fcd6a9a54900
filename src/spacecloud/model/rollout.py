"""How a new revision takes over from the one before it."""

from pydantic import Field

from spacecloud.model.resource import Number, Resource

CONFIRM_SECONDS = 5.0


class RolloutPolicy(Resource):
    confirm_seconds: Number = Field(default=CONFIRM_SECONDS, ge=0, le=600)
    """
    How long a new revision serves before it is confirmed. Until then the replicas of the last
    confirmed one stay, without traffic: where a new one ends or fails its probe, they are back in
    traffic at once, and the apply has failed. 0: serving once is enough.
    """
