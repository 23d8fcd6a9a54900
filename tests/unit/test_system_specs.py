"""What gateway and resolver are asked for, by what their programs understand."""

from dataclasses import replace
from pathlib import Path

import pytest

from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.gateway.bootstrap import arguments
from spacecloud.drivers.docker.host.system_specs import gateway, resolver, resolver_limits
from spacecloud.drivers.docker.labels import CONFIG
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.settings import Settings

NEW = "    --no-ident     Do not add CHAOS TXT records.\n    --max-tcp-connections=<integer>    Max"

MADE_BY_THE_FIRST_RELEASES = "54d518e78dfe"
"""The configuration that they labelled such a gateway with; never to be written anew."""


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("    --no-hosts    Do NOT load /etc/hosts", []),
        ("    --no-ident    Do not add CHAOS", ["--no-ident"]),
        (NEW.replace("=<", " <"), ["--no-ident", "--max-tcp-connections=256"]),
        (NEW, ["--no-ident", "--max-tcp-connections=256"]),
    ],
)
def test_a_resolver_of_an_older_release_is_not_asked_for_what_it_would_end_by(
    said: str, options: list[str]
) -> None:
    settings = Settings()

    assert resolver_limits(said) == options
    assert set(options) <= set(
        resolver(networking_of(settings), RunDirectory(settings.run_dir), "image", said)["Cmd"]
    )


def test_a_gateway_is_known_by_what_the_first_releases_told_it() -> None:
    """So that an upgrade leaves the one that runs alone."""
    networking, run = networking_of(Settings()), RunDirectory(Path("/run/space-cloud/default"))

    def made(*, port: int = 15001, heap: int | None = None) -> tuple[list[str], str]:
        told = replace(networking, mesh_port=port)
        body = gateway(
            told,
            run,
            "image",
            arguments(told, run, 600, "info"),
            arguments(told, run, 600, "info", heap),
            1_000,
        )
        return body["Cmd"], body["Labels"][CONFIG]

    (plain, known), (limited, same), (_, other) = made(), made(heap=1 << 30), made(port=15009)

    assert plain != limited
    assert known == same == MADE_BY_THE_FIRST_RELEASES != other
