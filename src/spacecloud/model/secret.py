"""Secrets: values that tasks get as environment or files, and registry credentials."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from spacecloud.model.resource import Resource

REDACTED = "********"
"""What is shown instead of a value. Applying it keeps the value that is stored."""


class Secret(Resource):
    id: str | None = None
    type: Literal["env", "file", "docker"]
    root_path: str = ""
    """file: the folder in the task where each key becomes a read-only file."""

    data: dict[str, str] = Field(default_factory=dict)
    """env: name to value; file: file name to content; docker: username, password, url."""

    @model_validator(mode="after")
    def _shape_follows_type(self) -> "Secret":
        if self.type == "file" and not self.root_path.startswith("/"):
            raise ValueError("a file secret needs rootPath, an absolute folder as in /etc/app")
        if self.type == "docker":
            missing = [k for k in ("username", "password", "url") if k not in self.data]
            if missing:
                raise ValueError(f"a docker secret needs {', '.join(missing)} in data")
        for key in self.data:
            if not key or "/" in key or key in (".", "..") or "\0" in key:
                raise ValueError(f"{key!r} cannot be a key: no slash, not empty, not . or ..")
        return self


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A secret without its values."""

    project: str
    id: str
    type: Literal["env", "file", "docker"]
    root_path: str
    keys: tuple[str, ...]
    version: int
    """Grows with every change of a value."""
