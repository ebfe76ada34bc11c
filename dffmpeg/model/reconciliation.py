"""What a worker holds against what it should hold, when the two meet at a registration."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dffmpeg.model.jobs import Job, JobState

Held = tuple[str, int]
"""Job id and attempt number."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from the comparison.

    Attributes:
        offer: assigned to the worker, and it does not know: tell it again.
        cancel: it runs them and should end them gracefully.
        stop: it runs them, and they are not its own any more: kill without a report.
        missing: it should be running (or canceling) them and does not.
    """

    offer: tuple[Job, ...]
    cancel: tuple[Held, ...]
    stop: tuple[Held, ...]
    missing: tuple[Job, ...]


def reconcile(live: Sequence[Job], held: Collection[Held]) -> Plan:
    """Compare.

    Args:
        live: the worker's jobs by the database: assigned, running or canceling.
        held: every attempt that the worker says it holds.
    """
    known = {(job.job_id, job.attempt): job for job in live}
    offer = [j for key, j in known.items() if j.state is JobState.ASSIGNED and key not in held]
    missing = [j for key, j in known.items() if j.state is not JobState.ASSIGNED and key not in held]
    cancel = [k for k in sorted(held) if k in known and known[k].state is JobState.CANCELING]
    stop = [k for k in sorted(held) if k not in known]
    return Plan(tuple(offer), tuple(cancel), tuple(stop), tuple(missing))
