"""What a version is made of, from its record to its confirmation."""

import pytest

from spacecloud.errors import NotFound
from spacecloud.model.revision import Revision, RevisionFailure
from spacecloud.model.secret import SecretFacts
from spacecloud.store.port import Store
from store_bench import API, NOW, WEB, a_revision, a_secret, a_service, the_only_version


async def facts_of(store: Store, id: str) -> SecretFacts:
    return next(facts for facts in await store.secrets("shop") if facts.id == id)


async def test_a_revision_is_kept_with_what_it_is_made_of(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    await store.put_secret("shop", "conf", a_secret("file", a="1", b="2"))
    spec = a_service(task={"secrets": ["db", "conf"]}, labels={"a": "b"})
    accepted = await store.put_service(API, spec)
    named = (await facts_of(store, "conf"), await facts_of(store, "db"))

    await store.record_revision(API, accepted.generation, a_revision(1, *named))

    (version,) = await store.versions()
    (revision,) = await store.revisions(API)
    assert version.revision == revision
    assert version.images == {"main": "sha256:1"}
    assert revision == Revision(
        1, "hash1", spec.as_given(), {"main": "sha256:1"}, named, accepted.generation, NOW
    )


async def test_a_revision_belongs_to_the_latest_generation(store: Store) -> None:
    first = await store.put_service(API, a_service())
    await store.record_revision(API, first.generation, a_revision(1))
    recorded = await store.versions()

    second = await store.put_service(API, a_service(labels={"a": "b"}))
    reset = await store.versions()
    await store.record_revision(API, first.generation, a_revision(2, image="sha256:old"))
    late = await store.versions()
    await store.record_revision(API, second.generation, a_revision(2, image="sha256:2"))
    again = await store.versions()

    seen = [v[0] for v in (recorded, reset, late, again)]
    assert [v.images for v in seen] == [{"main": "sha256:1"}, {}, {}, {"main": "sha256:2"}]
    assert [v.revision.number for v in seen if v.revision is not None] == [1, 1, 1, 2]
    assert [r.number for r in await store.revisions(API)] == [2, 1]


async def test_a_generation_that_makes_the_same_points_at_the_revision_that_is_there(
    store: Store,
) -> None:
    first = await store.put_service(API, a_service())
    await store.record_revision(API, first.generation, a_revision(1))
    before = await store.revisions(API)
    second = await store.put_service(API, a_service(whitelists=[]))

    await store.record_revision(API, second.generation, a_revision(1, hash="never written"))

    (version,) = await store.versions()
    assert await store.revisions(API) == before == [version.revision]
    assert version.images == {"main": "sha256:1"}


async def test_a_revision_is_recorded_once_and_never_out_of_turn(store: Store) -> None:
    accepted = await store.put_service(API, a_service())
    for number, image in ((2, "early"), (1, "first"), (1, "again"), (2, "second"), (1, "late")):
        await store.record_revision(API, accepted.generation, a_revision(number, image=image))

    assert [(r.number, r.images["main"]) for r in await store.revisions(API)] == [
        (2, "second"),
        (1, "first"),
    ]
    (version,) = await store.versions()
    assert version.images == {"main": "second"}


async def test_revisions_are_numbered_per_version_and_go_with_it(store: Store) -> None:
    web = await store.put_service(WEB, a_service())
    await store.record_revision(WEB, web.generation, a_revision(1))
    api = await store.put_service(API, a_service())
    await store.record_revision(API, api.generation, a_revision(1))
    await store.record_revision(API, api.generation, a_revision(2))

    await store.delete_service(API)
    gone = await store.revisions(API)
    anew = await store.put_service(API, a_service())
    (fresh, _) = await store.versions()
    await store.record_revision(API, anew.generation, a_revision(1))

    assert gone == []
    assert fresh.revision is None
    assert [r.number for r in await store.revisions(API)] == [1]
    assert [r.number for r in await store.revisions(WEB)] == [1]


async def test_the_last_ten_revisions_of_a_version_are_kept(store: Store) -> None:
    accepted = await store.put_service(API, a_service())
    other = await store.put_service(WEB, a_service())
    await store.record_revision(WEB, other.generation, a_revision(1))

    for number in range(1, 14):
        await store.record_revision(API, accepted.generation, a_revision(number))

    assert [r.number for r in await store.revisions(API)] == list(range(13, 3, -1))
    assert [r.number for r in await store.revisions(WEB)] == [1]


async def test_the_values_of_a_secret_stay_while_a_kept_revision_names_their_version(
    store: Store,
) -> None:
    async def kept() -> list[str]:
        found = []
        for version in range(1, 14):
            try:
                values = await store.secret_values("shop", "db", version)
            except NotFound:
                continue
            assert values == {"PASS": f"s{version}"}
            found.append(values["PASS"])
        return found

    await store.put_secret("shop", "db", a_secret(PASS="s1"))
    accepted = await store.put_service(API, a_service(task={"secrets": ["db"]}))
    await store.put_secret("shop", "db", a_secret(PASS="s2"))
    unnamed = await kept()
    await store.record_revision(
        API, accepted.generation, a_revision(1, await facts_of(store, "db"))
    )
    await store.put_secret("shop", "db", a_secret(PASS="s3"))
    named = await kept()
    for number in range(2, 11):
        await store.record_revision(
            API, accepted.generation, a_revision(number, await facts_of(store, "db"))
        )
    last_chance = await kept()
    await store.record_revision(
        API, accepted.generation, a_revision(11, await facts_of(store, "db"))
    )

    assert unnamed == ["s2"]
    assert named == last_chance == ["s2", "s3"]
    assert await kept() == ["s3"]
    assert await store.secret_values("shop", "db") == {"PASS": "s3"}


async def test_a_revision_that_names_values_that_are_gone_is_not_recorded(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="s1"))
    accepted = await store.put_service(API, a_service(task={"secrets": ["db"]}))
    seen = await facts_of(store, "db")
    await store.put_secret("shop", "db", a_secret(PASS="s2"))

    await store.record_revision(API, accepted.generation, a_revision(1, seen))

    assert await store.revisions(API) == []


