"""Secrets: values that tasks get as environment or files, and registry credentials."""

from typing import Literal

from pydantic import Field, model_validator

from spacecloud.model.resource import Resource
from spacecloud.model.task import is_variable

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
        if self.type == "env":
            self._check_variables()
        for key in self.data:
            if not key or "/" in key or key in (".", "..") or "\0" in key:
                raise ValueError(f"{key!r} cannot be a key: no slash, not empty, not . or ..")
        return self

    def _check_variables(self) -> None:
        """A key is told only where it cannot hold a piece of a value."""
        for number, key in enumerate(self.data, 1):
            if not is_variable(key):
                name = key.partition("=")[0]
                shown = name if is_variable(name) else f"of entry {number}"
                raise ValueError(
                    f"the key {shown} is no name of an environment variable: letters, digits, "
                    "dots, _ and -, and no digit at the start"
                )
