"""What gateway and resolver are asked for, by what their programs understand."""

import pytest

from spacecloud.drivers.docker.factory import networking_of
from spacecloud.drivers.docker.host.system_specs import resolver, resolver_limits
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.settings import Settings

NEW = "    --no-ident     Do not add CHAOS TXT records.\n    --max-tcp-connections=<integer>    Max"


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
