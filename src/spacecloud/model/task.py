"""A task: one container of a service. All tasks of a replica share one localhost."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StrictBool,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from spacecloud.model.image import parse_image
from spacecloud.model.lenient_reading import is_stored
from spacecloud.model.refs import HOST_HEADER, Id
from spacecloud.model.resource import Number, Resource, Whole, located

Protocol = Literal["http", "tcp"]
Restart = Literal["always", "on-failure", "never"]

LONGEST_INTERVAL_SECONDS, LONGEST_TIMEOUT_SECONDS = 86_400, 3600

VARIABLE = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
EnvName = Annotated[str, StringConstraints(pattern=VARIABLE)]

NO_VOLUMES = (
    "volumes are not supported: services are stateless for now; keep data in a database outside, "
    "or leave the field out"
)


def is_variable(name: str) -> bool:
    """Can it be the name of an environment variable?"""
    return re.fullmatch(VARIABLE.strip("^$"), name) is not None


class Port(Resource):
    """Exposed one to one: other services call the number that the task listens on."""

    name: str = Field(default="", max_length=63)
    """For people; a prefix ``tcp`` decides the protocol where none is given."""

    protocol: Protocol = "http"
    """``http`` (also HTTP/2, gRPC, WebSocket) or ``tcp``. There is no udp."""

    port: Whole = Field(ge=1, le=65535)
    """Number that the task listens on, on all addresses."""

    @model_validator(mode="before")
    @classmethod
    def _protocol_from_name(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("protocol"):
            return given
        name = given.get("name")
        derived = "tcp" if isinstance(name, str) and name.split("-")[0] == "tcp" else "http"
        return {**given, "protocol": derived}

    @field_validator("protocol", mode="before")
    @classmethod
    def _no_udp(cls, given: Any) -> Any:
        if isinstance(given, str):
            if given.lower() == "udp":
                raise ValueError(
                    "udp cannot be policed per caller, so it is not offered; use tcp or http"
                )
            return given.lower()
        return given


class Gpu(Resource):
    """Kept for Kubernetes; the Docker driver does not act on it."""

    type: str = ""
    value: Whole = Field(default=0, ge=0)


class Resources(Resource):
    """What a task may use."""

    cpu: Whole = Field(default=250, ge=0, le=1_024_000)
    """Share of the CPU in thousandths of a core, as a weight; 0 is the default of 250."""

    memory: Whole = Field(default=512, ge=0, le=16_777_216)
    """Hard limit in MiB; a task that exceeds it is killed. 0 means no limit."""

    cpu_limit: Whole = Field(default=0, ge=0, le=1_024_000)
    """Hard limit of CPU in thousandths of a core; 0 means none."""

    gpu: Gpu | None = None


class Docker(Resource):
    """Where a task's program comes from."""

    image: str = Field(min_length=1, max_length=512)
    """Image reference, with tag or digest.

    Of the grammar of ``model.image``, as in ``registry.example.com:5000/shop/api:1.4``."""

    cmd: tuple[str, ...] = ()
    """Replaces the image's command and keeps its entrypoint. Empty keeps both."""

    secret: str = ""
    """Id of a ``docker`` secret with the registry's credentials."""

    image_pull_policy: Literal["", "always", "pull-if-not-exists"] = ""
    """``always`` pulls on every apply; otherwise only an image that is missing is pulled."""

    init: StrictBool = True
    """The engine's ``docker-init`` is process 1: it passes signals on and reaps orphans.

    ``false`` for an image whose own init must be process 1, as s6-overlay."""

    @field_validator("image_pull_policy", mode="before")
    @classmethod
    def _kubernetes_word(cls, given: Any) -> Any:
        return {"IfNotPresent": "pull-if-not-exists", "Always": "always"}.get(str(given), given)

    @field_validator("image")
    @classmethod
    def _is_a_reference(cls, image: str, info: ValidationInfo) -> str:
        if not is_stored(info):
            parse_image(image)
        return image


class Probe(Resource):
    """How to tell that a task can take requests. Without one, each declared port must accept."""

    type: Literal["http", "tcp", "exec"] = "tcp"
    port: Whole | None = Field(default=None, ge=1, le=65535)
    """Port to ask; the task's first port where none is given."""

    path: str = Field(default="/", pattern=r"^/")
    """http: a GET of it must answer 200 to 399."""

    host: str = Field(default="", max_length=255, pattern=HOST_HEADER)
    """http: sent as the ``Host`` header; the replica's address and port where none is given."""

    command: tuple[str, ...] = ()
    """exec: run in the task; exit code 0 means ready."""

    interval_seconds: Number = Field(default=5, ge=0.1, le=LONGEST_INTERVAL_SECONDS)
    """Between two probes once the task has been ready. Until then it is asked more often: http and
    tcp up to every half second, a command after half a second and then ever less often, up to every
    five. Absent, a ready task that says no is asked again after a second."""

    timeout_seconds: Number = Field(default=1, ge=0.1, le=LONGEST_TIMEOUT_SECONDS)
    """An answer that takes longer counts as a failure."""

    grace_seconds: Number = Field(default=60, ge=0, le=86_400)
    """How long a starting task may fail its probe before it is restarted."""

    failures: Whole = Field(default=3, ge=1, le=100)
    """Failures in a row that take a ready task out of traffic; twice as many restart it."""

    @model_validator(mode="after")
    def _fields_fit_the_type(self) -> "Probe":
        if self.type == "exec" and not self.command:
            raise ValueError("an exec probe needs a command, as in command: [redis-cli, ping]")
        if self.host and self.type != "http":
            raise located("only a probe of type http sends a Host: write type: http", "host")
        return self


class Task(Resource):
    id: Id
    name: str | None = None
    ports: tuple[Port, ...] = ()
    resources: Resources = Resources()
    docker: Docker
    env: dict[EnvName, str] = Field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Ids of ``env`` and ``file`` secrets of the same project."""

    restart: Restart = "always"
    """When it is started again after it has ended: ``always``; ``on-failure``, after any exit code
    but 0; ``never``. One that is not started again after 0 is done, and stays so until a new
    revision runs it. Without ports and without a probe it is a job: ready is when it is done."""

    runtime: Literal["", "image", "code"] = ""
    """Only ``image`` runs; ``code`` is refused."""

    probe: Probe | None = None
    """Absent: each declared port must accept a connection; without ports, running is enough."""

    @model_validator(mode="before")
    @classmethod
    def _volumes_are_refused(cls, given: Any) -> Any:
        for name in ("volumes", "volumeMounts"):
            if isinstance(given, dict) and name in given:
                raise located(NO_VOLUMES, name)
        return given

    @field_validator("runtime")
    @classmethod
    def _only_images(cls, runtime: str) -> str:
        if runtime == "code":
            raise ValueError("runtime code no longer exists; build an image and use runtime: image")
        return runtime

    @property
    def is_job(self) -> bool:
        """Does it run until it is done, with nothing to say before? Its end is what counts."""
        return self.restart != "always" and not self.ports and self.probe is None
