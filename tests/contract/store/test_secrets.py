"""Values that are written and not shown."""

import base64

import pytest

from spacecloud.errors import Conflict, InvalidSpec, NotFound
from spacecloud.model.secret import REDACTED, Secret, as_bytes
from spacecloud.model.service import Service
from spacecloud.store.port import Store
from store_bench import API, a_secret, a_service


def a_docker_secret(password: str = "hunter2") -> Secret:
    return a_secret("docker", username="ann", password=password, url="registry.example.com")


async def test_a_secret_is_listed_without_values_and_read_with_them(store: Store) -> None:
    await store.put_secret("shop", "conf", a_secret("file", **{"b.toml": "x = 1", "a": ""}))

    (facts,) = await store.secrets("shop")

    assert (facts.project, facts.id, facts.type) == ("shop", "conf", "file")
    assert facts.root_path == "/etc/app"
    assert facts.keys == ("a", "b.toml")
    assert await store.secret_values("shop", "conf") == {"b.toml": "x = 1", "a": ""}
    assert [p.id for p in await store.projects()] == ["shop"]


async def test_a_redacted_value_keeps_the_stored_one(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(USER="ann", PASS="s3cret", OLD="x"))

    await store.put_secret("shop", "db", a_secret(USER="bob", PASS=REDACTED))

    assert await store.secret_values("shop", "db") == {"USER": "bob", "PASS": "s3cret"}


async def test_a_redacted_value_without_a_stored_one_is_refused(store: Store) -> None:
    with pytest.raises(InvalidSpec) as caught:
        await store.put_secret("shop", "db", a_secret(PASS=REDACTED))

    assert [m.path for m in caught.value.mistakes] == ["spec.data.PASS"]
    assert await store.secrets("shop") == []


async def test_a_secrets_version_grows_with_changes_and_only_with_them(store: Store) -> None:
    async def version() -> int:
        return (await store.secrets("shop"))[0].version

    versions = []
    for secret in (
        a_secret("file", a="1"),
        a_secret("file", a="1"),
        a_secret("file", a=REDACTED),
        a_secret("file", a="2"),
        a_secret("file", a="2", b="3"),
        a_secret("file", a="2"),
        Secret.model_validate({"type": "file", "rootPath": "/other", "data": {"a": "2"}}),
    ):
        await store.put_secret("shop", "db", secret)
        versions.append(await version())

    assert versions[0] == versions[1] == versions[2]
    assert versions[2:] == sorted(set(versions[2:]))


async def test_a_secrets_type_cannot_change(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="x"))

    with pytest.raises(Conflict, match="type env"):
        await store.put_secret("shop", "db", a_secret("file", PASS="x"))


async def test_single_keys_and_the_folder_of_a_secret_can_be_changed(store: Store) -> None:
    await store.put_secret("shop", "conf", a_secret("file", a="1", b="2"))

    await store.set_secret_key("shop", "conf", "c", "3")
    await store.delete_secret_key("shop", "conf", "a")
    await store.delete_secret_key("shop", "conf", "never-there")
    await store.set_secret_root_path("shop", "conf", "/etc/other")

    (facts,) = await store.secrets("shop")
    assert facts.root_path == "/etc/other"
    assert await store.secret_values("shop", "conf") == {"b": "2", "c": "3"}


async def test_changing_one_key_keeps_the_secret_valid(store: Store) -> None:
    await store.put_secret("shop", "conf", a_secret("file", a="1"))

    with pytest.raises(InvalidSpec, match="rootPath"):
        await store.set_secret_root_path("shop", "conf", "")
    with pytest.raises(InvalidSpec, match="slash"):
        await store.set_secret_key("shop", "conf", "../x", "1")

    assert dict(await store.secret_values("shop", "conf")) == {"a": "1"}


async def test_credentials_of_a_registry_are_written_as_a_whole(store: Store) -> None:
    await store.put_secret("shop", "reg", a_docker_secret())

    with pytest.raises(Conflict, match="as a whole"):
        await store.set_secret_key("shop", "reg", "username", "eve")
    with pytest.raises(Conflict, match="as a whole"):
        await store.delete_secret_key("shop", "reg", "password")
    with pytest.raises(Conflict, match="as a whole"):
        await store.set_secret_root_path("shop", "reg", "/etc/reg")

    assert dict(await store.secret_values("shop", "reg"))["password"] == "hunter2"


