"""
``~/.space-cloud/accounts.yaml``, in the original's form, readable by its owner alone.

Under sudo it is the caller's file and not root's, so that one login serves both.
"""

import os
import pwd
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacecloud.errors import InvalidSpec, Unavailable
from spacecloud.files import OWNER_ONLY, write_durably

FOLDER = ".space-cloud"
NAME = "accounts.yaml"


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    username: str
    key: str
    serverurl: str
    default_project: str = ""

    def as_yaml(self) -> dict[str, str]:
        return {
            "id": self.id,
            "username": self.username,
            "key": self.key,
            "serverurl": self.serverurl,
            "defaultProject": self.default_project,
        }


@dataclass(frozen=True, slots=True)
class Accounts:
    accounts: tuple[Account, ...] = ()
    selected: str = ""

    @property
    def current(self) -> Account | None:
        return self.named(self.selected)

    def named(self, id: str) -> Account | None:
        return next((account for account in self.accounts if account.id == id), None)

    def at(self, url: str) -> Account | None:
        """The account for a server; the selected one first."""
        ordered = sorted(self.accounts, key=lambda account: account.id != self.selected)
        wanted = url.rstrip("/")
        return next((a for a in ordered if a.serverurl.rstrip("/") == wanted), None)

    def with_account(self, account: Account) -> "Accounts":
        """Added or replaced, and selected."""
        others = tuple(each for each in self.accounts if each.id != account.id)
        return Accounts((*others, account), account.id)

    def without(self, id: str) -> "Accounts":
        rest = tuple(each for each in self.accounts if each.id != id)
        fallback = rest[0].id if rest else ""
        return Accounts(rest, fallback if self.selected == id else self.selected)


def accounts_path() -> Path:
    user = os.environ.get("SUDO_USER", "")
    if os.geteuid() == 0 and user and user != "root":
        try:
            return Path(pwd.getpwnam(user).pw_dir) / FOLDER / NAME
        except KeyError:
            pass
    return Path.home() / FOLDER / NAME


def read_accounts() -> Accounts:
    path = accounts_path()
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return Accounts()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"{path} cannot be read: mend or delete it") from error
    given = parse_simple(text)
    return _accounts(_parsed(text, path) if given is None else given, path)


def write_accounts(accounts: Accounts) -> None:
    from spacecloud.documents.write import write

    path = accounts_path()
    content = {
        "accounts": [account.as_yaml() for account in accounts.accounts],
        "selectedAccount": accounts.selected,
    }
    try:
        with _rights_of_the_caller(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, write([content]), OWNER_ONLY)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def _rights_of_the_caller(path: Path) -> Generator[None]:
    """Under sudo: what is written is theirs, and no link of theirs leads root astray."""
    home = path.parent.parent.stat()
    if os.geteuid() != 0 or not os.environ.get("SUDO_USER") or home.st_uid == 0:
        yield
        return
    group = os.getegid()
    os.setegid(home.st_gid)
    os.seteuid(home.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def parse_simple(text: str) -> Any:
    """
    The file as this program writes it, read without a YAML library: its import costs more than
    all else a command does. None for any other form.
    """
    accounts: list[dict[str, str]] = []
    selected = ""
    for line in text.splitlines():
        if line in ("accounts:", "accounts: []", ""):
            continue
        name, colon, rest = line.lstrip(" -").partition(": ")
        value = _word(rest)
        if not colon or value is None or not name.isalpha():
            return None
        if line.lstrip().startswith("- "):
            accounts.append({name: value})
        elif line.startswith(" ") and accounts:
            accounts[-1][name] = value
        elif name == "selectedAccount":
            selected = value
        else:
            return None
    return {"accounts": accounts, "selectedAccount": selected}


def _word(text: str) -> str | None:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        inner = text[1:-1]
        return inner if "\\" not in inner and text[0] not in inner else None
    if text.lower() == "null":
        return ""
    is_plain = not text or (text[0].isalnum() and not set(text) & set("#\"'{}[]&*!|>%@`"))
    return text if is_plain else None


def _parsed(text: str, path: Path) -> Any:
    from spacecloud.documents.file_mistakes import Faults, refuse
    from spacecloud.documents.tree import trees

    faults = Faults(str(path))
    roots = trees(text, faults)
    refuse(faults.found)
    return roots[0].plain() if roots else {}


def _accounts(given: Any, path: Path) -> Accounts:
    listed = given.get("accounts") if isinstance(given, dict) else None
    if not isinstance(listed, list | None) or not isinstance(given, dict):
        raise InvalidSpec(f"{path} is not a file of accounts: mend or delete it")
    return Accounts(
        tuple(_account(each) for each in listed or () if isinstance(each, dict)),
        str(given.get("selectedAccount") or ""),
    )


def _account(given: dict[str, Any]) -> Account:
    names = ("id", "username", "key", "serverurl", "defaultProject")
    id, username, key, url, project = ("" if given.get(n) is None else str(given[n]) for n in names)
    return Account(id, username, key, url, project)
