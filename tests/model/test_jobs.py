from collections.abc import Callable

import pytest

from dffmpeg.model import jobs
from dffmpeg.model.jobs import (
    LIVE,
    TERMINAL,
    TRANSITIONS,
    GiveUp,
    Job,
    JobState,
    Retry,
    RetryPolicy,
    Transition,
    TransitionError,
)

S = JobState
POLICY = RetryPolicy(max_attempts=3, minimum=1.0, maximum=10.0)


def make_job(state: JobState = S.PENDING, **changes: object) -> Job:
    values: dict[str, object] = {
        "job_id": "J",
        "requester_id": "alice",
        "binary_name": "ffmpeg",
        "arguments": (),
        "state": state,
        "attempt": 0 if state is S.PENDING else 1,
        "worker_id": None if state is S.PENDING else "w1",
        "created_at": 100.0,
        "last_update": 100.0,
    }
    return Job(**{**values, **changes})  # type: ignore[arg-type]


def test_the_table_is_the_published_one() -> None:
    edges = {(source.value, target.value) for source, targets in TRANSITIONS.items() for target in targets}
    assert edges == {
        ("pending", "assigned"),
        ("pending", "canceled"),
        ("pending", "failed"),
        ("assigned", "running"),
        ("assigned", "pending"),
        ("assigned", "canceled"),
        ("assigned", "canceling"),
        ("running", "completed"),
        ("running", "failed"),
        ("running", "canceled"),
        ("running", "pending"),
        ("running", "canceling"),
        ("canceling", "canceled"),
    }


def test_every_state_is_pending_live_or_terminal() -> None:
    assert {S.PENDING} | LIVE | TERMINAL == set(S)
    assert not LIVE & TERMINAL


# What each constructor makes of a job in each state: the target, or None where it must refuse.
def finish_as(target: JobState) -> Callable[[Job], Transition]:
    return lambda job: jobs.finish(job, job.attempt, "w1", 200.0, target, 0, None, None)


GRID: dict[str, tuple[Callable[[Job], Transition], frozenset[JobState], JobState]] = {
    "assign": (lambda job: jobs.assign(job, "w1", 200.0), frozenset({S.PENDING}), S.ASSIGNED),
    "accept": (lambda job: jobs.accept(job, 1, "w1", 200.0), frozenset({S.ASSIGNED}), S.RUNNING),
    "reject": (lambda job: jobs.reject(job, 1, "w1", 200.0, "full"), frozenset({S.ASSIGNED}), S.PENDING),
    "not_accepted": (lambda job: jobs.not_accepted(job, 200.0), frozenset({S.ASSIGNED}), S.PENDING),
    "complete": (finish_as(S.COMPLETED), frozenset({S.RUNNING}), S.COMPLETED),
    "fail": (finish_as(S.FAILED), frozenset({S.RUNNING}), S.FAILED),
    "canceled": (finish_as(S.CANCELED), frozenset({S.RUNNING, S.CANCELING}), S.CANCELED),
    "confirm": (lambda job: jobs.confirm_canceled(job, 200.0), frozenset({S.CANCELING}), S.CANCELED),
    "expire": (
        lambda job: jobs.expire(make_job(job.state, pending_timeout=5.0), 200.0),
        frozenset({S.PENDING}),
        S.FAILED,
    ),
}


@pytest.mark.parametrize("name", GRID)
def test_constructors_lead_only_from_their_states(name: str) -> None:
    make, sources, target = GRID[name]
    transition = make(make_job(S.RUNNING if S.RUNNING in sources else sorted(sources)[0]))
    assert (transition.sources, transition.target) == (sources, target)
    assert all(target in TRANSITIONS[source] for source in transition.sources)


