"""How many replicas, what moves that number, and when none need to run: as it is declared."""

from typing import Any, Literal

from pydantic import Field, StrictBool, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from spacecloud.model.lenient_reading import is_stored
from spacecloud.model.resource import Resource, Whole, located
from spacecloud.model.schedule import Schedule, expression_mistake, timezone_mistake
from spacecloud.model.trigger_metadata import metadata_mistake

LONGEST_IDLE_SECONDS = 2_592_000
"""Thirty days."""

BUSY_CPU_MILLICORES = 100

SecondsOrNever = int | Literal["never"]


class AwakeHours(Resource):
    """From each time that ``start`` names to the next that ``end`` names."""

    start: str
    """As cron has it: minute, hour, day, month and day of the week, as in ``0 8 * * 1-5``."""

    end: str
    """In the same way, as in ``0 18 * * 1-5``."""

    timezone: str = "UTC"
    """As in ``Europe/Berlin``."""

    @field_validator("start", "end")
    @classmethod
    def _is_a_time(cls, expression: str, info: ValidationInfo) -> str:
        return _unless_stored(expression, expression_mistake(expression), info)

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, name: str, info: ValidationInfo) -> str:
        return _unless_stored(name, timezone_mistake(name), info)

    @model_validator(mode="after")
    def _ends_at_another_time(self, info: ValidationInfo) -> "AwakeHours":
        if self.start == self.end and not is_stored(info):
            raise located("must be another time than start", "end")
        return self

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.start, self.end, self.timezone)


class Sleep(Resource):
    """What becomes of a version that nobody calls, where ``minReplicas`` is 0."""

    freeze_after: SecondsOrNever | None = None
    """Seconds without a request or a connection after which its replica is frozen: it keeps its
    memory and gets no CPU until it is called; or ``never``. Absent: ``coolDownInterval`` where that
    is written, else 60."""

    stop_after: SecondsOrNever | None = None
    """Seconds without a request or a connection after which its replica is stopped: its memory is
    given back, and it is started when it is called; or ``never``. Absent: 900."""

    awake: tuple[AwakeHours, ...] = Field(default=(), max_length=20)
    """Hours in which it does not sleep."""

    busy_cpu: Whole = Field(default=BUSY_CPU_MILLICORES, ge=0, le=1_024_000)
    """Thousandths of a core: a replica that uses more, on average, is busy without being called,
    and the version does not sleep. 0: its CPU does not count."""

    waiting_page: StrictBool = False
    """Show browsers a page that tries again, instead of letting them wait for the start."""

    max_held: Whole | None = Field(default=None, ge=1, le=100_000)
    """How many calls may wait for it to wake; any further is answered with 503 and Retry-After.
    Absent: as many as the platform holds for a service."""

    @field_validator(
        "freeze_after", "stop_after", mode="plain", json_schema_input_type=SecondsOrNever
    )
    @classmethod
    def _seconds_or_never(cls, given: Any) -> Any:
        is_number = isinstance(given, int) and not isinstance(given, bool)
        if given == "never" or (is_number and 1 <= given <= LONGEST_IDLE_SECONDS):
            return given
        raise PydanticCustomError(
            "seconds_or_never",
            "a whole number of seconds from 1 to {longest}, or never",
            {"longest": LONGEST_IDLE_SECONDS},
        )


def _unless_stored(value: str, mistake: str | None, info: ValidationInfo) -> str:
    if mistake is not None and not is_stored(info):
        raise ValueError(mistake)
    return value


class Scale(Resource):
    """The older of the two forms; ``autoScale`` wins where both are given."""

    replicas: Whole = Field(default=0, ge=0, le=1000)
    min_replicas: Whole = Field(default=0, ge=0, le=1000)
    max_replicas: Whole = Field(default=100, ge=0, le=1000)
    concurrency: Whole = Field(default=50, ge=0)
    """Requests per replica that are steered for; 0 means 50."""

    mode: Literal["", "per-second", "parallel"] = "per-second"
    sleep: Sleep | None = None


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
    """``requests-per-second``, ``active-requests``, ``cpu``, ``memory``, ``cron``; on Kubernetes
    any scaler of KEDA. Of several triggers the one that wants the most replicas wins."""

    metadata: dict[str, str] = Field(default_factory=dict)
    """All values are text. Requests: ``target``, per replica, of which 70 % is steered for.
    ``cpu``, ``memory``: ``type``, ``Utilization`` (in per cent of ``resources``) or
    ``AverageValue``, and ``value``. ``cron``: ``start``, ``end``, ``timezone``,
    ``desiredReplicas``."""

    auth_ref: AuthRef | None = None

    @model_validator(mode="after")
    def _metadata_fit_the_type(self, info: ValidationInfo) -> "Trigger":
        mistake = metadata_mistake(self.type, self.metadata)
        if mistake is not None and not is_stored(info):
            name, message = mistake
            raise located(message, "metadata", name)
        return self


class AutoScale(Resource):
    polling_interval: Whole = Field(default=15, ge=0)
    """Seconds between two looks at CPU and memory; 0 means 15, more than 30 means 30. Requests
    are told each second."""

    cool_down_interval: Whole = Field(default=120, ge=0)
    """What ``sleep.freezeAfter`` is where that is absent and this is written, in seconds; 0 means
    120."""

    min_replicas: Whole = Field(default=0, ge=0, le=1000)
    """0: it sleeps when nobody calls it, and wakes when somebody does."""

    max_replicas: Whole = Field(default=100, ge=0, le=1000)
    """0 means 100."""

    triggers: tuple[Trigger, ...] = ()
    """Absent or empty: ``minReplicas`` run, and where that is 0, one while it is awake."""

    sleep: Sleep | None = None

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "AutoScale":
        if self.max_replicas and self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas must not exceed maxReplicas")
        return self
