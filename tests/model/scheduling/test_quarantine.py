"""How a worker that keeps failing is left alone, and comes back."""

import pytest

from dffmpeg.model.jobs import AttemptOutcome
from dffmpeg.model.scheduling.quarantine import LEFT, Quarantine, failure, proved, released, struck, verdict
from dffmpeg.model.workers import Hold, Worker
from tests.model.scheduling.rows import NOW, worker

RULE = Quarantine(strikes=3, minimum=60.0, maximum=400.0)


@pytest.mark.parametrize(
    ("outcome", "reason", "says"),
    [
        (AttemptOutcome.COMPLETED, "None", True),
        (AttemptOutcome.FAILED, "None", True),
        (AttemptOutcome.CANCELED, "canceled by alice", None),
        (AttemptOutcome.REJECTED, "the worker is draining", None),
        (AttemptOutcome.LOST, "no word from w", False),
        (AttemptOutcome.LOST, f"worker w: {LEFT}; 3 of 3 attempts are used up", None),
        (AttemptOutcome.NOT_ACCEPTED, "w did not accept it in time", False),
    ],
)
def test_what_an_end_says_of_the_worker(outcome: AttemptOutcome, reason: str, says: bool | None) -> None:
    assert verdict(outcome, reason) is says


@pytest.mark.parametrize(
    ("outcome", "reason", "told"),
    [
        (AttemptOutcome.LOST, "no word from w", "there was no word from it"),
        (AttemptOutcome.LOST, "w: /films/secret.mkv is a link; 3 of 3 attempts are used up", "it lost a job"),
        (AttemptOutcome.NOT_ACCEPTED, "w did not accept it in time", "it did not accept a job in time"),
    ],
)
def test_what_is_told_of_a_failure_names_no_job(outcome: AttemptOutcome, reason: str, told: str) -> None:
    assert failure(outcome, reason) == told


def after(strikes: int, one: Worker | None = None) -> Worker:
    one = one or worker("w")
    for number in range(strikes):
        one = struck(one, f"failure {number + 1}", NOW, RULE)
    return one


def test_enough_failures_in_a_row() -> None:
    two = after(2)
    assert (two.strikes, two.hold) == (2, None)
    assert not RULE.on_probation(two)
    three = after(3)
    assert (three.hold, three.hold_until) == (Hold.QUARANTINED, NOW + 60)
    assert three.hold_reason == "3 failures in a row; the last one: failure 3"
    assert after(2, proved(two)).hold is None


def test_each_further_failure_doubles_it_up_to_the_longest() -> None:
    one, lengths = after(3), []
    for _ in range(5):
        assert one.hold_until is not None
        lengths.append(one.hold_until - NOW)
        one = released(one)
        assert RULE.on_probation(one)
        one = struck(one, "again", NOW, RULE)
    assert lengths == [60, 120, 240, 400, 400]
    assert struck(worker("w", strikes=10_000), "x", NOW, RULE).hold_until == NOW + 400


def test_a_job_done_well_ends_it() -> None:
    back = proved(released(after(4)))
    assert (back.strikes, back.hold) == (0, None)
    assert not RULE.on_probation(back)


@pytest.mark.parametrize("hold", list(Hold))
def test_what_somebody_decided_stays(hold: Hold) -> None:
    held = worker("w", hold=hold, hold_reason="mine", hold_until=5.0)
    later = after(7, held)
    assert (later.hold, later.hold_reason, later.hold_until, later.strikes) == (hold, "mine", 5.0, 7)