@pytest.mark.parametrize(
    ("state", "target"),
    [(S.PENDING, S.CANCELED), (S.ASSIGNED, S.CANCELED), (S.RUNNING, S.CANCELING)],
)
def test_only_a_running_process_has_to_be_asked_to_end(state: JobState, target: JobState) -> None:
    assert jobs.request_cancel(make_job(state), 200.0, "why").target is target


@pytest.mark.parametrize("state", sorted(TERMINAL | {S.CANCELING}))
def test_what_has_ended_is_not_canceled(state: JobState) -> None:
    with pytest.raises(TransitionError):
        jobs.request_cancel(make_job(state), 200.0, "why")


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_leads_away_from_an_end(state: JobState) -> None:
    with pytest.raises(TransitionError):
        jobs.lose(make_job(state), 200.0, "why", POLICY, 0.5)
    for target in S:
        with pytest.raises(TransitionError):
            Transition(job_id="J", sources=frozenset({state}), target=target, now=0.0)


def test_a_transition_needs_a_source() -> None:
    with pytest.raises(TransitionError):
        Transition(job_id="J", sources=frozenset(), target=S.PENDING, now=0.0)


@pytest.mark.parametrize("target", sorted(set(S) - TERMINAL))
def test_finishing_needs_an_end(target: JobState) -> None:
    with pytest.raises(TransitionError):
        finish_as(target)(make_job(S.RUNNING))


@pytest.mark.parametrize(
    ("state", "attempt", "target"),
    [
        (S.RUNNING, 1, S.PENDING),
        (S.RUNNING, 2, S.PENDING),
        (S.RUNNING, 3, S.FAILED),
        (S.ASSIGNED, 1, S.PENDING),
        (S.ASSIGNED, 3, S.PENDING),
        (S.CANCELING, 1, S.CANCELED),
    ],
)
def test_losing_an_attempt(state: JobState, attempt: int, target: JobState) -> None:
    lost = jobs.lose(make_job(state, attempt=attempt), 200.0, "w1 is gone", POLICY, 0.5)
    assert (lost.target, lost.fence_attempt) == (target, attempt)


def test_a_lost_attempt_says_why_and_keeps_its_worker_away() -> None:
    lost = jobs.lose(make_job(S.RUNNING), 200.0, "w1 is gone", POLICY, 0.5)
    assert lost.changes["reason"] == "w1 is gone"
    assert lost.changes["excluded_worker"] == "w1"
    assert lost.changes["worker_id"] is None
    assert lost.changes["not_before"] > 200.0


def test_the_last_attempt_s_loss_keeps_its_worker_on_record() -> None:
    lost = jobs.lose(make_job(S.RUNNING, attempt=3), 200.0, "w1 is gone", POLICY, 0.5)
    assert "worker_id" not in lost.changes
    assert lost.changes["reason"] == "w1 is gone; 3 of 3 attempts are used up"


def test_assigning_opens_the_next_attempt_behind_a_fence() -> None:
    assigned = jobs.assign(make_job(attempt=4), "w2", 200.0)
    assert assigned.fence_attempt == 4
    assert assigned.opens is not None
    assert (assigned.opens.attempt, assigned.opens.worker_id) == (5, "w2")


@pytest.mark.parametrize(
    ("attempt", "jitter", "verdict"),
    [
        (1, 0.0, Retry(1.0)),
        (1, 1.0, Retry(2.0)),
        (2, 0.0, Retry(1.0)),
        (2, 1.0, Retry(4.0)),
        (2, 0.5, Retry(2.5)),
        (3, 0.5, GiveUp()),
        (9, 0.5, GiveUp()),
    ],
)
def test_retry_policy(attempt: int, jitter: float, verdict: Retry | GiveUp) -> None:
    assert POLICY.next(attempt, jitter) == verdict


def test_backoff_is_bounded() -> None:
    patient = RetryPolicy(max_attempts=100, minimum=1.0, maximum=10.0)
    assert patient.next(99, 1.0) == Retry(10.0)
    assert patient.delay(0, 1.0) == 0.0
