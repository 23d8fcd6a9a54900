"""
What makes a replica current: a hash of everything that went into its containers.

Who may call it, how many there are and where they run are not part of it: changing those
replaces nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from spacecloud.model.declared import SecretFacts
from spacecloud.model.service import Service
from spacecloud.model.task import Task

DIGITS = 12


def revision(spec: Service, secrets: Mapping[str, SecretFacts], images: Mapping[str, str]) -> str:
    """``images``: task id to image id. A secret counts with its version, never its values."""
    ingredients = {
        "tasks": [_task(task, images[task.id], secrets) for task in spec.tasks],
        "labels": spec.labels,
    }
    text = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _task(task: Task, image: str, secrets: Mapping[str, SecretFacts]) -> dict[str, Any]:
    written = task.model_dump(mode="json", exclude={"name", "runtime", "docker", "secrets"})
    return {
        **written,
        "image": image,
        "cmd": task.docker.cmd,
        "secrets": [
            (name, secrets[name].version, secrets[name].root_path) if name in secrets else (name,)
            for name in task.secrets
        ],
    }
