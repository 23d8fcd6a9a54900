"""What is reported goes out in the API's spelling, whatever it was built from."""

import pytest
from pydantic import ValidationError

from spacecloud.model.status import PullView, ServiceStatus, TaskStatus


def test_a_view_is_built_by_field_names_and_goes_out_by_aliases() -> None:
    view = ServiceStatus(
        service_id="api",
        version="v1",
        desired_replicas=1,
        pulls=(PullView(image="nginx", layers_done=2),),
    )

    wire = view.wire()

    assert (wire["serviceId"], wire["desiredReplicas"]) == ("api", 1)
    assert wire["pulls"][0]["layersDone"] == 2


def test_a_view_reads_back_what_it_wrote() -> None:
    view = TaskStatus(id="main", state="exited", exit_code=1)

    assert TaskStatus.model_validate(view.wire()) == view


def test_a_view_tells_all_fields_and_null_where_there_is_none() -> None:
    assert TaskStatus(id="main", state="running").wire()["exitCode"] is None


def test_a_view_is_frozen_and_knows_no_other_field() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TaskStatus(id="main", state="running").id = "other"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        TaskStatus.model_validate({"id": "main", "state": "running", "exitcode": 1})
