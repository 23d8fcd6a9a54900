"""The unit as text; ``make test-systemd`` has a real systemd run it."""

from pathlib import Path

from inline_snapshot import snapshot

from spacecloud.commands.systemd import unit, unit_name
from spacecloud.settings import Settings

COMMAND = ("/opt/$pace cloud/python", "-m", "spacecloud.server", "serve")


def test_it_is_started_again_whenever_it_ends_and_knows_its_settings() -> None:
    settings = Settings(
        instance="two", state=Path("/srv/100%/$state"), expose_api=True, http_port=4999
    )

    assert unit_name(settings) == "space-cloud-two.service"
    assert unit(settings, COMMAND) == snapshot("""\
[Unit]
Description=Space Cloud control plane (two)
Wants=docker.service network-online.target
After=docker.service network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart="/opt/$$pace cloud/python" "-m" "spacecloud.server" "serve"
Environment="SPACE_CLOUD_EXPOSE_API=true"
Environment="SPACE_CLOUD_HTTP_PORT=4999"
Environment="SPACE_CLOUD_INSTANCE=two"
Environment="SPACE_CLOUD_STATE=/srv/100%%/$state"
Restart=always
RestartSec=0.5
KillMode=mixed
TimeoutStopSec=15

[Install]
WantedBy=multi-user.target
""")


def test_what_is_as_by_default_is_not_written_down() -> None:
    settings = Settings()

    assert unit_name(settings) == "space-cloud.service"
    assert "Environment" not in unit(settings, COMMAND)
