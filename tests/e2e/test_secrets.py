"""A secret's way: sealed on disk, in the task, nowhere else; changed, and the task has it."""

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest

from e2e.machine import output
from e2e.stage import Stage
from eventually import wait_until

PROJECT = "vault"
FIRST, SECOND = "first-value-7311", "second-value-9415"


@pytest.fixture(scope="module", autouse=True)
def project(stage: Stage) -> Iterator[None]:
    for id, body in {
        "creds": {"type": "env", "data": {"TOKEN": FIRST}},
        "conf": {"type": "file", "rootPath": "/etc/app", "data": {"app.ini": FIRST}},
    }.items():
        answer = stage.user.request("POST", f"/v1/runner/{PROJECT}/secrets/{id}", body)
        assert answer.status_code == 200, answer.text
    keys = [{"alg": "HS256", "secret": FIRST}, {"kid": "rsa", "privateKey": FIRST}]
    document = {"aesKey": FIRST, "secrets": keys}
    assert stage.user.request("POST", f"/v1/config/projects/{PROJECT}", document).status_code == 200
    stage.user.apply(PROJECT, "api", tasks=[stage.user.task("api", secrets=["creds", "conf"])])
    stage.user.wait_until_ready(PROJECT, "api")
    yield
    stage.user.request("DELETE", f"/v1/config/projects/{PROJECT}")
    stage.user.wait_until_gone(PROJECT, "api")


def seen(stage: Stage) -> tuple[str, str]:
    environment = stage.machine.call(PROJECT, "api", "http", "http://127.0.0.1:8080/env")["body"]
    url = "http://127.0.0.1:8080/file?path=/etc/app/app.ini"
    return environment["TOKEN"], str(stage.machine.call(PROJECT, "api", "http", url)["body"])


def test_the_task_has_the_values_in_its_environment_and_in_its_file(stage: Stage) -> None:
    token, file = seen(stage)

    assert token == FIRST
    assert FIRST in file


def test_no_answer_log_event_or_file_of_ours_holds_a_value(stage: Stage) -> None:
    shown = [
        stage.user.request("GET", path).text
        for path in (
            f"/v1/runner/{PROJECT}/secrets",
            f"/v1/runner/{PROJECT}/services",
            f"/v1/runner/{PROJECT}/services/status",
            f"/v1/config/projects/{PROJECT}",
            f"/v1/config/events?project={PROJECT}",
        )
    ]

    assert FIRST not in "".join(shown)
    assert "********" in shown[0]
    assert FIRST not in stage.installation.log()
    for file in stage.installation.state_dir.glob("store.db*"):
        assert FIRST.encode() not in file.read_bytes()


def test_a_changed_value_reaches_the_task_by_a_new_replica(stage: Stage) -> None:
    body = {"type": "env", "data": {"TOKEN": SECOND}}
    stage.user.request("POST", f"/v1/runner/{PROJECT}/secrets/creds", body)

    def changed() -> None:
        assert seen(stage)[0] == SECOND

    wait_until(changed)
    stage.user.wait_until_ready(PROJECT, "api")
    wait_until(lambda: only_one_pod(stage))


def only_one_pod(stage: Stage) -> None:
    assert len(stage.machine.containers(f"project={PROJECT}")) == 2


def test_what_get_shows_can_be_applied_again_and_changes_no_value(stage: Stage) -> None:
    before = stage.machine.containers(f"project={PROJECT}")
    for secret in stage.user.request("GET", f"/v1/runner/{PROJECT}/secrets").json()["result"]:
        path = f"/v1/runner/{PROJECT}/secrets/{secret['id']}"
        assert stage.user.request("POST", path, secret).status_code == 200

    stage.user.wait_until_ready(PROJECT, "api")

    assert stage.machine.containers(f"project={PROJECT}") == before
    assert seen(stage)[0] == SECOND


KEYSTORE = """\
type: secret
meta: {{project: {project}, id: keys}}
spec:
  type: file
  rootPath: /etc/keys
  data: {{store.p12: !!binary "{content}"}}
"""


def test_bytes_of_a_file_secret_are_in_the_task_as_they_were_given(stage: Stage) -> None:
    content = bytes(range(256))
    text = base64.b64encode(content).decode()
    given = KEYSTORE.format(project=PROJECT, content=text)
    applied = stage.user.cli("apply", "-f", "-", given=given)
    assert applied.returncode == 0, applied
    stage.user.apply(PROJECT, "keys", tasks=[stage.user.task("keys", secrets=["keys"])])
    stage.user.wait_until_ready(PROJECT, "keys")

    container = stage.machine.task_container(PROJECT, "keys")
    read = (
        "import hashlib; print(hashlib.sha256(open('/etc/keys/store.p12','rb').read()).hexdigest())"
    )
    seen = output("docker", "exec", container, "/usr/bin/python3", "-c", read).strip()
    assert seen == hashlib.sha256(content).hexdigest()
    shown = stage.user.cli("get", "secrets", "-p", PROJECT, "-o", "yaml")
    assert "store.p12: '********'" in shown.stdout or 'store.p12: "********"' in shown.stdout
    assert "binaryData" in shown.stdout
    assert text not in shown.stdout
    again = stage.user.cli("apply", "-f", "-", given=shown.stdout)
    assert again.returncode == 0, again
    stage.user.delete(PROJECT, "keys")
    stage.user.wait_until_gone(PROJECT, "keys")


def test_a_service_that_names_no_secret_of_the_project_is_refused_by_field(stage: Stage) -> None:
    task = stage.user.task("lost", secrets=["nope"])
    answer = stage.user.request("POST", f"/v1/runner/{PROJECT}/services/lost/v1", {"tasks": [task]})

    assert answer.status_code == 400
    assert answer.json()["mistakes"][0]["path"] == "spec.tasks[0].secrets[0]"
    assert "nope" in json.dumps(answer.json())
