"""Why a job is where it is; and that what is said is what is decided."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dffmpeg.model.jobs import JobState
from dffmpeg.model.scheduling.board import Board
from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.scheduling.explanation import explain
from dffmpeg.model.scheduling.policy import Limit, PriorityClass
from dffmpeg.model.scheduling.quarantine import Quarantine
from dffmpeg.model.workers import Hold, Worker, WorkerState
from tests.model.scheduling.rows import NOW, board, job, running, worker


def said(made: Board, name: str = "j") -> dict[str, list[str]]:
    return {one.worker_id: list(one.reasons) for one in explain(made, name, NOW).workers}


def waits(made: Board, name: str = "j") -> list[str]:
    return list(explain(made, name, NOW).waits_for)


def test_each_worker_with_the_reason_for_or_against_it() -> None:
    made = board(
        job("j", asks={"nvenc": 1}, labels=("night",), excluded_worker="failed"),
        worker("fine", 4, resources={"nvenc": 2}, labels=("night",), weight=1.5, benchmark=3e7),
        worker("failed", 4),
        worker("paused", hold=Hold.PAUSED, hold_reason="new disk"),
        worker("away", state=WorkerState.OFFLINE),
        worker("closed", hours="00:00-00:01"),
        worker("other", binaries=("ffprobe",)),
        worker("small", resources={"nvenc": 0}),
        worker("busy"),
        worker("gpu", 9, resources={"nvenc": 1}),
        worker("tried", 4, strikes=3),
        running("r1", "busy"),
        running("r2", "gpu", resources={"nvenc": 1}),
        running("r3", "tried"),
        running("r4", "fine", resources={"nvenc": 1}),
        quarantine=Quarantine(strikes=3),
    )
    explained = explain(made, "j", NOW)
    assert explained.choice == "fine"
    assert [one.worker_id for one in explained.workers][:2] == ["fine", "away"]
    assert said(made) == {
        "fine": [
            "3 of 4 slots are free",
            "1 of 2 nvenc are free",
            "it has the job's labels night",
            "its weight is 1.5",
            "it does 30 million pixels a second",
        ],
        "failed": ["it has just failed this job, and others could run it"],
        "paused": ["it is paused: new disk"],
        "away": ["it is offline"],
        "closed": ["it takes jobs at 00:00-00:01"],
        "other": ["it has no ffmpeg"],
        "small": ["it has 0 of 1 nvenc slots"],
        "busy": ["1 of its 1 slots are taken"],
        "gpu": ["1 of its 1 nvenc are taken"],
        "tried": ["it is back from quarantine, and has to do one job well before it gets more"],
    }
    suitable = {one.worker_id for one in explained.workers if one.suitable}
    assert set(said(made)) - suitable == {"other", "small"}


def test_what_it_waits_for() -> None:
    made = board(job("j", blocked=2), worker("w"))
    made.paused = True
    assert waits(made) == ["the queue is paused", "2 of the jobs that it comes after have not completed"]
    assert waits(board(job("j", not_before=NOW + 90))) == [
        "it is not to be tried for another 1m30s",
        "no worker has ever registered",
    ]
    assert waits(board(job("j", binary="x"), worker("w"))) == ["no known worker could run it"]
    made = board(
        job("j", labels=("x",)),
        running("r", "w", labels=("x",)),
        worker("w", 2),
        requester=Limit(running=1),
        labels={"x": Limit(running=1)},
        classes=(PriorityClass(name="high", priority=50, reserved=1),),
    )
    assert waits(made) == [
        "alice runs 1 of at most 1 jobs",
        "1 of at most 1 jobs with the label x run",
        "1 slots are free, and 1 are kept for higher priorities",
    ]


def test_one_that_may_not_start_goes_nowhere_now() -> None:
    made = board(job("j", not_before=NOW + 90), worker("w"))
    explained = explain(made, "j", NOW)
    assert (explained.may_start, explained.choice, explained.first) == (False, None, "w")
    assert explained.workers[0].has_room
    explained = explain(made, "j", NOW + 91)
    assert (explained.may_start, explained.choice, explained.first) == (True, "w", "w")


def test_one_that_does_not_wait() -> None:
    made = board(running("r", "w"))
    assert waits(made, "r") == ["it is running on w"]
    assert waits(made, "nothing") == ["it has ended"]


# That nothing is ever given twice, and that the explanation is the decision's own.

WORKERS = st.builds(
    worker,
    st.sampled_from([f"w{n}" for n in range(5)]),
    st.integers(0, 3),
    state=st.sampled_from([WorkerState.ONLINE] * 5 + [WorkerState.OFFLINE]),
    hold=st.sampled_from([None] * 5 + [Hold.PAUSED]),
    resources=st.dictionaries(st.sampled_from(["nvenc", "qsv"]), st.integers(0, 3)),
    paths=st.sampled_from([(), ("Movies",)]),
    strikes=st.sampled_from([0, 0, 0, 3]),
    weight=st.sampled_from([0.5, 1.0, 2.0]),
    benchmark=st.sampled_from([None, 1e7, 1e8]),
)
JOBS = st.builds(
    job,
    st.integers(0, 30).map("j{}".format),
    who=st.sampled_from(["alice", "bob"]),
    paths=st.sampled_from([(), (), ("Movies",)]),
    labels=st.sampled_from([(), ("x",)]),
    asks=st.dictionaries(st.sampled_from(["nvenc", "qsv"]), st.integers(1, 2)),
    priority=st.sampled_from([-50, 0, 60]),
    blocked=st.sampled_from([0, 0, 0, 1]),
    not_before=st.sampled_from([None, None, NOW + 50]),
    excluded_worker=st.sampled_from([None, None, "w1"]),
    size=st.sampled_from([None, 1e12]),
)
STEPS = st.lists(st.one_of(WORKERS, JOBS, st.integers(0, 30), st.just("decide")), max_size=60)
POLICY: dict[str, Any] = {
    "classes": (PriorityClass(name="high", priority=50, reserved=1, resources={"nvenc": 1}),),
    "requesters": {"bob": Limit(running=2)},
    "labels": {"x": Limit(running=3)},
    "patience": 20.0,
}


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_never_oversubscribed_and_explained_as_decided(steps: list[Worker | Entry | int | str]) -> None:
    made = board(**POLICY)
    now = NOW
    for step in steps:
        now += 7.0
        if isinstance(step, Worker):
            made.set_worker(step, now)
        elif isinstance(step, Entry):
            if step.job_id not in made.entries:
                made.put(replace(step, created_at=now, last_update=now), now)
        elif isinstance(step, int):
            made.forget(f"j{step}", now)
        else:
            decide_and_compare(made, now)
    decide_and_compare(made, now)


def decide_and_compare(made: Board, now: float) -> None:
    before = {name: explain(made, name, now) for name in made.entries}
    free = {name: node.free for name, node in made.pool.nodes.items()}
    decisions = made.decide(now)
    for number, one in enumerate(decisions):
        explained = before[one.entry.job_id]
        verdict = next(each for each in explained.workers if each.worker_id == one.worker_id)
        # What comes later in a round may lack only what went to those before it.
        assert verdict.suitable
        if number == 0:
            assert (explained.waits_for, explained.choice) == ((), one.worker_id)
        free[one.worker_id] -= 1
        assert free[one.worker_id] >= 0
    for node in made.pool.nodes.values():
        for name, number in node.worker.resources.items():
            given = sum(
                one.charge.get(name, 0) for one in decisions if one.worker_id == node.worker.worker_id
            )
            assert not given or node.load.taken.get(name, 0) <= number
    for name, entry in made.entries.items():
        if entry.state is JobState.PENDING:
            explained = explain(made, name, now)
            assert explained.waits_for or not any(one.has_room for one in explained.workers), name
            assert explained.choice is None
