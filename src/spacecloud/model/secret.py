"""Secrets: values that tasks get as environment or files, and registry credentials."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, model_validator

from spacecloud.model.resource import Resource, located
from spacecloud.model.task import is_variable

REDACTED = "********"
"""What is shown instead of a value. Applying it keeps the value that is stored."""


SEALED = "sealed:v1:"
"""What a value starts with that an export has sealed: see ``sealed_values``."""

VALUE_FIELDS = ("data", "binaryData")
"""Of a document: where its values are."""

OF_THE_KERNEL = ("proc", "sys", "dev")
"""Folders of the root that are mounted over in every container: a file below is not seen."""

OF_THE_ENGINE = frozenset({"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/sbin/docker-init"})
"""Files that are mounted over in every container."""


class Secret(Resource):
    id: str | None = None
    type: Literal["env", "file", "docker"]
    root_path: str = ""
    """file: the folder in the task where each key becomes a read-only file.

    Not below ``/proc``, ``/sys`` or ``/dev``, where no file would be seen."""

    data: dict[str, str] = Field(default_factory=dict)
    """env: name to value; file: file name to content; docker: username, password, url."""

    binary_data: dict[str, str] = Field(default_factory=dict)
    """file: file name to content in base64, for what is no text. In YAML ``!!binary`` in ``data``
    is the same."""

    @model_validator(mode="after")
    def _shape_follows_type(self) -> "Secret":
        if self.type == "file":
            self._check_folder()
        self._check_binary()
        if self.type == "docker":
            missing = [k for k in ("username", "password", "url") if k not in self.data]
            if missing:
                raise ValueError(f"a docker secret needs {', '.join(missing)} in data")
        if self.type == "env":
            self._check_variables()
        for key in (*self.data, *self.binary_data):
            if not key or "/" in key or key in (".", "..") or "\0" in key:
                raise ValueError(f"{key!r} cannot be a key: no slash, not empty, not . or ..")
        return self

    def _check_folder(self) -> None:
        if not self.root_path.startswith("/"):
            raise ValueError("a file secret needs rootPath, an absolute folder as in /etc/app")
        parts = [part for part in self.root_path.split("/") if part]
        if ".." in parts or "." in parts or "\0" in self.root_path:
            raise located("an absolute folder without . and .., as in /etc/app", "rootPath")
        if parts and parts[0] in OF_THE_KERNEL:
            raise located(
                f"no file below /{parts[0]} is seen by the task, where the kernel's own are: "
                "choose another folder, as in /etc/app",
                "rootPath",
            )
        for key in (*self.data, *self.binary_data):
            if "/" + "/".join((*parts, key)) in OF_THE_ENGINE:
                raise located(
                    f"the engine puts a file of its own at {'/'.join(('', *parts, key))}: choose "
                    "another folder or another key",
                    "rootPath",
                )

    def _check_binary(self) -> None:
        if self.binary_data and self.type != "file":
            raise located("only a secret of type file has binary values", "binaryData")
        for key, value in self.binary_data.items():
            if key in self.data:
                raise located("this key is in data too", "binaryData", key)
            is_no_value = value == REDACTED or value.startswith(SEALED)
            if not is_no_value and decoded(value) is None:
                raise located("is no base64", "binaryData", key)

    @property
    def values(self) -> dict[str, str]:
        """All of them; of bytes that are no text each is a lone surrogate."""
        return {**self.data, **{k: _as_text(v) for k, v in self.binary_data.items()}}

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

    binary_keys: tuple[str, ...] = ()
    """Those of the keys whose values were given as bytes. Not known of a revision's secret."""


def decoded(text: str) -> bytes | None:
    """Of base64, in however many lines; None where it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def document_of(
    type: str, root_path: str, values: Mapping[str, str], binary: frozenset[str]
) -> dict[str, Any]:
    """A secret as it is declared; ``values`` as ``Secret.values`` gives them."""
    text = {key: value for key, value in values.items() if key not in binary}
    other = {k: base64.b64encode(as_bytes(v)).decode() for k, v in values.items() if k in binary}
    return {"type": type, "rootPath": root_path, "data": text, "binaryData": other}


def as_bytes(value: str) -> bytes:
    """What a value of a secret is, byte for byte."""
    return value.encode("utf-8", "surrogateescape")


def _as_text(value: str) -> str:
    content = decoded(value)
    return value if content is None else content.decode("utf-8", "surrogateescape")
