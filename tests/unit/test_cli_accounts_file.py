"""The accounts file: in the original's form, for its owner alone, whatever is in it."""

import os
import pwd
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacecloud.cli.accounts_file import (
    Account,
    Accounts,
    accounts_path,
    read_accounts,
    write_accounts,
)
from spacecloud.errors import InvalidSpec, Unavailable

texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=12
) | st.sampled_from(
    ["null", "yes", "8080", "a: b", "- a", "#a", "a #b", "'", '"', "''", "~", "\\", "{}", " a "]
)
any_accounts = st.builds(
    Accounts,
    st.lists(st.builds(Account, texts, texts, texts, texts, texts), max_size=3).map(tuple),
    texts,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_USER", raising=False)
    return tmp_path


@given(accounts=any_accounts)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_is_read_back(home: Path, accounts: Accounts) -> None:
    write_accounts(accounts)

    assert read_accounts() == accounts


def test_a_file_of_the_original_is_understood(home: Path) -> None:
    (home / ".space-cloud").mkdir()
    accounts_path().write_text(
        "accounts:\n"
        "- id: local-admin\n"
        "  username: local-admin\n"
        '  key: "0123"\n'
        "  serverurl: http://localhost:4122\n"
        "  defaultProject: null\n"
        "- {id: other, username: admin, key: '1', serverurl: 'http://o:4122', defaultProject: null}\n"
        "selectedAccount: local-admin\n"
    )

    known = read_accounts()

    assert known.current == Account("local-admin", "local-admin", "0123", "http://localhost:4122")
    assert known.named("other") == Account("other", "admin", "1", "http://o:4122")
    assert known.at("http://o:4122/") == known.named("other")


def test_nobody_else_can_read_it(home: Path) -> None:
    write_accounts(Accounts((Account("a", "admin", "secret", "http://a"),), "a"))

    assert stat.S_IMODE(accounts_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(accounts_path().parent.stat().st_mode) == 0o700
    assert [each.name for each in accounts_path().parent.iterdir()] == ["accounts.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another")
def test_under_sudo_it_is_the_callers_file_and_a_link_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, roots = Path(folder) / "home", Path(folder) / "roots"
        for each, owner in ((home, 65534), (roots, 0)):
            each.mkdir(mode=0o755)
            os.chown(each, owner, owner)
        Path(folder).chmod(0o755)
        monkeypatch.setenv("SUDO_USER", "caller")
        monkeypatch.setattr(
            pwd, "getpwnam", lambda name: pwd.struct_passwd((name, "", 65534, 65534, "", home, ""))
        )

        write_accounts(Accounts((Account("a", "admin", "secret", "http://a"),), "a"))
        owner = accounts_path().stat().st_uid
        accounts_path().unlink()
        accounts_path().parent.rmdir()
        accounts_path().parent.symlink_to(roots)
        with pytest.raises(Unavailable, match="Permission denied"):
            write_accounts(Accounts())

        assert accounts_path().is_relative_to(home)
        assert owner == 65534
        assert list(roots.iterdir()) == []
    assert os.geteuid() == 0


def test_no_file_is_no_accounts_and_a_broken_one_says_so(home: Path) -> None:
    assert read_accounts() == Accounts()

    (home / ".space-cloud").mkdir()
    for broken in ("accounts: [", "- a", "accounts: 5"):
        accounts_path().write_text(broken)
        with pytest.raises(InvalidSpec, match=r"accounts\.yaml"):
            read_accounts()


def test_the_account_that_is_used_is_followed_by_another_when_it_goes() -> None:
    a, b = (Account(id, "admin", "k", f"http://{id}") for id in "ab")
    both = Accounts().with_account(a).with_account(b)

    assert both.selected == "b"
    assert both.without("b") == Accounts((a,), "a")
    assert both.without("a").selected == "b"
    assert both.without("a").without("b") == Accounts()
