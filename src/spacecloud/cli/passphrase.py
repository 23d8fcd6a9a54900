"""The passphrase that an export's values are sealed under: where it comes from, and its use."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spacecloud.errors import InvalidSpec

if TYPE_CHECKING:
    from spacecloud.model.envelope import Envelope
    from spacecloud.secrets.passphrase import PassphraseOpener

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE = "SPACE_CLOUD_PASSPHRASE"


def passphrase_option(function: F) -> F:
    return click.option(
        "--passphrase-file",
        metavar="FILE",
        help=f"Its first line is the passphrase of sealed values; else {VARIABLE}, or asked for.",
    )(function)


def passphrase(file: str | None, *, is_new: bool) -> str:
    """``InvalidSpec`` where there is none and nobody can be asked; a new one is asked twice."""
    if file is not None:
        try:
            return Path(file).read_text("utf-8").partition("\n")[0].removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSpec(f"cannot read the passphrase in {file}: {error}") from error
    if given := os.environ.get(VARIABLE, ""):
        return given
    if not sys.stdin.isatty():
        raise InvalidSpec(
            f"values of secrets need a passphrase: give it by --passphrase-file or {VARIABLE}"
        )
    text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new, err=True)
    return text


def unsealed(envelopes: "Sequence[Envelope]", file: str | None) -> "list[Envelope]":
    """With the values that an export sealed. Nobody is asked where there are none."""
    from spacecloud.model.sealed_values import sealed_values

    if not any(True for each in envelopes for _ in sealed_values(each.kind, each.document)):
        return list(envelopes)
    from spacecloud.secrets.passphrase import PassphraseOpener

    opener = PassphraseOpener(passphrase(file, is_new=False))
    return [_opened(each, opener) for each in envelopes]


def _opened(envelope: "Envelope", opener: "PassphraseOpener") -> "Envelope":
    from spacecloud.model.envelope import MODELS
    from spacecloud.model.sealed_values import put_value, sealed_values
    from spacecloud.model.validation.mistakes import validate

    sealed = list(sealed_values(envelope.kind, envelope.document))
    for location, value in sealed:
        try:
            put_value(envelope.document, location, opener.unseal(value))
        except InvalidSpec as error:
            where = f"{envelope.source}:{envelope.line}: {envelope.name}"
            raise InvalidSpec(f"{where}: {error}") from None
    if not sealed:
        return envelope
    return replace(envelope, spec=validate(MODELS[envelope.kind.name], envelope.document, "spec"))
