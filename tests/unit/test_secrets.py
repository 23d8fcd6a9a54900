"""Sealing: values open where they were sealed, under the key that sealed them, and nowhere else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacecloud.errors import Unavailable
from spacecloud.model.secret import as_bytes
from spacecloud.secrets.keyfile import key_id, open_sealer
from spacecloud.secrets.sealing import Sealer

OLD, NEW = b"o" * 32, b"n" * 32
PLACE = ("shop", "db", "PASS")


def a_sealer(*keys: bytes) -> Sealer:
    return Sealer({key_id(key): key for key in keys}, key_id(keys[0]), "the key file")


@given(value=st.text(), place=st.lists(st.text(), max_size=4))
def test_a_sealed_value_opens_in_its_place(value: str, place: list[str]) -> None:
    sealer = a_sealer(OLD)

    assert sealer.unseal(sealer.seal(value, *place), *place) == value


@given(there=st.lists(st.text(max_size=3), max_size=4), here=st.lists(st.text(max_size=3)))
def test_a_sealed_value_opens_nowhere_else(there: list[str], here: list[str]) -> None:
    sealer = a_sealer(OLD)
    sealed = sealer.seal("x", *there)

    if there != here:
        with pytest.raises(Unavailable, match="altered or moved"):
            sealer.unseal(sealed, *here)


@given(st.data())
def test_a_value_that_was_altered_anywhere_does_not_open(data: st.DataObject) -> None:
    sealer = a_sealer(OLD)
    sealed = bytearray(sealer.seal("s3cret", *PLACE))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(Unavailable):
        sealer.unseal(bytes(sealed), *PLACE)


@given(st.binary(max_size=60))
def test_what_was_never_sealed_is_an_error_and_not_a_crash(garbage: bytes) -> None:
    with pytest.raises(Unavailable):
        a_sealer(OLD).unseal(garbage, *PLACE)


def test_the_same_value_is_never_sealed_to_the_same_bytes() -> None:
    sealer = a_sealer(OLD)

    assert len({sealer.seal("s3cret", *PLACE) for _ in range(100)}) == 100


def test_a_new_key_in_front_of_an_old_one_opens_what_the_old_one_sealed() -> None:
    sealed = a_sealer(OLD).seal("s3cret", *PLACE)
    both = a_sealer(NEW, OLD)

    assert both.unseal(sealed, *PLACE) == "s3cret"
    with pytest.raises(Unavailable):
        a_sealer(OLD).unseal(both.seal("s3cret", *PLACE), *PLACE)


def test_a_wrong_key_is_named_with_what_to_restore() -> None:
    sealed = a_sealer(OLD).seal("s3cret", *PLACE)

    with pytest.raises(Unavailable) as caught:
        a_sealer(NEW).unseal(sealed, *PLACE)

    message = str(caught.value)
    assert key_id(OLD).hex() in message
    assert "the key file" in message
    assert "restore" in message
    assert "s3cret" not in message


def test_neither_a_value_nor_a_key_is_in_what_a_sealer_prints() -> None:
    sealer = a_sealer(OLD)

    assert "oooo" not in f"{sealer!r} {sealer}"
    assert OLD.hex() not in f"{sealer!r} {sealer}"


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"

    sealed = open_sealer(path, tmp_path / "store.db").seal("s3cret", *PLACE)

    assert path.stat().st_mode & 0o777 == 0o600
    assert open_sealer(path, tmp_path / "store.db").unseal(sealed, *PLACE) == "s3cret"


def test_a_missing_key_beside_a_database_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()

    with pytest.raises(Unavailable, match="restore"):
        open_sealer(tmp_path / "secret.key", tmp_path / "store.db")

    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("content", ["", "nonsense\n", "aes-256-gcm:AAAA\n", "aes-256-gcm:ä\n"])
def test_a_damaged_key_file_is_a_clear_error_that_does_not_show_it(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "secret.key"
    path.write_text(content)

    with pytest.raises(Unavailable, match="key file") as caught:
        open_sealer(path, tmp_path / "store.db")

    assert "AAAA" not in str(caught.value)


@given(value=st.binary())
def test_bytes_are_sealed_and_opened_as_they_are(value: bytes) -> None:
    sealer = a_sealer(OLD)
    text = value.decode("utf-8", "surrogateescape")

    assert as_bytes(sealer.unseal(sealer.seal(text, *PLACE), *PLACE)) == value
