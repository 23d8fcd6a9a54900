"""``space-cli get all``: everything that is declared as files, in the order of applying."""

from pathlib import Path
from typing import Any

import click

from spacecloud.cli.output import count
from spacecloud.cli.passphrase import passphrase
from spacecloud.cli.session import Session
from spacecloud.errors import InvalidSpec

Document = dict[str, Any]

OWNER_ONLY = 0o600


def get_all(
    session: Session, folder: str | None, passphrase_file: str | None, *, with_secrets: bool
) -> None:
    """One file per kind. ``InvalidSpec`` where the folder holds others, which apply would read."""
    from spacecloud.model.kinds import KINDS

    if folder is None:
        raise InvalidSpec("which folder? As in `get all backup`")
    names = {kind.name: f"{n:02}-{kind.name}.yaml" for n, kind in enumerate(KINDS, 1)}
    into = Path(folder)
    _check(into, set(names.values()))
    sealing = passphrase(passphrase_file, is_new=True) if with_secrets else ""
    documents = session.client().export(session.wanted_project, sealing)
    by_kind: dict[str, list[Document]] = {}
    for document in documents:
        by_kind.setdefault(document["type"], []).append(document)
    _write(into, {file: by_kind.get(kind, []) for kind, file in names.items()})
    click.echo(f"{count(len(documents), 'document')} in {folder}")
    if not with_secrets and _has_secrets(documents):
        click.echo(
            "  note: values of secrets are ********: applied where they are not stored they are "
            "refused; --with-secrets seals them under a passphrase",
            err=True,
        )


def _check(folder: Path, names: set[str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        here = {each.name for each in folder.iterdir() if each.suffix in (".yaml", ".yml")}
    except OSError as error:
        raise InvalidSpec(f"cannot write to {folder}: {error.strerror}") from error
    if others := sorted(here - names):
        raise InvalidSpec(
            f"{folder} holds {', '.join(others[:3])}, which apply would read too: name another one"
        )


def _write(folder: Path, files: dict[str, list[Document]]) -> None:
    """A file of an earlier export that has nothing to hold goes."""
    from spacecloud.documents.write import write

    try:
        for name, documents in files.items():
            path = folder / name
            path.unlink(missing_ok=True)
            if documents:
                path.touch(OWNER_ONLY)
                path.write_text(write(documents), "utf-8")
    except OSError as error:
        raise InvalidSpec(f"cannot write to {folder}: {error.strerror}") from error


def _has_secrets(documents: list[Document]) -> bool:
    return any("********" in str(each["spec"]) for each in documents)
