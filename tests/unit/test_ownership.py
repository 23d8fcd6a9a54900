"""What is ours: by a mark that no image and no copy has, whatever labels a container brings."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_service, a_task
from spacecloud import installation
from spacecloud.drivers.docker import labels, ownership
from spacecloud.drivers.docker.ownership import MARK, Ownership
from spacecloud.drivers.docker.pods import containers, observe
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.settings import Settings
from spacecloud.workloads.operations import CreateReplica

pytestmark = pytest.mark.attack

INSTANCE = "default"
ID = "a" * 64
WITHOUT_A_KEY = Ownership(INSTANCE, frozenset(), None)
OF_AN_UPGRADE = Ownership(INSTANCE, frozenset({ID}), b"k" * 32)
REF = ServiceRef("shop", "api", "v1")
NAME = labels.container_name(INSTANCE, REF, 3, "main")


def an_owner() -> Ownership:
    """Of one installation, and each without a memory of what it has seen."""
    return Ownership(INSTANCE, frozenset(), b"k" * 32)


def replica_labels(**changes: str) -> dict[str, str]:
    op = CreateReplica(
        ref=REF,
        slot=3,
        revision="r1",
        address="10.180.0.5",
        subnet="10.180.0.0/25",
        spec=a_service(tasks=[a_task()]),
        images={"main": "sha256:abc"},
        secrets=(),
    )
    defaults = containers.PodDefaults(INSTANCE)
    body = containers.task(defaults, op, op.spec.tasks[0], "sandbox", "/resolv.conf", {})
    return {**body["Labels"], **{labels.PREFIX + name: text for name, text in changes.items()}}


def listed(its: Any, name: str = NAME, id: str = ID) -> dict[str, Any]:
    return {"Id": id, "Names": ["/" + name], "Labels": its, "State": "running", "ImageID": "x"}


def shown(its: Any, name: str = NAME) -> dict[str, Any]:
    return {"Id": ID, "Name": "/" + name, "Config": {"Labels": its}}


# ------------------------------------------------------------------ the mark


def test_what_was_made_with_a_mark_is_ours_listed_shown_or_told_of() -> None:
    made = an_owner().marked("replica", NAME, replica_labels())
    event = {"Actor": {"ID": ID, "Attributes": {**made, "name": NAME, "image": "x"}}}

    assert an_owner().has("replica", listed(made))
    assert an_owner().has("replica", shown(made))
    assert an_owner().has("replica", ownership.as_listed(event))
    assert not an_owner().has("part", listed(made))


def test_labels_without_a_mark_are_nobodys_even_under_our_name() -> None:
    assert not an_owner().has_container(listed(replica_labels()))


def test_a_copy_of_all_labels_under_another_name_is_not_ours() -> None:
    made = an_owner().marked("replica", NAME, replica_labels())

    assert not an_owner().has_container(listed(made, name=NAME + "-copy"))
    assert not an_owner().has_container(
        {**listed(made), "Names": [f"/{NAME}-copy", f"/other/{NAME}"]}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"slot": "4"},
        {"project": "bank"},
        {"task": "side"},
        {"address": "10.180.0.6"},
        {"tasks": '["main", "side"]'},
        {"instance": "other"},
        {"probe": '{"type":"tcp"}'},
        {"ports": "[1]"},
        {"revision": "r2"},
    ],
)
def test_a_mark_holds_for_no_other_labels(change: dict[str, str]) -> None:
    made = an_owner().marked("replica", NAME, replica_labels())

    assert not an_owner().has_container(
        listed({**made, **replica_labels(**change)} | _mark_of(made))
    )


def test_a_mark_of_another_installation_is_not_ours() -> None:
    other = Ownership(INSTANCE, frozenset(), b"o" * 32)

    assert not an_owner().has_container(listed(other.marked("replica", NAME, replica_labels())))


def test_labels_that_an_image_brings_beside_ours_change_nothing() -> None:
    made = an_owner().marked("replica", NAME, replica_labels())
    brought = {
        labels.PART: "gateway",
        labels.CONFIG: "abc",
        labels.PREFIX + "x": "y",
        "team": "blue",
    }

    assert an_owner().has("replica", listed({**brought, **made}))
    assert not an_owner().has("part", listed({**brought, **made}))


def test_a_network_is_ours_by_its_mark() -> None:
    key = ServiceKey("shop", "api")
    name = labels.network_name(INSTANCE, key)
    its = labels.network_labels(INSTANCE, key)
    made = {"Id": ID, "Name": name, "Labels": an_owner().marked("network", name, its)}

    assert ownership.belongs(an_owner(), made, key)
    assert not ownership.belongs(an_owner(), made, ServiceKey("shop", "web"))
    assert not ownership.belongs(an_owner(), {**made, "Labels": its}, key)
    assert not ownership.belongs(an_owner(), {**made, "Name": "x"}, key)


def test_one_that_is_renamed_is_still_ours_and_a_copy_of_it_is_not(tmp_path: Path) -> None:
    settings = Settings(instance=INSTANCE, state=tmp_path)
    settings.state_dir.mkdir()
    installation.write_secret(settings, installation.new_secret())
    owner = Ownership.of(settings)
    made = owner.marked("replica", NAME, replica_labels())
    assert not owner.has("replica", listed(made, name="renamed-by-hand"))

    assert owner.has("replica", listed(made))
    assert owner.has("replica", listed(made, name="renamed-by-hand"))

    assert not owner.has("replica", listed(made, name="renamed-by-hand", id="b" * 64))
    assert Ownership.of(settings).has("replica", listed(made, name="renamed-by-hand"))


# ------------------------------------------------------------------ upgrades, and no key


def test_what_was_adopted_is_ours_by_its_id() -> None:
    its = replica_labels()

    assert OF_AN_UPGRADE.has("replica", listed(its))
    assert OF_AN_UPGRADE.has("replica", shown(its))
    assert not OF_AN_UPGRADE.has("replica", listed(its, id="b" * 64))
    assert OF_AN_UPGRADE.has("replica", listed(its, name="renamed-by-hand"))
    assert not OF_AN_UPGRADE.has("replica", listed({**its, labels.TASKS: "5"}))


def test_without_a_key_name_and_labels_must_be_of_one_thing() -> None:
    gateway = {labels.INSTANCE: INSTANCE, labels.PART: "gateway", labels.CONFIG: "abc"}

    assert WITHOUT_A_KEY.has_container(listed(replica_labels()))
    assert WITHOUT_A_KEY.has_container(listed(an_owner().marked("replica", NAME, replica_labels())))
    assert WITHOUT_A_KEY.has_container(listed(gateway, name="space-cloud-gateway"))
    assert not WITHOUT_A_KEY.has_container(listed(replica_labels(), name="brave_curie"))
    assert not WITHOUT_A_KEY.has_container(listed(gateway, name="space-cloud-resolver"))
    assert not WITHOUT_A_KEY.has_container(listed({labels.INSTANCE: INSTANCE}))


def test_the_secret_of_the_folder_keys_the_marks(tmp_path: Path) -> None:
    settings = Settings(instance=INSTANCE, state=tmp_path)
    settings.state_dir.mkdir()
    assert MARK not in Ownership.of(settings).marked("replica", NAME, replica_labels())
    secret = installation.new_secret()
    installation.write_secret(settings, secret)

    owner = Ownership.of(settings)

    made = owner.marked("replica", NAME, replica_labels())
    assert Ownership.of(settings).has("replica", listed(made))
    assert secret.hex() not in str(made) + repr(owner)


# ------------------------------------------------------------------ whatever a container brings

OURS = sorted(name for name in replica_labels() if name.startswith(labels.PREFIX))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
TEXTS = (
    st.text(max_size=20)
    | st.sampled_from(
        ["5", "null", "[]", "{}", "[1]", '"a"', "[null]", "1e99", "-1", "٣", "[" * 5000]
    )
    | JSON.map(lambda value: json.dumps(value))
)
LABELS = st.dictionaries(st.sampled_from([*OURS, MARK, labels.PART]) | st.text(max_size=9), TEXTS)


@given(LABELS)
def test_any_labels_are_read_or_left_alone(changes: dict[str, str]) -> None:
    tag = labels.read({**replica_labels(), **changes})

    if tag is not None:
        assert all(isinstance(task, str) for task in tag.expected_tasks)
        assert tag.expected_tasks
        assert all(0 < port < 65536 for port in tag.ports)
        assert tag.slot >= 0


@given(LABELS, st.text(max_size=30))
def test_no_labels_without_the_key_are_ours(changes: dict[str, str], name: str) -> None:
    its = {**replica_labels(), **changes}

    for each in (name, NAME):
        for found in (listed(its, name=each), shown(its, name=each)):
            assert not an_owner().has_container(found)
            assert not an_owner().has("network", found)


@given(st.dictionaries(st.sampled_from(["Id", "Name", "Names", "Labels", "Config", "Actor"]), JSON))
def test_any_answer_of_the_engine_is_survived(found: dict[str, Any]) -> None:
    for owner in (an_owner(), WITHOUT_A_KEY, OF_AN_UPGRADE):
        assert not owner.has_container(found)
        assert not owner.has("network", found)
        assert not owner.has_container(ownership.as_listed(found))


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("tasks", "5"),
        ("tasks", "[]"),
        ("tasks", "[1]"),
        ("tasks", "[" * 100_000),
        ("tasks", '["' + "a" * 70_000 + '"]'),
        ("ports", "5"),
        ("ports", "[true]"),
        ("ports", '["80"]'),
        ("slot", "-1"),
        ("slot", "9" * 5000),
        ("address", "everywhere"),
        ("project", "../.."),
        ("version", ""),
    ],
)
def test_a_label_of_another_shape_is_not_ours(label: str, text: str) -> None:
    assert labels.read(replica_labels(**{label: text})) is None


def test_a_mark_that_is_no_text_is_survived() -> None:
    assert not an_owner().has_container(listed({**replica_labels(), MARK: "\ud800"}))


@pytest.mark.parametrize("nothing", [None, [], 5, "x"])
def test_a_container_without_labels_is_seen_by_nobody(nothing: Any) -> None:
    assert not an_owner().has_container(listed(nothing))
    assert not an_owner().has_container({"Id": ID, "Name": "/x", "Config": nothing})
    assert observe.listed(listed(None)) is None


def _mark_of(made: dict[str, str]) -> dict[str, str]:
    return {MARK: made[MARK]}
