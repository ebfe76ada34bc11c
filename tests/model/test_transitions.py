from collections.abc import Callable

import pytest

from dffmpeg.model import transitions
from dffmpeg.model.jobs import (
    LIVE,
    TERMINAL,
    TRANSITIONS,
    AttemptOutcome,
    Job,
    JobState,
    Transition,
    TransitionError,
)
from dffmpeg.model.retries import GiveUp, Retry, RetryPolicy

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
        ("assigned", "failed"),
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
    return lambda job: transitions.finish(job, job.attempt, "w1", 200.0, target, 0, None, None)


GRID: dict[str, tuple[Callable[[Job], Transition], frozenset[JobState], JobState]] = {
    "assign": (lambda job: transitions.assign(job, "w1", 200.0), frozenset({S.PENDING}), S.ASSIGNED),
    "accept": (lambda job: transitions.accept(job, 1, "w1", 200.0), frozenset({S.ASSIGNED}), S.RUNNING),
    "reject": (
        lambda job: transitions.reject(job, 1, "w1", 200.0, "full"),
        frozenset({S.ASSIGNED}),
        S.PENDING,
    ),
    "unfit": (
        lambda job: transitions.unfit(job, 1, "w1", 200.0, "cannot", POLICY, 0.5),
        frozenset({S.ASSIGNED}),
        S.PENDING,
    ),
    "not_accepted": (lambda job: transitions.not_accepted(job, 200.0), frozenset({S.ASSIGNED}), S.PENDING),
    "complete": (finish_as(S.COMPLETED), frozenset({S.RUNNING}), S.COMPLETED),
    "fail": (finish_as(S.FAILED), frozenset({S.RUNNING}), S.FAILED),
    "canceled": (finish_as(S.CANCELED), frozenset({S.RUNNING, S.CANCELING}), S.CANCELED),
    "repeat": (
        lambda job: transitions.repeat(job, 1, "w1", 200.0, 1, None, delay=1.0),
        frozenset({S.RUNNING}),
        S.PENDING,
    ),
    "overrun": (lambda job: transitions.overrun(job, 200.0, 5.0), frozenset({S.RUNNING}), S.FAILED),
    "confirm": (lambda job: transitions.confirm_canceled(job, 200.0), frozenset({S.CANCELING}), S.CANCELED),
    "expire": (
        lambda job: transitions.expire(make_job(job.state, pending_timeout=5.0), 200.0),
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
    assert transitions.request_cancel(make_job(state), 200.0, "why").target is target


@pytest.mark.parametrize("state", sorted(TERMINAL | {S.CANCELING}))
def test_what_has_ended_is_not_canceled(state: JobState) -> None:
    with pytest.raises(TransitionError):
        transitions.request_cancel(make_job(state), 200.0, "why")


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_leads_away_from_an_end(state: JobState) -> None:
    with pytest.raises(TransitionError):
        transitions.lose(make_job(state), 200.0, "why", POLICY, 0.5)
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
    ("state", "attempt", "losses", "target", "used"),
    [
        (S.RUNNING, 1, 0, S.PENDING, 1),
        (S.RUNNING, 9, 1, S.PENDING, 2),
        (S.RUNNING, 3, 2, S.FAILED, 3),
        (S.ASSIGNED, 1, 0, S.PENDING, None),
        (S.ASSIGNED, 9, 2, S.PENDING, None),
        (S.CANCELING, 1, 0, S.CANCELED, None),
    ],
)
def test_losing_an_attempt(
    state: JobState, attempt: int, losses: int, target: JobState, used: int | None
) -> None:
    lost = transitions.lose(make_job(state, attempt=attempt, losses=losses), 200.0, "w1 is gone", POLICY, 0.5)
    assert (lost.target, lost.fence_attempt) == (target, attempt)
    assert lost.changes.get("losses") == used


@pytest.mark.parametrize(("attempt", "waits"), [(1, False), (2, True), (9, True)])
def test_what_was_never_accepted_uses_nothing_up_but_waits(attempt: int, waits: bool) -> None:
    lost = transitions.lose(make_job(S.ASSIGNED, attempt=attempt, losses=2), 200.0, "w1 is gone", POLICY, 0.5)
    assert lost.target is S.PENDING
    assert (lost.changes["not_before"] is not None) == waits


def test_what_workers_cannot_run_as_it_is_comes_to_an_end() -> None:
    said = "w1: why; 3 of 3 attempts are used up"
    for losses, target, reason in ((0, S.PENDING, "why"), (1, S.PENDING, "why"), (2, S.FAILED, said)):
        refused = transitions.unfit(make_job(S.ASSIGNED, losses=losses), 1, "w1", 200.0, "why", POLICY, 0.5)
        assert (refused.target, refused.closes) == (target, AttemptOutcome.REJECTED)
        assert (refused.changes["losses"], refused.changes["reason"]) == (losses + 1, reason)


def test_a_failure_that_is_tried_again_is_the_attempt_s_and_not_the_job_s() -> None:
    again = transitions.repeat(make_job(S.RUNNING, losses=1), 1, "w1", 200.0, 69, None, delay=2.0)
    assert (again.target, again.closes) == (S.PENDING, AttemptOutcome.FAILED)
    assert (again.results["exit_code"], "exit_code" in again.changes) == (69, False)
    assert (again.changes["losses"], again.changes["not_before"]) == (2, 202.0)
    assert again.changes["reason"] == "attempt 1 on w1 ended with exit code 69"
    assert again.changes["excluded_worker"] == "w1"


def test_a_lost_attempt_says_why_and_keeps_its_worker_away() -> None:
    lost = transitions.lose(make_job(S.RUNNING), 200.0, "w1 is gone", POLICY, 0.5)
    assert lost.changes["reason"] == "w1 is gone"
    assert lost.changes["excluded_worker"] == "w1"
    assert lost.changes["worker_id"] is None
    assert lost.changes["not_before"] > 200.0


def test_the_last_attempt_s_loss_keeps_its_worker_on_record() -> None:
    lost = transitions.lose(make_job(S.RUNNING, attempt=7, losses=2), 200.0, "w1 is gone", POLICY, 0.5)
    assert "worker_id" not in lost.changes
    assert lost.changes["reason"] == "w1 is gone; 3 of 3 attempts are used up"


def test_assigning_opens_the_next_attempt_behind_a_fence() -> None:
    assigned = transitions.assign(make_job(attempt=4), "w2", 200.0)
    assert assigned.fence_attempt == 4
    assert assigned.opens is not None
    assert (assigned.opens.attempt, assigned.opens.worker_id) == (5, "w2")


@pytest.mark.parametrize(
    ("losses", "jitter", "verdict"),
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
def test_retry_policy(losses: int, jitter: float, verdict: Retry | GiveUp) -> None:
    assert POLICY.next(losses, jitter) == verdict


def test_backoff_is_bounded() -> None:
    patient = RetryPolicy(max_attempts=100, minimum=1.0, maximum=10.0)
    assert patient.next(99, 1.0) == Retry(10.0)
    assert patient.delay(0, 1.0) == 0.0
