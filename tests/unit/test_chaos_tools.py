"""What the chaos tests are made of says what happened, and nothing else."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from chaos.faults import FAULTS, Armed, Board, Injector, Point, engine_call
from chaos.plane import Plane, WrongRequest, judged, patience_ends
from chaos.sampling import SHARES, sampling_of
from chaos.sweep import (
    Attempt,
    Case,
    GivenUp,
    Sweep,
    Tried,
    cases_of,
    first_of_each,
    sampled,
    wrong,
)
from chaos.world import difference
from load import outages

CREATE, START = "engine CreateReplica POST create", "engine CreateReplica POST start"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


def an_armed(id: str = "a", *, point: str = CREATE, ordinal: int = 1, offset: int = 0) -> Armed:
    return Armed(id, "shop", point, ordinal, "fail", offset)


# ---------------------------------------------------------------------- injector, board


def test_a_fault_is_done_once_at_its_point_in_its_project(board: Board) -> None:
    injector = Injector(board.folder)
    board.arm([an_armed()])

    found = [injector.at(*at) for at in (("shop", START), ("bank", CREATE), ("shop", CREATE))]

    assert found == [None, None, "fail"]
    assert injector.at("shop", CREATE) is None
    assert board.has_fired(an_armed())


def test_the_second_of_equal_points_is_counted_from_the_offset(board: Board) -> None:
    injector = Injector(board.folder)
    injector.at("shop", CREATE)
    board.arm([an_armed(ordinal=2, offset=board.now())])

    assert [injector.at("shop", CREATE) for _ in range(3)] == [None, "fail", None]


def test_what_was_passed_before_a_crash_counts_after_it(board: Board) -> None:
    board.arm([an_armed(ordinal=3)])
    before = Injector(board.folder)
    for _ in range(2):
        assert before.at("shop", CREATE) is None

    assert Injector(board.folder).at("shop", CREATE) == "fail"


def test_a_fault_that_killed_its_process_is_not_done_again_by_the_next(board: Board) -> None:
    board.arm([an_armed()])
    assert Injector(board.folder).at("shop", CREATE) == "fail"

    assert Injector(board.folder).at("shop", CREATE) is None


def test_points_are_numbered_by_name_within_their_project(board: Board) -> None:
    injector = Injector(board.folder)
    injector.at("shop", CREATE)
    since = board.now()
    for project, point in (("shop", CREATE), ("bank", CREATE), ("shop", START), ("shop", CREATE)):
        injector.at(project, point)

    points = board.points("shop", since)

    assert points == [Point(CREATE, 1), Point(START, 1), Point(CREATE, 2)]
    assert first_of_each(points) == [Point(CREATE, 1), Point(START, 1)]
    assert (points[0].kind, points[0].operation) == ("engine", "CreateReplica")


def test_operations_are_told_by_project(board: Board) -> None:
    injector = Injector(board.folder)
    injector.carries_out("shop", "CreateReplica")
    injector.carries_out("bank", "StopReplica")

    assert board.executed("shop") == {"CreateReplica"}


def test_a_fault_is_armed_beside_those_of_others_and_for_its_block_alone(board: Board) -> None:
    injector = Injector(board.folder)
    other = an_armed("b", point=START)

    with board.armed(other):
        with board.armed(an_armed()):
            pass
        assert injector.at("shop", CREATE) is None
        assert injector.at("shop", START) == "fail"

    assert board.has_fired(other)
    assert not board.has_fired(an_armed())


@pytest.mark.parametrize(
    ("method", "path", "params", "name"),
    [
        ("POST", "containers/create", {"name": "space-cloud-shop--web--v1--0--main"},
         "POST containers/create/task"),
        ("POST", "containers/create", {"name": "space-cloud-shop--web--v1--0"},
         "POST containers/create/sandbox"),
        ("POST", "networks/create", {"name": "space-cloud-shop--web"}, "POST networks/create/network"),
        ("POST", f"containers/{'a' * 64}/kill", {"signal": "TERM"}, "POST containers/ID/kill/TERM"),
        ("GET", "images/127.0.0.1:5000/app:1/json", {}, "GET images/X/json"),
        ("POST", "/containers/space-cloud-e2e1-gateway/start", {}, "POST containers/gateway/start"),
    ],
)  # fmt: skip
def test_a_call_of_the_engine_has_a_name_that_two_runs_share(
    method: str, path: str, params: dict[str, str], name: str
) -> None:
    assert engine_call(method, path, params) == name


# ---------------------------------------------------------------------- world, load


def test_two_equal_worlds_have_no_difference_in_whatever_order() -> None:
    assert difference(("a", "b"), ("b", "a")) == ""


def test_what_is_missing_and_what_is_too_much_is_told_as_often_as_it_is() -> None:
    assert difference(("a", "a", "b"), ("a", "c", "c")) == (
        "missing: a; missing: b; too much: c; too much: c"
    )


@pytest.mark.parametrize(
    ("answers", "losses", "found"),
    [
        ([1, 2, 5, 6], [3, 4], [3]),
        ([1, 3, 5], [2, 4], [2, 2]),
        ([1, 2], [], []),
        ([2, 3], [1], []),
        ([1, 2], [3, 4], []),
        ([2, 4], [1, 3], [2]),
    ],
    ids=["one", "two", "none", "before all", "after all", "one of them has no beginning"],
)
def test_an_outage_lasts_from_answer_to_answer(
    answers: list[float], losses: list[float], found: list[float]
) -> None:
    assert outages(answers, losses) == found


# ---------------------------------------------------------------------- plane


@pytest.mark.parametrize(
    ("method", "status", "tries", "meaning"),
    [
        ("POST", 200, 1, "acknowledged"),
        ("POST", 400, 1, "wrong"),
        ("POST", 404, 2, "wrong"),
        ("DELETE", 404, 1, "wrong"),
        ("DELETE", 404, 2, "acknowledged"),
        ("POST", 503, 1, "again"),
    ],
)
def test_an_answer_means_to_go_on_to_give_up_or_to_ask_again(
    method: str, status: int, tries: int, meaning: str
) -> None:
    assert judged(method, status, tries) == meaning


class Answers(Plane):
    """With answers of its own, one for each time that it is asked."""

    def __init__(self, *statuses: int) -> None:
        self.statuses_left = list(statuses)

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        return httpx.Response(self.statuses_left.pop(0), text="words")


def test_a_wrong_request_is_not_repeated() -> None:
    plane = Answers(400, 200)

    with pytest.raises(WrongRequest, match="POST /x: 400 words"):
        plane.declare("POST", "/x")

    assert plane.statuses_left == [200]


@pytest.mark.parametrize(
    ("launched", "within", "ends"),
    [
        (float("-inf"), 60, 160),
        (90, 60, 160),
        (150, 60, 210),
        (330, 60, 340),
        (330, 400, 500),
    ],
)
def test_whoever_waits_gives_each_start_its_time_and_no_row_of_kills_for_ever(
    launched: float, within: float, ends: float
) -> None:
    assert patience_ends(100, launched, within) == ends


@pytest.mark.parametrize(
    "error",
    [AssertionError(), httpx.ConnectError("refused"), subprocess.CalledProcessError(1, "docker")],
    ids=type,
)
def test_a_look_that_fails_is_repeated(error: Exception) -> None:
    errors = [error]

    def check() -> None:
        if errors:
            raise errors.pop()

    Answers().until(check)

    assert errors == []


@pytest.mark.parametrize("listed", [(), ("web", "web")], ids=["none", "two"])
def test_a_status_that_is_not_one_is_no_status_yet(listed: tuple[str, ...]) -> None:
    class Lists(Answers):
        def statuses(self, project: str) -> list[dict[str, Any]]:
            return [{"serviceId": service} for service in ("other", *listed)]

    with pytest.raises(AssertionError):
        Lists().status("shop", "web")


def test_a_request_that_was_not_acknowledged_is_repeated() -> None:
    plane = Answers(503, 200)

    plane.declare("POST", "/x")

    assert plane.statuses_left == []


# ---------------------------------------------------------------------- sweep


def a_sweep(points: int = 1, seconds: float = 60) -> Sweep:
    named = [("roll", Point(f"engine X {number}", 1)) for number in range(points)]
    return Sweep("swept", cases_of(named, ("fail",)), time.monotonic() + seconds)


def trying(sweep: Sweep, run_with: Callable[[Attempt], Tried]) -> Callable[[], None]:
    def work() -> None:
        while (attempt := sweep.take()) is not None:
            try:
                sweep.attempt(attempt, run_with)
            except GivenUp:
                continue

    return work


def test_every_case_is_tried_once_by_whoever_is_free() -> None:
    sweep = a_sweep(20)

    found = sweep.run([trying(sweep, lambda _: Tried(True, 1))] * 3)

    assert [result.case for result in found] == list(sweep.cases)
    assert {(r.outcome, r.tries, r.requests) for r in found} == {("converged", 1, 1)}
    assert wrong(found) == []


def test_a_case_that_is_not_reached_is_tried_four_times_and_is_wrong_then() -> None:
    sweep = a_sweep()

    (found,) = sweep.run([trying(sweep, lambda _: Tried(False))])

    assert (found.outcome, found.tries) == ("not reached", 4)
    assert wrong([found]) == ["roll: fail at engine X 0: not reached"]


def test_a_case_that_goes_wrong_has_its_error_and_others_go_on() -> None:
    sweep = a_sweep(3)

    def run_with(attempt: Attempt) -> Tried:
        assert attempt.case.number != 1, "too much: container"
        return Tried(True)

    found = sweep.run([trying(sweep, run_with)])

    assert [result.outcome for result in found] == ["converged", "failed", "converged"]
    assert "too much: container" in wrong(found)[0]


def test_what_waits_when_the_time_is_over_was_not_run_and_is_not_wrong() -> None:
    sweep = a_sweep(2, seconds=-1)

    found = sweep.run([trying(sweep, lambda _: Tried(True))])

    assert [result.outcome for result in found] == ["not run", "not run"]
    assert wrong(found) == []
    assert not sweep.is_waiting()


def test_what_is_the_same_to_the_world_is_one_case() -> None:
    looks = [Point(f"engine StopReplica GET {what}", 1) for what in ("containers/json", "images")]
    kill = Point("engine StopReplica POST containers/ID/kill/SIGTERM", 1)

    cases = cases_of([("roll", point) for point in (*looks, kill)], FAULTS)

    assert {
        point.name: tuple(case.fault for case in cases if case.point == point)
        for point in (*looks, kill)
    } == {
        looks[0].name: ("kill-before", "fail", "hang"),
        looks[1].name: ("fail", "hang"),
        kill.name: FAULTS,
    }
    assert [case.number for case in cases] == list(range(len(cases)))


def test_no_two_attempts_share_the_id_of_their_fault() -> None:
    cases = [Case(number, "roll", Point(CREATE, 1), fault) for number, fault in enumerate(FAULTS)]

    ids = {Attempt(case, number).armed("p", 0).id for case in cases for number in (1, 2)}

    assert len(ids) == 2 * len(FAULTS)


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    cases = cases_of([("roll", Point(f"engine X {n}", 1)) for n in range(100)], FAULTS)

    assert sampled(cases, None, "") == cases
    assert sampled(cases, 10, "s") == sampled(cases, 10, "s") != sampled(cases, 10, "t")
    assert len(sampled(cases, 10, "s")) == 10
    assert len(sampled(cases[:3], 10, "s")) == 3


@pytest.mark.parametrize("sample", [1, 3, 10, 99])
def test_the_shares_of_a_sample_are_the_sample(sample: int) -> None:
    sampling = sampling_of({"CHAOS_SAMPLE": str(sample)}, 0)

    assert sum(sampling.share(sweep) or 0 for sweep in SHARES) == sample
    assert sampling.seed


def test_a_seed_that_is_given_is_kept_and_without_a_sample_all_is_run() -> None:
    assert sampling_of({"CHAOS_SAMPLE": "10", "CHAOS_SEED": "s"}, 0).seed == "s"
    assert sampling_of({"CHAOS_SECONDS": "60"}, 7).ends_at == 67
    assert sampling_of({}, 0).share("failed") is None


def test_files_of_the_board_are_whole_or_the_ones_before(board: Board) -> None:
    board.set_clock(3600)

    assert (board.folder / "clock").read_text() == "3600"
    assert not any(name.endswith(".new") for name in os.listdir(board.folder))
