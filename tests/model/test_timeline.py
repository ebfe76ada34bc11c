"""What happened to a job, told from its rows."""

from __future__ import annotations

from collections.abc import Sequence

from dffmpeg.model.jobs import Attempt, AttemptOutcome, Job, JobState
from dffmpeg.model.timeline import timeline


def job(**fields: object) -> Job:
    return Job(
        **{  # type: ignore[arg-type]
            "job_id": "J",
            "requester_id": "alice",
            "binary_name": "ffmpeg",
            "arguments": (),
            "created_at": 100.0,
            "last_update": 100.0,
            **fields,
        }
    )


def attempt(number: int, worker: str, assigned_at: float, **fields: object) -> Attempt:
    return Attempt(job_id="J", attempt=number, worker_id=worker, assigned_at=assigned_at, **fields)  # type: ignore[arg-type]


def told(
    job: Job, attempts: Sequence[Attempt], waits_for: Sequence[str] = ()
) -> list[tuple[float, str, str]]:
    return [(one.at, one.what, one.text) for one in timeline(job, attempts, 1000.0, waits_for)]


def test_a_job_that_waits() -> None:
    assert told(job(), [], ["the queue is paused", "all slots are in use"]) == [
        (100.0, "submitted", "submitted by alice"),
        (100.0, "waiting", "the queue is paused; all slots are in use"),
    ]
    assert told(job(ready_at=5000.0), [], ["its start"]) == [
        (100.0, "submitted", "submitted by alice"),
        (1000.0, "waiting", "its start"),
    ]
    again = job(retry_of="I", predecessors=("H",), ready_at=120.0)
    assert told(again, []) == [
        (100.0, "submitted", "submitted by alice, once more what I was"),
        (120.0, "ready", "what it waited for has completed"),
        (120.0, "waiting", "it is next for a worker with room"),
    ]


def test_a_job_with_many_attempts() -> None:
    attempts = [
        attempt(1, "w1", 101.0, ended_at=102.0, outcome=AttemptOutcome.REJECTED, reason="no such path"),
        attempt(2, "w2", 103.0, ended_at=113.0, outcome=AttemptOutcome.NOT_ACCEPTED),
        attempt(
            3,
            "w1",
            114.0,
            started_at=115.0,
            ended_at=120.0,
            outcome=AttemptOutcome.LOST,
            reason="nothing of it",
        ),
        attempt(4, "w2", 121.0, started_at=122.0, ended_at=130.0, outcome=AttemptOutcome.FAILED, exit_code=1),
    ]
    over = job(attempt=4, worker_id="w2", state=JobState.FAILED, ended_at=130.0, exit_code=1)
    assert told(over, attempts) == [
        (100.0, "submitted", "submitted by alice"),
        (101.0, "assigned", "given to w1"),
        (102.0, "rejected", "w1 did not take it: no such path"),
        (102.0, "retry", "waits for another attempt"),
        (103.0, "assigned", "given to w2"),
        (113.0, "not_accepted", "w2 did not accept it in time"),
        (113.0, "retry", "waits for another attempt"),
        (114.0, "assigned", "given to w1"),
        (115.0, "started", "started on w1"),
        (120.0, "lost", "w1 lost it: nothing of it"),
        (120.0, "retry", "waits for another attempt"),
        (121.0, "assigned", "given to w2"),
        (122.0, "started", "started on w2"),
        (130.0, "failed", "attempt 4 failed: exit code 1"),
        (130.0, "failed", "failed: exit code 1"),
    ]
    waits = job(attempt=4, state=JobState.PENDING)
    assert told(waits, attempts)[-2:] == [
        (130.0, "retry", "waits for another attempt"),
        (130.0, "waiting", "it is next for a worker with room"),
    ]
    assert [one.worker_id for one in timeline(over, attempts, 1000.0)][-3:] == ["w2", "w2", None]


def test_who_canceled_it() -> None:
    running = [attempt(1, "w1", 101.0, started_at=102.0)]
    asked = job(
        attempt=1, worker_id="w1", state=JobState.CANCELING, reason="canceled by alice", last_update=110.0
    )
    assert told(asked, running)[-1] == (110.0, "canceling", "is to end: canceled by alice")
    ended = [attempt(1, "w1", 101.0, started_at=102.0, ended_at=111.0, outcome=AttemptOutcome.CANCELED)]
    canceled = job(attempt=1, state=JobState.CANCELED, reason="canceled by alice", ended_at=111.0)
    assert told(canceled, ended)[-2:] == [
        (111.0, "canceled", "attempt 1 was canceled"),
        (111.0, "canceled", "canceled: canceled by alice"),
    ]


def test_completed_is_nothing_to_explain() -> None:
    done = job(attempt=1, state=JobState.COMPLETED, ended_at=140.0, exit_code=0)
    one = attempt(
        1, "w1", 101.0, started_at=102.0, ended_at=140.0, outcome=AttemptOutcome.COMPLETED, exit_code=0
    )
    assert told(done, [one])[-2:] == [
        (140.0, "completed", "attempt 1 completed"),
        (140.0, "completed", "completed"),
    ]
