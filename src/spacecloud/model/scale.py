"""How many replicas, and what moves that number."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from spacecloud.model.resource import Resource, Whole
from spacecloud.model.stored import is_stored


class Scale(Resource):
    """The older of the two forms; ``autoScale`` wins where both are given."""

    replicas: Whole = Field(default=0, ge=0, le=1000)
    min_replicas: Whole = Field(default=0, ge=0, le=1000)
    max_replicas: Whole = Field(default=100, ge=0, le=1000)
    concurrency: Whole = Field(default=50, ge=0)
    """Requests per replica that are steered for; 0 means 50."""

    mode: Literal["", "per-second", "parallel"] = "per-second"


class SecretMapping(Resource):
    param: str
    key: str
    """``secrets.<secret id>.<key>``; the prefix may be left out."""

    @field_validator("key")
    @classmethod
    def _names_a_secret_and_a_key(cls, key: str, info: ValidationInfo) -> str:
        parts = key.removeprefix("secrets.").split(".")
        if not is_stored(info) and (len(parts) != 2 or not all(parts)):
            raise ValueError("a secret and one of its keys, as in secrets.queue.password")
        return key


class AuthRef(Resource):
    secret_mapping: tuple[SecretMapping, ...] = ()


class Trigger(Resource):
    name: str = ""
    type: str = Field(min_length=1)
    """``requests-per-second``, ``active-requests``, ``cpu``, ``memory`` or a KEDA scaler."""

    metadata: dict[str, str] = Field(default_factory=dict)
    auth_ref: AuthRef | None = None

    @model_validator(mode="after")
    def _request_triggers_have_a_target(self) -> "Trigger":
        if self.type not in ("requests-per-second", "active-requests"):
            return self
        target = self.metadata.get("target", "")
        if not target.isdigit() or int(target) < 1:
            raise ValueError(
                f'a {self.type} trigger needs metadata.target, a whole number as text: "50"'
            )
        return self


class AutoScale(Resource):
    polling_interval: Whole = Field(default=15, ge=0)
    """Seconds; 0 means 15."""

    cool_down_interval: Whole = Field(default=120, ge=0)
    """Seconds; 0 means 120."""

    min_replicas: Whole = Field(default=0, ge=0, le=1000)
    max_replicas: Whole = Field(default=100, ge=0, le=1000)
    """0 means 100."""

    triggers: tuple[Trigger, ...] = ()

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "AutoScale":
        if self.max_replicas and self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas must not exceed maxReplicas")
        return self
