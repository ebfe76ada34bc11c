"""Which worker a job gets."""

import pytest

from dffmpeg.model.scheduling.entries import Entry
from dffmpeg.model.scheduling.quarantine import Quarantine
from dffmpeg.model.workers import Hold, Worker, WorkerState
from tests.model.scheduling.rows import NOW, board, job, jobs, pairs, running, worker

BETTER: dict[str, tuple[Entry, Worker, Worker]] = {
    "the larger free share": (job("j"), worker("z", 4), worker("a", 2)),
    "more weight": (job("j"), worker("z", weight=2.0), worker("a")),
    "the job's label": (job("j", labels=("x",)), worker("z", labels=("x", "y")), worker("a", labels=("y",))),
    "nothing that others need more": (job("j"), worker("z"), worker("a", resources={"nvenc": 1})),
    "the larger free share of what it asks for": (
        job("j", asks={"nvenc": 1}),
        worker("z", resources={"nvenc": 4}),
        worker("a", resources={"nvenc": 4}),
    ),
    "speed for a long job": (
        job("j", size=1e12),
        worker("z", benchmark=2e8),
        worker("a", benchmark=1e8, weight=1.2),
    ),
    "not speed for a short one": (
        job("j", size=1e8),
        worker("z", benchmark=1e8, weight=1.2),
        worker("a", benchmark=2e8),
    ),
    "the first by name of equal ones": (job("j"), worker("a"), worker("b")),
}


@pytest.mark.parametrize("why", BETTER)
def test_the_better_worker(why: str) -> None:
    entry, better, worse = BETTER[why]
    rows: list[Entry | Worker] = [entry, better, worse]
    if "free share" in why:
        asks = {"nvenc": 1} if "asks" in why else {}
        rows.append(running("r1", "a", asks=asks, resources=asks))
    if why == "the larger free share":
        rows.append(running("r2", "z"))
    if why == "the larger free share of what it asks for":
        rows = [
            worker(one.worker_id, 4, resources=one.resources) if isinstance(one, Worker) else one
            for one in rows
        ]
    assert pairs(board(*rows).decide(NOW)) == [("j", better.worker_id)]


def test_work_is_spread_by_weight() -> None:
    rows = [worker("heavy", 30, weight=2.0), worker("light", 30)]
    chosen = [name for _, name in pairs(board(*rows, *(job(f"j{n}") for n in range(30))).decide(NOW))]
    # It is taken as long as twice its free share is more than the other's.
    assert (chosen.count("heavy"), chosen.count("light")) == (20, 10)


NOT_NOW: dict[str, Worker] = {
    **{state.value: worker("w", state=state) for state in WorkerState if state is not WorkerState.ONLINE},
    **{hold.value: worker("w", hold=hold) for hold in Hold},
    "no slots": worker("w", 0),
    "no program": worker("w", binaries=("ffprobe",)),
    "too small": worker("w", 4, resources={"nvenc": 1}),
    "closed": worker("w", hours="00:00-00:01"),
    "unreadable hours": worker("w", hours="at night"),
}


@pytest.mark.parametrize("why", NOT_NOW)
def test_a_worker_that_does_not_take_it(why: str) -> None:
    made = board(job("j", asks={"nvenc": 2}), NOT_NOW[why], now=NOW)
    assert made.decide(NOW) == []


def test_hours_open_and_close_by_themselves() -> None:
    # 1,000,000 s after the epoch it is 13:46:40 UTC on a Monday.
    made = board(job("a"), job("b"), worker("w", hours="mon 14:00-15:00"))
    opens = NOW + 13 * 60 + 20
    assert (made.decide(NOW), made.next_moment(NOW)) == ([], opens)
    assert jobs(made.decide(opens)) == ["a"]
    made.forget("a", opens + 10)
    assert made.next_moment(opens + 10) == opens + 3600
    assert made.decide(opens + 3600) == []


def test_the_worker_that_failed_it_waits_for_others_to_be_free() -> None:
    again = job("j", excluded_worker="w")
    assert pairs(board(again, worker("w"), worker("v", weight=0.01)).decide(NOW)) == [("j", "v")]
    made = board(again, worker("w"), worker("v"), running("r", "v"), avoid=60.0)
    assert (made.decide(NOW), made.next_moment(NOW)) == ([], NOW + 60)
    # That may take too long.
    assert pairs(made.decide(NOW + 60)) == [("j", "w")]


def test_the_worker_that_failed_it_is_better_than_none() -> None:
    again = job("j", excluded_worker="w")
    others = (worker("v", state=WorkerState.OFFLINE), worker("u", binaries=()), worker("t", hold=Hold.PAUSED))
    assert pairs(board(again, worker("w"), *others).decide(NOW)) == [("j", "w")]


def test_others_get_the_slot_that_an_avoided_worker_has() -> None:
    jobs_there = (job("j", excluded_worker="w"), job("k"), running("r", "v"))
    assert pairs(board(*jobs_there, worker("w"), worker("v")).decide(NOW)) == [("k", "w")]


def test_on_probation_it_gets_one_job() -> None:
    rule = Quarantine(strikes=3)
    made = board(job("a"), job("b"), worker("w", 4, strikes=3), quarantine=rule)
    (decision,) = made.decide(NOW)
    assert decision.at_most == 1
    # It proved itself.
    made.set_worker(worker("w", 4), NOW)
    made.forget(decision.entry.job_id, NOW)
    assert jobs(made.decide(NOW)) == ["b"]


def test_what_changed_of_a_worker_counts_at_once() -> None:
    made = board(job("a", paths=("Movies",)), job("b", binary="ffprobe"), worker("w", 4))
    assert made.decide(NOW) == []
    assert made.set_worker(worker("w", 4, paths=("Movies",)), NOW)
    assert jobs(made.decide(NOW)) == ["a"]
    assert made.set_worker(worker("w", 4, binaries=("ffprobe",)), NOW)
    assert jobs(made.decide(NOW)) == ["b"]
    # A renewal says nothing new.
    assert not made.set_worker(worker("w", 4, binaries=("ffprobe",), last_seen=NOW + 10), NOW)