async def test_what_is_done_to_an_unknown_secret_says_so(store: Store) -> None:
    with pytest.raises(NotFound, match="nope"):
        await store.secret_values("shop", "nope")
    with pytest.raises(NotFound, match="nope"):
        await store.set_secret_key("shop", "nope", "a", "1")
    with pytest.raises(NotFound, match="nope"):
        await store.delete_secret_key("shop", "nope", "a")
    with pytest.raises(NotFound, match="nope"):
        await store.set_secret_root_path("shop", "nope", "/a")
    assert not await store.delete_secret("shop", "nope")


async def test_every_secret_that_a_service_cannot_use_is_named_at_once(store: Store) -> None:
    await store.put_secret("shop", "reg", a_docker_secret())
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    spec = Service.model_validate(
        {
            "tasks": [
                {"id": "a", "docker": {"image": "x"}, "secrets": ["db", "reg", "nope"]},
                {"id": "b", "docker": {"image": "x", "secret": "db"}},
                {"id": "c", "docker": {"image": "x", "secret": "nope"}},
                {"id": "d", "docker": {"image": "x", "secret": "reg"}, "secrets": ["db"]},
            ]
        }
    )

    with pytest.raises(InvalidSpec) as caught:
        await store.put_service(API, spec)

    assert [m.path for m in caught.value.mistakes] == [
        "spec.tasks[0].secrets[1]",
        "spec.tasks[0].secrets[2]",
        "spec.tasks[1].docker.secret",
        "spec.tasks[2].docker.secret",
    ]
    assert await store.versions() == []


async def test_a_secret_in_use_cannot_be_deleted(store: Store) -> None:
    await store.put_secret("shop", "reg", a_docker_secret())
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    spec = a_service(task={"secrets": ["db"], "docker": {"image": "x", "secret": "reg"}})
    await store.put_service(API, spec)

    for id in ("db", "reg"):
        with pytest.raises(Conflict, match="shop/api@v1"):
            await store.delete_secret("shop", id)
    await store.delete_service(API)

    assert await store.delete_secret("shop", "db")
    assert await store.delete_secret("shop", "reg")
    assert await store.secrets("shop") == []


async def test_bytes_are_kept_as_they_are_and_shown_as_bytes(store: Store) -> None:
    content = bytes(range(256))
    given = {"type": "file", "rootPath": "/etc/app", "data": {"text": "x"}}
    text = base64.b64encode(content).decode()
    secret = Secret.model_validate({**given, "binaryData": {"store.p12": text}})
    await store.put_secret("shop", "conf", secret)
    kept = {**given, "data": {"text": REDACTED}, "binaryData": {"store.p12": REDACTED}}
    await store.put_secret("shop", "conf", Secret.model_validate(kept))
    await store.set_secret_root_path("shop", "conf", "/etc/other")

    (facts,) = await store.secrets("shop")
    values = await store.secret_values("shop", "conf")
    await store.set_secret_key("shop", "conf", "store.p12", "text")

    assert as_bytes(values["store.p12"]) == content
    assert (facts.keys, facts.binary_keys, facts.version) == (
        ("store.p12", "text"),
        ("store.p12",),
        2,
    )
    assert (await store.secrets("shop"))[0].binary_keys == ()


async def test_a_redacted_value_in_either_field_keeps_what_is_stored(store: Store) -> None:
    given = {"type": "file", "rootPath": "/etc/app"}
    await store.put_secret(
        "shop", "conf", Secret.model_validate({**given, "binaryData": {"a": "/w=="}})
    )
    old = Secret.model_validate({**given, "data": {"a": REDACTED}})

    await store.put_secret("shop", "conf", old)

    (facts,) = await store.secrets("shop")
    assert (facts.binary_keys, facts.version) == (("a",), 1)
    with pytest.raises(InvalidSpec) as caught:
        await store.put_secret(
            "shop", "new", Secret.model_validate({**given, "binaryData": {"b": REDACTED}})
        )
    assert [m.path for m in caught.value.mistakes] == ["spec.binaryData.b"]
