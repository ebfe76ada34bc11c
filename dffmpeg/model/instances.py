"""Which process a worker is: one identity is one process at a time. Pure.

Two processes with one identity would take each other's jobs. Which of two is the right one nobody but their
owner can know; so the one that is there stays, until there is a sign that it is not there any more.
"""

from __future__ import annotations

from dffmpeg.model.workers import Worker, WorkerState

PRESENT = frozenset({WorkerState.REGISTERING, WorkerState.ONLINE, WorkerState.DRAINING})
"""States in which a worker's process is taken to be there."""


def same(known: Worker | None, instance: str | None) -> bool:
    """Whether a registration comes from the process that is known. Older workers do not say who they are."""
    return known is not None and (known.instance is None or instance is None or known.instance == instance)


def takes_over(known: Worker | None, instance: str | None, sole_on: str | None, *, closed: bool) -> bool:
    """Whether a process may be the worker from now on.

    Args:
        known: the worker as it is known, and with it its process.
        instance: names the process that registers.
        sole_on: names a lock that this process has for itself, on the one machine where it can be had. The
            known process had it too, if it says the same: then it has ended.
        closed: the known process's connection was open, and was closed from its end. A process that was
            killed cannot say more; one that only connects again is back before others have noticed.
    """
    if known is None or same(known, instance) or known.state not in PRESENT:
        return True
    return closed or (sole_on is not None and sole_on == known.sole_on)
