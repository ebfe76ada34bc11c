"""Jobs that come after others."""

from dataclasses import replace

import pytest

from dffmpeg.model import jobs, succession
from dffmpeg.model.jobs import Job, JobState
from dffmpeg.model.rules import Rules

S = JobState


def job(*predecessors: str, **changes: object) -> Job:
    made = Job(
        job_id="J",
        requester_id="alice",
        binary_name="ffmpeg",
        arguments=(),
        predecessors=predecessors,
        created_at=100.0,
        last_update=100.0,
        ready_at=100.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("states", "state", "blocked", "ready_at"),
    [
        ((), S.PENDING, 0, 100.0),
        ((S.COMPLETED, S.COMPLETED), S.PENDING, 0, 100.0),
        ((S.PENDING,), S.PENDING, 1, None),
        ((S.COMPLETED, S.RUNNING, S.ASSIGNED), S.PENDING, 2, None),
        ((S.CANCELING,), S.PENDING, 1, None),
        ((S.RUNNING, S.FAILED), S.FAILED, 0, None),
        ((S.CANCELED,), S.FAILED, 0, None),
    ],
)
def test_how_it_enters(
    states: tuple[JobState, ...], state: JobState, blocked: int, ready_at: float | None
) -> None:
    names = {f"P{number}": each for number, each in enumerate(states)}
    entered = succession.admitted(job(*names), names)
    assert (entered.state, entered.blocked, entered.ready_at) == (state, blocked, ready_at)
    assert (entered.ended_at is None) == (state is S.PENDING)


def test_the_reason_names_the_first_that_did_not_complete() -> None:
    names = {"A": S.COMPLETED, "B": S.CANCELED, "C": S.FAILED}
    entered = succession.admitted(job(*names, rules=Rules(retention=60.0)), names)
    assert entered.reason == "job B was canceled, and this one was to come after it"
    assert (entered.ended_at, entered.expires_at) == (100.0, 160.0)


def test_a_failure_is_a_transition_of_a_pending_job_only() -> None:
    failed = succession.fail(job("P"), "P", S.FAILED, 110.0)
    assert (set(failed.sources), failed.target, failed.fence_attempt) == ({S.PENDING}, S.FAILED, 0)
    after = failed.made(job("P"))
    assert after.reason == "job P failed, and this one was to come after it"
    assert after.ended_at == 110.0
    assert after.state in jobs.TERMINAL


@pytest.mark.parametrize(("not_before", "now", "since"), [(None, 5.0, 5.0), (3.0, 5.0, 5.0), (9.0, 5.0, 9.0)])
def test_since_when_it_waits_for_a_worker(not_before: float | None, now: float, since: float) -> None:
    assert succession.released(not_before, now) == since