async def test_a_deleted_secrets_values_stay_for_the_revision_that_names_them(
    store: Store,
) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="old"))
    first = await store.put_service(API, a_service(task={"secrets": ["db"]}))
    await store.record_revision(API, first.generation, a_revision(1, await facts_of(store, "db")))
    second = await store.put_service(API, a_service())
    await store.record_revision(API, second.generation, a_revision(2))

    await store.delete_secret("shop", "db")
    listed = await store.secrets("shop")
    of_revision = await store.secret_values("shop", "db", 1)
    await store.put_secret("shop", "db", a_secret("file", PASS="new"))
    facts = await facts_of(store, "db")
    await store.delete_service(API)

    assert listed == []
    assert of_revision == {"PASS": "old"}
    assert (facts.version, facts.keys) == (2, ("PASS",))
    assert await store.secret_values("shop", "db", 2) == {"PASS": "new"}
    with pytest.raises(NotFound):
        await store.secret_values("shop", "db", 1)


async def test_a_deleted_project_leaves_no_revision_and_no_value(store: Store) -> None:
    await store.put_secret("shop", "db", a_secret(PASS="x"))
    accepted = await store.put_service(API, a_service(task={"secrets": ["db"]}))
    await store.record_revision(
        API, accepted.generation, a_revision(1, await facts_of(store, "db"))
    )

    await store.delete_project("shop")

    assert await store.revisions(API) == []
    with pytest.raises(NotFound):
        await store.secret_values("shop", "db", 1)


async def test_a_completed_revision_is_known_until_another_one_is_recorded(store: Store) -> None:
    async def is_completed() -> bool:
        return (await store.versions())[0].is_completed

    first = await store.put_service(API, a_service())
    await store.record_completion(API, 1)
    never = await is_completed()
    await store.record_revision(API, first.generation, a_revision(1))
    await store.record_completion(API, 2)
    other = await is_completed()
    await store.record_completion(API, 1)
    done = await is_completed()
    second = await store.put_service(API, a_service(labels={"a": "b"}))
    await store.record_revision(API, second.generation, a_revision(2))

    assert (never, other, done, await is_completed()) == (False, False, True, False)


A_FAILURE = RevisionFailure("api--v1--1/main", "Exited", "exited with code 1", "mend it")


async def test_a_revision_is_confirmed_once_it_has_served(store: Store) -> None:
    accepted = await store.put_service(API, a_service())
    its = (API, accepted.generation)
    await store.record_revision(*its, a_revision(1))
    recorded = await the_only_version(store)

    await store.record_serving(*its, 1)
    serving = await the_only_version(store)
    await store.confirm_revision(*its, 1)
    confirmed = await the_only_version(store)

    assert (recorded.is_confirmed, recorded.serving_since) == (False, None)
    assert (serving.is_confirmed, serving.serving_since) == (False, NOW)
    assert confirmed.is_confirmed
    assert confirmed.confirmed == confirmed.revision


async def test_a_revision_is_given_up_for_one_generation_and_what_was_confirmed_stays(
    store: Store,
) -> None:
    first = await store.put_service(API, a_service())
    await store.record_revision(API, first.generation, a_revision(1))
    await store.confirm_revision(API, first.generation, 1)
    labelled = a_service(labels={"a": "b"})
    second = await store.put_service(API, labelled)
    await store.record_revision(API, second.generation, a_revision(2))
    await store.record_serving(API, second.generation, 2)

    await store.fail_revision(API, second.generation, 2, A_FAILURE)
    failed = await the_only_version(store)
    third = await store.put_service(API, labelled)
    await store.record_revision(API, third.generation, a_revision(2))
    again = await the_only_version(store)

    assert (failed.failure, failed.serving_since) == (A_FAILURE, None)
    assert failed.confirmed is not None
    assert failed.confirmed.number == 1
    assert failed.running == a_service()
    assert (again.failure, again.is_confirmed, again.running) == (None, False, labelled)


async def test_a_verdict_on_what_is_not_the_latest_any_more_is_no_news(store: Store) -> None:
    first = await store.put_service(API, a_service())
    await store.record_revision(API, first.generation, a_revision(1))
    second = await store.put_service(API, a_service(labels={"a": "b"}))
    unresolved = await the_only_version(store)

    for generation, number in ((first.generation, 1), (second.generation, 1)):
        await store.record_serving(API, generation, number)
        await store.confirm_revision(API, generation, number)
        await store.fail_revision(API, generation, number, A_FAILURE)

    assert await the_only_version(store) == unresolved


async def test_the_last_confirmed_revision_is_kept_however_many_fail_after_it(
    store: Store,
) -> None:
    accepted = await store.put_service(API, a_service())
    await store.record_revision(API, accepted.generation, a_revision(1))
    await store.confirm_revision(API, accepted.generation, 1)

    for number in range(2, 15):
        accepted = await store.put_service(API, a_service(labels={"a": str(number)}))
        await store.record_revision(API, accepted.generation, a_revision(number))

    version = await the_only_version(store)
    assert [r.number for r in await store.revisions(API)] == [*range(14, 4, -1), 1]
    assert version.confirmed is not None
    assert version.confirmed.number == 1
