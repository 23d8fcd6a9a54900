"""Whom the API lets in, by caller, name and page: the tables of the module."""

import pytest
from starlette.datastructures import Headers

from spacecloud.api.access import Access, access_of, names_of

MACHINE = names_of("Box.lan")
CLOSED = Access(exposed=False, names=frozenset({"api.example.com"}), machine=MACHINE)
EXPOSED = Access(exposed=True, names=frozenset({"api.example.com"}), machine=MACHINE)


def refused(
    access: Access, caller: str = "127.0.0.1", method: str = "POST", **headers: str
) -> bool:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return access.refusal(caller, method, Headers({"host": "localhost:4122", **named})) != ""


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:4122",
        "localhost.",
        "127.0.0.1:4122",
        "127.9.9.9",
        "[::1]:4122",
        "[::1]",
        "box.lan:4122",
        "BOX",
    ],
)
def test_names_of_the_machine_itself_are_let_in(host: str) -> None:
    assert not refused(CLOSED, host=host)
    assert not refused(EXPOSED, host=host)


@pytest.mark.attack
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4122",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost:evil",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::1",
        "[::1]x",
        "",
        "[evil.example]",
        "::1:80:x",
        "a@localhost",
        "localhost/",
        "localhost,evil.example",
        "*",
        "notbox",
        "box.lan.evil",
    ],
)
def test_names_that_a_stranger_can_give_this_machine_are_refused(host: str) -> None:
    assert refused(CLOSED, host=host)
    assert refused(EXPOSED, host=host)


@pytest.mark.parametrize("host", ["192.0.2.7:4122", "[2001:db8::7]", "API.example.com:443"])
def test_addresses_and_given_names_are_let_in_where_it_is_exposed(host: str) -> None:
    assert refused(CLOSED, host=host)
    assert not refused(EXPOSED, caller="192.0.2.9", host=host)
    assert refused(CLOSED, caller="192.0.2.9", host="localhost")


def test_whoever_may_open_the_socket_needs_no_name() -> None:
    assert not refused(CLOSED, caller="local", host="evil.example", origin="https://evil.example")


@pytest.mark.attack
def test_two_hosts_are_refused() -> None:
    two = Headers(raw=[(b"host", b"localhost"), (b"host", b"localhost")])

    assert CLOSED.refusal("127.0.0.1", "GET", two)


@pytest.mark.attack
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://localhost:3000",
        "http://localhost",
        "file://",
        "http://localhost:4122.evil.example",
        "localhost:4122",
        "http://evil.example://localhost:4122",
    ],
)
def test_a_page_of_another_origin_is_refused(method: str, origin: str) -> None:
    assert refused(CLOSED, method=method, origin=origin)


@pytest.mark.parametrize("origin", ["http://localhost:4122", "https://LOCALHOST:4122"])
def test_a_page_of_its_own_is_let_in(origin: str) -> None:
    assert not refused(CLOSED, origin=origin, sec_fetch_site="same-origin")


@pytest.mark.parametrize(
    ("site", "method", "is_refused"),
    [
        ("cross-site", "POST", True),
        ("same-site", "DELETE", True),
        ("cross-site", "GET", False),
        ("same-origin", "POST", False),
        ("none", "POST", False),
    ],
)
def test_a_page_without_an_origin_is_told_by_its_site(
    site: str, method: str, is_refused: bool
) -> None:
    assert refused(CLOSED, method=method, sec_fetch_site=site) is is_refused


def test_the_owners_words_are_read_without_case_and_slash() -> None:
    given = access_of(exposed=True, names=["API.lan"], origins=["https://UI.example/"])

    assert not refused(given, host="api.LAN", origin="https://ui.example")
