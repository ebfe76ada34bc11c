"""When a worker that keeps failing is left alone, and how it comes back. Pure.

A strike is a failure of the worker's own making. Enough of them in a row, with different jobs, hold the
worker back for a time that doubles with each further one. When that is over it is on probation: it gets
one job, and that one alone decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dffmpeg.model.jobs import AttemptOutcome
from dffmpeg.model.workers import Hold, Worker

AT_ONCE = 1.0
"""Seconds: failures that come closer together have one cause, and are one strike."""

LEFT = "it has left"
"""What is said of a worker that was stopped: no failure."""

SILENT = "no word from"
"""What is said of one that was not heard of: one silence is one strike, however many jobs it costs."""

_OURS = frozenset({AttemptOutcome.LOST, AttemptOutcome.NOT_ACCEPTED})
_FINE = frozenset({AttemptOutcome.COMPLETED, AttemptOutcome.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """Durations are seconds.

    Attributes:
        strikes: how many failures in a row it takes.
        minimum: the first quarantine's length; each further strike doubles it.
        maximum: the longest.
    """

    strikes: int = 3
    minimum: float = 60.0
    maximum: float = 3600.0

    def length(self, strikes: int) -> float:
        """Of the quarantine that follows so many strikes."""
        return min(self.maximum, self.minimum * 2.0 ** min(max(0, strikes - self.strikes), 60))

    def on_probation(self, worker: Worker) -> bool:
        """Whether it is back from quarantine and has not done a job since."""
        return worker.hold is None and worker.strikes >= self.strikes


def verdict(outcome: AttemptOutcome, reason: str) -> bool | None:
    """What the end of an attempt says of its worker: True for it, False against it, None nothing.

    A program that failed speaks for its worker, which ran it. A rejection says nothing by itself: the
    worker says whether the fault is its own. Neither does a loss because it was stopped.
    """
    if outcome in _FINE:
        return True
    return False if outcome in _OURS and LEFT not in reason else None


def failure(outcome: AttemptOutcome, reason: str) -> str:
    """A failure in words for all who see the worker, who may not know of the job that the reason is about."""
    if outcome is AttemptOutcome.NOT_ACCEPTED:
        return "it did not accept a job in time"
    return f"there was {SILENT} it" if SILENT in reason else "it lost a job"


def struck(worker: Worker, why: str, now: float, rule: Quarantine) -> Worker:
    """The worker after one more strike; in quarantine if that is enough."""
    strikes = worker.strikes + 1
    if strikes < rule.strikes or worker.hold is not None:
        return replace(worker, strikes=strikes)
    return replace(
        worker,
        strikes=strikes,
        hold=Hold.QUARANTINED,
        hold_reason=f"{strikes} failures in a row; the last one: {why}",
        hold_until=now + rule.length(strikes),
    )


def proved(worker: Worker) -> Worker:
    """The worker after a job that it brought to an end."""
    return replace(worker, strikes=0)


def released(worker: Worker) -> Worker:
    """The worker without its hold. Its strikes stay: with enough of them it is on probation."""
    return replace(worker, hold=None, hold_reason=None, hold_until=None)
