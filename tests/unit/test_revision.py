"""What makes a revision: what goes into a container, as it was given, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import create_model

from builders import a_revision, a_service, a_situation, a_version, desired
from spacecloud.model.revision import hash_of
from spacecloud.model.secret import SecretFacts
from spacecloud.model.service import Service
from spacecloud.model.task import Task
from spacecloud.reasons.steps import SecretChanged
from spacecloud.store import legacy_revision
from spacecloud.workloads.decide import decide
from spacecloud.workloads.operations import CreateReplica, RecordRevision
from spacecloud.workloads.situation import Situation

IMAGES = {"main": "sha256:aaaa", "proxy": "sha256:bbbb"}
HERE: dict[str, str | None] = {"web:1": "sha256:aaaa", "sha256:aaaa": "sha256:aaaa"}
SECRETS = (
    SecretFacts("shop", "conf", "file", "/etc/app", ("app.ini",), 3),
    SecretFacts("shop", "db", "env", "", ("PASS",), 7),
)
DOCUMENT: dict[str, Any] = {
    "id": "api",
    "projectId": "shop",
    "version": "v1",
    "labels": {"tier": "backend"},
    "scale": {"replicas": 2},
    "tasks": [
        {
            "id": "main",
            "docker": {"image": "shop/api:1.4", "cmd": ["serve"], "imagePullPolicy": "always"},
            "ports": [{"name": "tcp-admin", "port": 9000}, {"port": 8080}],
            "resources": {"cpu": 500, "memory": 256, "gpu": {"type": "a", "value": 1}},
            "env": {"MODE": "production"},
            "secrets": ["db", "conf"],
            "probe": {"type": "http", "path": "/ready", "intervalSeconds": 2},
        },
        {"id": "proxy", "docker": {"image": "proxy:2"}},
    ],
    "whitelists": [{"projectId": "shop", "service": "web"}],
}
HASH = "0447f5394dc1"
"""Never changed: whoever changes it replaces every replica of every service."""

LEGACY_HASH = "34b74b3aa75d"
"""As the releases before stored revisions computed it."""


def spec_of(**changed: Any) -> Service:
    return Service.model_validate({**DOCUMENT, **changed})


def test_a_document_keeps_its_hash_over_all_releases() -> None:
    assert hash_of(spec_of().as_given(), IMAGES, SECRETS) == HASH


def test_a_release_without_stored_revisions_said_this_of_the_same_document() -> None:
    assert legacy_revision.hash_of(spec_of(), SECRETS, IMAGES) == LEGACY_HASH


def test_an_optional_field_that_a_release_adds_changes_no_hash() -> None:
    task: Any = create_model("Task", __base__=Task, nice=(str, "always"))
    service: Any = create_model("Service", __base__=Service, tasks=(tuple[task, ...], ...))
    newer = service.model_validate(DOCUMENT)
    given = service.model_validate(
        {**DOCUMENT, "tasks": [{**task, "nice": "never"} for task in DOCUMENT["tasks"]]}
    )

    assert newer.tasks[0].model_dump()["nice"] == "always"
    assert hash_of(newer.as_given(), IMAGES, SECRETS) == HASH
    assert legacy_revision.hash_of(newer, SECRETS, IMAGES) == LEGACY_HASH
    assert hash_of(given.as_given(), IMAGES, SECRETS) != HASH


@pytest.mark.parametrize(
    "changed",
    [
        {"scale": {"replicas": 5}},
        {"whitelists": None},
        {"upstreams": []},
        {"name": "The API"},
        {"terminationGracePeriodSeconds": 300},
        {"tasks": [{**DOCUMENT["tasks"][0], "name": "first"}, DOCUMENT["tasks"][1]]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_goes_into_no_container_makes_no_revision(changed: dict[str, Any]) -> None:
    assert hash_of(spec_of(**changed).as_given(), IMAGES, SECRETS) == HASH


def with_task(**changed: Any) -> Service:
    return spec_of(tasks=[{**DOCUMENT["tasks"][0], **changed}, DOCUMENT["tasks"][1]])


@pytest.mark.parametrize(
    "spec",
    [
        spec_of(labels={"tier": "edge"}),
        with_task(env={"MODE": "test"}),
        with_task(docker={"image": "shop/api:1.4", "cmd": ["other"]}),
        with_task(docker={"image": "shop/api:1.4", "cmd": ["serve"], "init": False}),
        with_task(restart="on-failure"),
        with_task(probe={**DOCUMENT["tasks"][0]["probe"], "host": "shop.example.com"}),
        with_task(ports=[{"port": 8081}]),
        with_task(resources={"memory": 512}),
        with_task(secrets=["db"]),
        with_task(probe=None),
    ],
)
def test_what_goes_into_a_container_makes_a_revision(spec: Service) -> None:
    assert hash_of(spec.as_given(), IMAGES, SECRETS) != HASH


def test_another_image_or_another_version_of_a_secret_makes_a_revision() -> None:
    given = spec_of().as_given()
    conf, db = SECRETS

    assert hash_of(given, {**IMAGES, "main": "sha256:cccc"}, SECRETS) != HASH
    assert hash_of(given, IMAGES, (conf, replace(db, version=8))) != HASH
    assert hash_of(given, IMAGES, (replace(conf, root_path="/etc/other"), db)) != HASH


def recording(situation: Situation) -> RecordRevision:
    (op,) = [s.op for s in decide(situation) if isinstance(s.op, RecordRevision)]
    return op


def test_an_apply_that_changes_nothing_in_a_container_keeps_the_revision() -> None:
    """Even where its hash is one that no release would compute any more."""
    spec = a_service()
    legacy = replace(a_revision(spec, {"main": "sha256:aaaa"}, number=4), hash="0ldhash")
    applied = replace(
        a_version(spec=a_service(whitelists=[]), generation=9), revision=legacy, resolved=3
    )

    op = recording(a_situation(applied, images=HERE))

    assert (op.number, op.hash, op.generation) == (4, "0ldhash", 9)


def test_an_apply_that_changes_a_container_is_the_next_revision() -> None:
    before = a_revision(a_service(), {"main": "sha256:aaaa"}, number=4)
    spec = a_service(labels={"a": "b"})
    applied = replace(a_version(spec=spec, generation=9), revision=before, resolved=3)

    op = recording(a_situation(applied, images=HERE))

    assert (op.number, op.hash) == (5, hash_of(spec.as_given(), {"main": "sha256:aaaa"}, ()))


def using_secret(version: int) -> Situation:
    """Recorded with ``db`` at version 1, which the store now has at ``version``."""
    db = SecretFacts("shop", "db", "env", "", ("PASS",), 1)
    spec = a_service(tasks=[{**a_service().as_given()["tasks"][0], "secrets": ["db"]}])
    revision = replace(a_revision(spec, {"main": "sha256:aaaa"}), secrets=(db,))
    recorded = replace(a_version(spec=spec), revision=revision, resolved=1)
    situation = a_situation(recorded, images=HERE)
    secrets = {"db": replace(db, version=version)}
    return replace(situation, desired=desired(recorded, secrets=secrets))


def test_a_secret_that_changes_is_a_revision_that_names_its_new_version() -> None:
    unchanged, changed = using_secret(1), using_secret(2)

    assert not [s for s in decide(unchanged) if isinstance(s.op, RecordRevision)]
    op = recording(changed)
    (cause,) = [s.cause for s in decide(changed) if isinstance(s.op, RecordRevision)]
    (creation,) = [s.op for s in decide(changed) if isinstance(s.op, CreateReplica)]
    assert (op.number, [s.version for s in op.secrets]) == (2, [2])
    assert cause == SecretChanged(("db",))
    assert (creation.revision, creation.secrets) == (op.hash, op.secrets)


def test_a_container_is_made_only_after_its_revision_is_recorded() -> None:
    steps = decide(a_situation(a_version())).steps

    (recorded,) = [n for n, s in enumerate(steps) if isinstance(s.op, RecordRevision)]
    (created,) = [s for s in steps if isinstance(s.op, CreateReplica)]
    assert recorded in created.after


def test_a_recorded_hash_is_read_and_not_computed() -> None:
    revision = replace(a_revision(a_service(), {"main": "sha256:aaaa"}), hash="as-recorded")
    recorded = replace(a_version(), revision=revision, resolved=1)

    (creation,) = [
        s.op for s in decide(a_situation(recorded, images=HERE)) if isinstance(s.op, CreateReplica)
    ]

    assert creation.revision == "as-recorded"
