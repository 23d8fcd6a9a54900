"""Values under a passphrase: nobody else opens them, and what was altered does not open."""

import base64

import pytest

from spacecloud.errors import InvalidSpec
from spacecloud.model.kinds import kind_named
from spacecloud.model.sealed_values import put_value, sealed_values
from spacecloud.model.secret import SEALED
from spacecloud.secrets.passphrase import PassphraseOpener, PassphraseSealer

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def sealer() -> PassphraseSealer:
    return PassphraseSealer(PASSPHRASE)


@pytest.mark.parametrize("value", ["", "hunter2", "é\n" * 1000])
def test_a_value_comes_back_under_its_passphrase(sealer: PassphraseSealer, value: str) -> None:
    sealed = sealer.seal(value)

    assert sealed.startswith(SEALED)
    assert PassphraseOpener(PASSPHRASE).unseal(sealed) == value
    assert not value or value not in sealed


def test_equal_values_are_sealed_differently(sealer: PassphraseSealer) -> None:
    assert sealer.seal("a") != sealer.seal("a")


def test_another_passphrase_is_told_from_a_damaged_value(sealer: PassphraseSealer) -> None:
    sealed = sealer.seal("hunter2")
    data = bytearray(base64.b64decode(sealed.removeprefix(SEALED)))
    data[-1] ^= 1
    altered = SEALED + base64.b64encode(data).decode()
    opener = PassphraseOpener(PASSPHRASE)

    with pytest.raises(InvalidSpec, match="not the one it was sealed with"):
        PassphraseOpener("another passphrase").unseal(sealed)
    with pytest.raises(InvalidSpec, match="altered"):
        opener.unseal(altered)
    with pytest.raises(InvalidSpec, match="damaged"):
        opener.unseal(SEALED + "*")
    with pytest.raises(InvalidSpec, match="cut off"):
        opener.unseal(SEALED + "AAAA")


def test_a_short_passphrase_seals_nothing() -> None:
    with pytest.raises(InvalidSpec, match="at least 12"):
        PassphraseSealer("short")


def test_the_passphrase_is_in_no_repr(sealer: PassphraseSealer) -> None:
    assert PASSPHRASE not in repr(sealer) + repr(vars(sealer))


def test_sealed_values_are_found_where_values_may_be_and_nowhere_else() -> None:
    secret, project, service = (kind_named(name) for name in ("secret", "project", "service"))
    assert secret and project and service
    sealed = SEALED + "x"
    key = {"kid": "a", "secret": sealed, "privateKey": "clear"}
    of_project = {"aesKey": sealed, "name": sealed, "secrets": [{"kid": sealed}, key]}

    assert [where for where, _ in sealed_values(secret, {"data": {"A": sealed, "B": "b"}})] == [
        ("data", "A")
    ]
    found = [where for where, _ in sealed_values(project, of_project)]
    assert found == [("aesKey",), ("secrets", 1, "secret")]
    assert list(sealed_values(service, {"data": {"A": sealed}})) == []
    for where in found:
        put_value(of_project, where, "clear")
    assert list(sealed_values(project, of_project)) == []


@pytest.mark.parametrize("data", [None, [], "x", {"A": 7}])
def test_a_document_of_another_shape_has_no_sealed_values(data: object) -> None:
    secret, project = kind_named("secret"), kind_named("project")
    assert secret and project

    assert list(sealed_values(secret, {"data": data})) == []
    assert list(sealed_values(project, {"secrets": data, "aesKey": data})) == []
