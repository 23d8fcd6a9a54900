"""``get all`` and ``apply`` of its folder: into an empty installation, with values or without."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api_client import Api
from api_server import ApiServer, an_api_server
from spacecloud.documents.read import read

PASSPHRASE = "correct horse battery"
SECRET = "hunter2-and-more"
AES_KEY = "0123456789abcdef"
TASKS = [{"id": "main", "docker": {"image": "app:1"}, "ports": [{"port": 80}], "secrets": ["db"]}]
TARGET = {"type": "version", "version": "v1", "port": 80, "weight": 100}
DECLARED: dict[str, Any] = {
    "/v1/config/projects/lab": {
        "name": "Lab",
        "aesKey": AES_KEY,
        "secrets": [{"kid": "k1", "alg": "HS256", "secret": SECRET}],
    },
    "/v1/runner/lab/secrets/db": {"type": "env", "data": {"DB": SECRET, "EMPTY": ""}},
    "/v1/runner/lab/secrets/files": {
        "type": "file",
        "rootPath": "/run/files",
        "data": {"motd": SECRET},
        "binaryData": {"blob": "AAH/gA=="},
    },
    "/v1/runner/lab/services/cart/v1": {"tasks": TASKS},
    "/v1/runner/lab/service-routes/cart": {
        "routes": [{"source": {"port": 80}, "targets": [TARGET]}]
    },
    "/v1/runner/lab/service-roles/cart/reader": {"type": "project"},
    "/v1/config/projects/lab/routing/ingress/r1": {
        "targets": [{"host": "cart.lab.svc.cluster.local", "port": 80}]
    },
    "/v1/config/projects/lab/routing/ingress/r2": {
        "source": {"hosts": ["x"], "url": "/b"},
        "targets": [{"host": "web.lab.svc.cluster.local", "port": 80}],
    },
    "/v1/config/projects/lab/routing/ingress/global": {"headers": [{"key": "a", "value": "b"}]},
    "/v1/config/projects/lab/letsencrypt/config/letsencrypt-config": {"domains": ["a.example"]},
    "/v1/config/projects/other": {},
    "/v1/config/cluster": {"enableTelemetry": False},
    "/v1/config/integrations": {"id": "pay", "key": SECRET},
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Generator[ApiServer]:
    """Tests that share it change nothing."""
    with an_api_server(tmp_path_factory.mktemp("full")) as server:

        async def declare(api: Api) -> None:
            for path, document in DECLARED.items():
                await api.post(path, document)
            await api.post("/v1/config/integrations", {"id": "mail", "url": "smtp://mail"})

        server.do(declare)
        yield server


@pytest.fixture
def empty(tmp_path: Path) -> Generator[ApiServer]:
    (tmp_path / "empty").mkdir()
    with an_api_server(tmp_path / "empty") as server:
        yield server


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def run(server: ApiServer, *arguments: str, passphrase: str = "") -> Done:
    """As the owner of the machine."""
    with tempfile.TemporaryDirectory() as state:
        (Path(state) / "default").mkdir()
        (Path(state) / "default" / "admin-password").write_text(server.password)
        environment = {
            **os.environ,
            "HOME": state,
            "SPACE_CLOUD_URL": server.url,
            "SPACE_CLOUD_STATE": state,
            "SPACE_CLOUD_PASSPHRASE": passphrase,
        }
        done = subprocess.run(
            [sys.executable, "-m", "spacecloud.cli.main", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    return Done(done.returncode, done.stdout, done.stderr)


def export(server: ApiServer, *, project: str = "") -> list[dict[str, Any]]:
    async def asked(api: Api) -> list[dict[str, Any]]:
        body = {"project": project} if project else {}
        answer = await api.client.post("/v1/config/export", json=body)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["result"]
        return found

    return server.do(asked)


def values(server: ApiServer) -> list[dict[str, str]]:
    async def asked(api: Api) -> list[dict[str, str]]:
        return [
            dict(await api.store.secret_values("lab", "db")),
            dict(await api.store.secret_values("lab", "files")),
            dict(await api.store.project_values("lab")),
            dict(await api.store.other_values("integrations", "", "pay")),
        ]

    return server.do(asked)


def test_an_export_with_values_declares_the_same_in_an_empty_installation(
    full: ApiServer, empty: ApiServer, tmp_path: Path
) -> None:
    folder = str(tmp_path / "backup")

    written = run(full, "get", "all", folder, "--with-secrets", passphrase=PASSPHRASE)
    applied = run(empty, "apply", "-f", folder, passphrase=PASSPHRASE)
    again = run(empty, "apply", "-f", folder, passphrase=PASSPHRASE)

    assert written.code == 0, written.err
    assert applied.code == 0, applied.err
    assert export(empty) == export(full)
    assert values(empty) == values(full)
    assert len(export(full)) == len(DECLARED) + 1
    assert " created" not in again.out
    assert " updated" not in again.out
    files = sorted(each.name for each in Path(folder).iterdir())
    assert files[0] == "01-project.yaml"
    assert [name[3:-5] for name in files] == [
        "project",
        "secret",
        "service",
        "service-route",
        "service-role",
        "ingress-routes",
        "ingress-global",
        "letsencrypt",
        "cluster-config",
        "integrations",
    ]


def test_no_value_is_in_the_files_nor_in_the_answer(full: ApiServer, tmp_path: Path) -> None:
    folder = tmp_path / "backup"

    run(full, "get", "all", str(folder), "--with-secrets", passphrase=PASSPHRASE)

    text = "".join(each.read_text() for each in folder.iterdir())
    assert text.count("sealed:v1:") == 7
    assert SECRET not in text
    assert AES_KEY not in text
    assert PASSPHRASE not in text
    assert (folder / "02-secret.yaml").stat().st_mode & 0o077 == 0


def test_an_export_without_values_says_so_and_changes_nothing_where_they_are(
    full: ApiServer, tmp_path: Path
) -> None:
    folder = str(tmp_path / "backup")

    written = run(full, "get", "all", folder)
    applied = run(full, "apply", "-f", folder)

    assert "values of secrets are ********" in written.err
    assert applied.code == 0, applied.err
    assert " updated" not in applied.out
    assert " created" not in applied.out


def test_the_wrong_passphrase_applies_nothing(
    full: ApiServer, empty: ApiServer, tmp_path: Path
) -> None:
    folder = str(tmp_path / "backup")
    run(full, "get", "all", folder, "--with-secrets", passphrase=PASSPHRASE)

    wrong = run(empty, "apply", "-f", folder, passphrase="another passphrase")
    nobody_to_ask = run(empty, "apply", "-f", folder)

    assert (wrong.code, nobody_to_ask.code) == (2, 2)
    assert "01-project.yaml:1: project lab: the passphrase is not the one" in wrong.err
    assert "SPACE_CLOUD_PASSPHRASE" in nobody_to_ask.err
    assert export(empty) == []


def test_a_passphrase_may_stand_in_a_file(
    full: ApiServer, empty: ApiServer, tmp_path: Path
) -> None:
    folder, file = str(tmp_path / "backup"), tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")

    run(full, "get", "all", folder, "--with-secrets", "--passphrase-file", str(file))
    applied = run(empty, "apply", folder, "--passphrase-file", str(file))

    assert applied.code == 0, applied.err
    assert values(empty) == values(full)


def test_an_export_of_one_project_has_nothing_of_others(full: ApiServer, tmp_path: Path) -> None:
    folder = tmp_path / "backup"

    run(full, "get", "all", str(folder), "-p", "other")

    assert [each.name for each in read([str(folder)])] == ["project other"]


def test_a_later_export_leaves_nothing_of_an_earlier_one(full: ApiServer, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    run(full, "get", "all", str(folder))

    run(full, "get", "all", str(folder), "-p", "other")
    (folder / "mine.yaml").write_text("a: b")
    refused = run(full, "get", "all", str(folder))

    assert [each.name for each in sorted(folder.iterdir())] == ["01-project.yaml", "mine.yaml"]
    assert (refused.code, "mine.yaml" in refused.err) == (2, True)


def test_a_sealed_value_is_refused_by_the_api_itself(full: ApiServer) -> None:
    async def asked(api: Api) -> tuple[int, str]:
        body = {"type": "env", "data": {"A": "sealed:v1:AAAA"}}
        answer = await api.client.post("/v1/runner/lab/secrets/x", json=body)
        return answer.status_code, answer.json()["mistakes"][0]["path"]

    assert full.do(asked) == (400, "spec.data.A")


def test_values_leave_to_callers_on_this_machine_only(full: ApiServer) -> None:
    async def asked(api: Api) -> tuple[int, int]:
        body = {"passphrase": PASSPHRASE}
        beyond = {"x-forwarded-for": "192.0.2.7"}
        far = await api.client.post("/v1/config/export", json=body, headers=beyond)
        names = await api.client.post("/v1/config/export", json={}, headers=beyond)
        return far.status_code, names.status_code

    assert full.do(asked) == (403, 200)


def test_a_passphrase_is_repeated_by_no_mistake(full: ApiServer) -> None:
    async def asked(api: Api) -> list[str]:
        told = []
        for passphrase in ("hunter2", "hunter2" * 1000, 7):
            answer = await api.client.post("/v1/config/export", json={"passphrase": passphrase})
            assert answer.status_code == 400
            told.append(answer.text)
        return told

    assert not any("hunter2" in text for text in full.do(asked))


def test_ingress_routes_are_filtered(full: ApiServer) -> None:
    def routes(*filters: str) -> list[str]:
        options = [part for each in filters for part in ("--filter", each)]
        found = run(full, "get", "ingress-routes", "-p", "lab", *options)
        assert found.code == 0, found.err
        return [line.split()[0] for line in found.out.splitlines()[1:]]

    assert routes("request-host=x") == ["r1", "r2"]
    assert routes("request-host=y") == ["r1"]
    assert routes("service=cart") == ["r1"]
    assert routes("target-host=web.lab.svc.cluster.local", "url=/b") == ["r2"]
    wrong = run(full, "get", "ingress-routes", "-p", "lab", "--filter", "x=1")
    assert (wrong.code, "--filter is one of url=…" in wrong.err) == (2, True)


def test_options_of_the_original_are_taken(empty: ApiServer, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("type: project\nmeta: {project: lab}\nspec: {}\n")

    applied = run(empty, "apply", "-f", str(file), "--force", "--delay", "10ms")
    wrong = run(empty, "apply", "-f", str(file), "--delay", "soon")

    assert applied.code == 0, applied.err
    assert (wrong.code, "a time span such as" in wrong.err) == (2, True)
