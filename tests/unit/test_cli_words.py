"""The small forms of the CLI: names of services, tables, the accounts' file."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spacecloud.cli.accounts_file import Account, Accounts, parse_simple
from spacecloud.cli.references import Reference, reference
from spacecloud.cli.table import table
from spacecloud.documents.file_mistakes import Faults
from spacecloud.documents.tree import trees
from spacecloud.documents.write import write
from spacecloud.errors import InvalidSpec

texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=12)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("api",), Reference("", "api", "")),
        (("shop/api",), Reference("shop", "api", "")),
        (("shop/api@v1",), Reference("shop", "api", "v1")),
        (("api", "v1"), Reference("", "api", "v1")),
        (("shop/api@v1.2", "v1.2"), Reference("shop", "api", "v1.2")),
    ],
)
def test_a_service_is_named_in_several_ways(words: tuple[str, ...], meant: Reference) -> None:
    assert reference(*words) == meant


@pytest.mark.parametrize(
    "words", [("",), ("/api",), ("shop/",), ("a/b/c",), ("api@",), ("a@1", "2")]
)
def test_what_names_no_service_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSpec):
        reference(*words)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("A", "B"), [("long one", 1), ("x", "two\nlines"), ("日本", "")]) == (
        "A         B\nlong one  1\nx         two lines\n日本"
    )


@given(st.lists(st.tuples(texts, texts, texts, texts, texts), max_size=3), texts)
@example([("a: b", "'", '"', "http://127.0.0.1:4122", "- x")], "#")
@example([("1", "null", "true", "~", "0x1")], "1.5")
def test_the_fast_reader_of_accounts_agrees_with_yaml_or_leaves_it_to_it(
    given_accounts: list[tuple[str, str, str, str, str]], selected: str
) -> None:
    content = {
        "accounts": [Account(*each).as_yaml() for each in given_accounts],
        "selectedAccount": selected,
    }
    text = write([content])

    fast = parse_simple(text)

    (tree,) = trees(text, Faults("accounts.yaml"))
    assert tree.plain() == content
    assert fast in (None, content)


def test_the_usual_file_of_accounts_needs_no_yaml_library() -> None:
    account = Account("demo", "admin", "x-Y_z1", "http://127.0.0.1:4122", "shop")
    content = {"accounts": [account.as_yaml()], "selectedAccount": "demo"}

    assert parse_simple(write([content])) == content


def test_the_account_of_a_server_is_the_selected_one_if_it_can_be() -> None:
    one, two = (Account(id, "u", "k", "http://h:1/") for id in ("one", "two"))

    assert Accounts((one, two), "two").at("http://h:1") == two
    assert Accounts((one, two), "").at("http://h:1") == one
    assert Accounts((one, two), "two").at("http://h:2") is None
    assert Accounts((one, two), "two").without("two") == Accounts((one,), "one")
