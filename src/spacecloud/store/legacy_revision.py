"""
The hash of releases that stored no revision, for what they left running.

They hashed a service with all defaults written out. Only the fields that they knew are written
here, so that a field that is added to the model does not change what they would have said.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from spacecloud.model.secret import SecretFacts
from spacecloud.model.service import Service
from spacecloud.model.task import Task

DIGITS = 12
FIELDS: dict[str, Any] = {
    "id": True,
    "ports": {"__all__": {"name", "protocol", "port"}},
    "resources": {
        "cpu": True,
        "memory": True,
        "cpu_limit": True,
        "gpu": {"type", "value"},
    },
    "env": True,
    "probe": {
        "type",
        "port",
        "path",
        "command",
        "interval_seconds",
        "timeout_seconds",
        "grace_seconds",
        "failures",
    },
}


def hash_of(spec: Service, secrets: Iterable[SecretFacts], images: Mapping[str, str]) -> str:
    facts = {secret.id: secret for secret in secrets}
    ingredients = {
        "tasks": [_task(task, images[task.id], facts) for task in spec.tasks],
        "labels": spec.labels,
    }
    text = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _task(task: Task, image: str, secrets: Mapping[str, SecretFacts]) -> dict[str, Any]:
    return {
        **task.model_dump(mode="json", include=FIELDS),
        "image": image,
        "cmd": task.docker.cmd,
        "secrets": [
            (name, secrets[name].version, secrets[name].root_path) if name in secrets else (name,)
            for name in task.secrets
        ],
    }
